// The examples of the RFCs that define the algorithms: their keys, and their signatures over the
// record set that stands beside them, in the order of RFC 4034, section 3.1.8.1.
#include <doctest/doctest.h>
#include <sodium.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "crypto/verifying_key.h"
#include "ppspp/signing_key.h"
#include "support/hex.h"

namespace ppspp {
namespace {

using test::hex;
using test::to_hex;
using Octets = std::vector<std::byte>;

Octets from_base64(std::string_view text) {
  Octets octets(text.size());
  std::size_t size = 0;
  REQUIRE(sodium_base642bin(reinterpret_cast<unsigned char*>(octets.data()), octets.size(),
                            text.data(), text.size(), " ", &size, nullptr,
                            sodium_base64_VARIANT_ORIGINAL) == 0);
  octets.resize(size);
  return octets;
}

std::string pem(const Octets& der) {
  std::string text(sodium_base64_ENCODED_LEN(der.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(der.data()),
                    der.size(), sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // a zero
  return "-----BEGIN PRIVATE KEY-----\n" + text + "\n-----END PRIVATE KEY-----\n";
}

Octets joined(std::initializer_list<Octets> parts) {
  Octets all;
  for (const Octets& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Octets number(std::uint32_t value) {
  Octets octets(4);
  ByteWriter(octets).write(value);
  return octets;
}

// Labels, each behind its length.
Octets name(std::string_view text) {
  Octets octets;
  while (!text.empty()) {
    const std::string_view label = text.substr(0, text.find('.'));
    octets.push_back(static_cast<std::byte>(label.size()));
    for (const char c : label) octets.push_back(static_cast<std::byte>(c));
    text.remove_prefix(std::min(text.size(), label.size() + 1));
  }
  octets.push_back(std::byte{0});
  return octets;
}

struct Example {
  unsigned algorithm;
  const char* pkcs8_front;  // of the private key, which stands behind it
  const char* private_key;
  const char* public_key;
  const char* signature;
  Octets signed_data;
};

// What an RRSIG signs: its own fields, then the one record of the set.
Octets signed_data(unsigned algorithm, unsigned labels, const char* type, std::uint32_t expiration,
                   std::uint32_t inception, unsigned tag, const char* signer, const char* owner,
                   const Octets& data) {
  const Octets ttl = number(3600);
  const auto octet = [](unsigned value) { return Octets{static_cast<std::byte>(value)}; };
  return joined({hex(type), octet(algorithm), octet(labels), ttl, number(expiration),
                 number(inception), octet(tag >> 8), octet(tag & 255), name(signer), name(owner),
                 hex(type), hex("0001"), ttl, octet(0), octet(static_cast<unsigned>(data.size())),
                 data});
}

const Octets kMailExchange = joined({hex("000a"), name("mail.example.com")});
constexpr const char* kA = "0001";
constexpr const char* kMx = "000f";

const Example kExamples[] = {
    // RFC 6605, section 6.1
    {13, "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420",
     "GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=",
     "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==",
     "qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==",
     signed_data(13, 3, kA, 1284026679, 1281607479, 55648, "example.net", "www.example.net",
                 hex("c0000201"))},
    // RFC 6605, section 6.2
    {14, "304e020100301006072a8648ce3d020106052b81040022043730350201010430",
     "WURgWHCcYIYUPWgeLmiPY2DJJk02vgrmTfitxgqcL4vwW7BOrbawVmVe0d9V94SR",
     "xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1w/egsXvSADtNJhyem5RCOpgQ6K8X1DRSEkrbYQ+OB+v8"
     "/uX45NBwY8rp65F6Glur8I/mlVNgF6W/qTI37m40",
     "/L5hDKIvGDyI1fcARX3z65qrmPsVz73QD1Mr5CEqOiLP95hxQouuroGCeZOvzFaxsT8Glr74hbavRKayJNuydCuz"
     "WTSSPdz7wnqXL5bdcJzusdnI0RSMROxxwGipWcJm",
     signed_data(14, 3, kA, 1284027625, 1281608425, 10771, "example.net", "www.example.net",
                 hex("c0000201"))},
    // RFC 8080, section 6.1, with the signatures of its erratum 4935
    {15, "302e020100300506032b657004220420",
     "ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=", "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
     "oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==",
     signed_data(15, 2, kMx, 1440021600, 1438207200, 3613, "example.com", "example.com",
                 kMailExchange)},
    {15, "302e020100300506032b657004220420",
     "DSSF3o0s0f+ElWzj9E/Osxw8hLpk55chkmx0LYN5WiY=", "zPnZ/QwEe7S8C5SPz2OfS5RR40ATk2/rYnE9xHIEijs=",
     "zXQ0bkYgQTEFyfLyi9QoiY6D8ZdYo4wyUhVioYZXFdT410QPRITQSqJSnzQoSm5poJ7gD7AQR0O7KuI5k2pcBg==",
     signed_data(15, 2, kMx, 1440021600, 1438207200, 35217, "example.com", "example.com",
                 kMailExchange)},
};

SigningKey private_key(const Example& example) {
  auto key = SigningKey::from_pem(
      pem(joined({hex(example.pkcs8_front), from_base64(example.private_key)})));
  REQUIRE(key);
  return std::move(*key);
}

TEST_SUITE("crypto/dnssec_vectors") {
  TEST_CASE("private keys of the RFCs' examples have the public keys that stand beside them") {
    for (const Example& example : kExamples) {
      CAPTURE(example.public_key);
      const SigningKey key = private_key(example);
      CHECK(key.dnskey().front() == static_cast<std::byte>(example.algorithm));
      CHECK(to_hex(key.dnskey().subspan(1)) == to_hex(from_base64(example.public_key)));
    }
  }

  TEST_CASE("signatures of the RFCs' examples verify, and no other octets do") {
    for (const Example& example : kExamples) {
      CAPTURE(example.public_key);
      Octets dnskey = from_base64(example.public_key);
      dnskey.insert(dnskey.begin(), static_cast<std::byte>(example.algorithm));
      auto key = VerifyingKey::from_dnskey(dnskey);
      REQUIRE(key);
      CHECK(key->verify(example.signed_data, from_base64(example.signature)));
      Octets other = example.signed_data;
      other.back() ^= std::byte{1};
      CHECK_FALSE(key->verify(other, from_base64(example.signature)));
    }
  }

  TEST_CASE("ED25519 signs the example as the RFC does") {
    for (const Example& example : kExamples) {
      if (example.algorithm != 15) continue;
      SigningKey key = private_key(example);
      Octets signature(key.signature_size());
      REQUIRE(key.sign(example.signed_data, signature));
      CHECK(to_hex(signature) == to_hex(from_base64(example.signature)));
    }
  }

  TEST_CASE("the example key of RFC 5702, section 6.1, has 512 bits, and is too short") {
    Octets dnskey = from_base64(
        "AwEAAcFcGsaxxdgiuuGmCkVImy4h99CqT7jwY3pexPGcnUFtR2Fh36BponcwtkZ4cAgtvd4Qs8PkxUdp6p/DlUmO"
        "bdk=");
    dnskey.insert(dnskey.begin(), std::byte{8});
    REQUIRE(dnskey.size() == 1 + 1 + 3 + 64);
    CHECK_FALSE(VerifyingKey::from_dnskey(dnskey));
  }
}

}  // namespace
}  // namespace ppspp
