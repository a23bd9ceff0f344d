#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "crypto/verifying_key.h"
#include "ppspp/random_source.h"
#include "ppspp/signing_key.h"
#include "support/hex.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using Octets = std::vector<std::byte>;

Octets octets_of(std::string_view text) {
  const auto octets = std::as_bytes(std::span(text));
  return {octets.begin(), octets.end()};
}

SigningKey make_key(SignatureAlgorithm algorithm) {
  auto key = SigningKey::generate(algorithm);
  REQUIRE(key);
  return std::move(*key);
}

VerifyingKey verifier_of(const SigningKey& key) {
  auto verifier = VerifyingKey::from_dnskey(key.dnskey());
  REQUIRE(verifier);
  return std::move(*verifier);
}

Octets sign(SigningKey& key, std::span<const std::byte> message) {
  Octets signature(key.signature_size());
  REQUIRE(key.sign(message, signature));
  return signature;
}

void flip(Octets& octets, std::size_t bit) {
  octets[bit / 8] ^= std::byte{0x80} >> (bit % 8);
}

std::size_t expected_key_size(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::rsasha1:
    case SignatureAlgorithm::rsasha256:
      return 1 + 1 + 3 + 256;
    case SignatureAlgorithm::ecdsap256sha256:
      return 1 + 64;
    case SignatureAlgorithm::ecdsap384sha384:
      return 1 + 96;
    case SignatureAlgorithm::ed25519:
      return 1 + 32;
  }
  return 0;
}

TEST_SUITE("crypto/signature") {
  TEST_CASE("every algorithm signs, and its public key verifies (7.7; 8.9 #145)") {
    for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
      CAPTURE(to_string(algorithm));
      SigningKey key = make_key(algorithm);
      VerifyingKey verifier = verifier_of(key);
      CHECK(key.algorithm() == algorithm);
      CHECK(verifier.algorithm() == algorithm);
      CHECK(key.dnskey().size() == expected_key_size(algorithm));
      CHECK(key.dnskey().front() == static_cast<std::byte>(algorithm));
      CHECK(verifier.signature_size() == key.signature_size());
      for (const std::size_t size : {0u, 1u, 48u, 63u, 64u, 1060u, 65'000u}) {
        const Octets message(size, std::byte{0xa7});
        CHECK(verifier.verify(message, sign(key, message)));
      }
    }
  }

  TEST_CASE("a signature or message with one bit flipped is refused, and the key still verifies") {
    for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
      CAPTURE(to_string(algorithm));
      SigningKey key = make_key(algorithm);
      VerifyingKey verifier = verifier_of(key);
      Octets message = octets_of("spec, time, hash");
      Octets signature = sign(key, message);
      for (std::size_t bit = 0; bit < 8 * signature.size(); ++bit) {
        flip(signature, bit);
        CAPTURE(bit);
        CHECK_FALSE(verifier.verify(message, signature));
        flip(signature, bit);
      }
      for (std::size_t bit = 0; bit < 8 * message.size(); ++bit) {
        flip(message, bit);
        CAPTURE(bit);
        CHECK_FALSE(verifier.verify(message, signature));
        flip(message, bit);
      }
      CHECK(verifier.verify(message, signature));
    }
  }

  TEST_CASE("a signature of another length, of zeros, or of the group's order is refused") {
    for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
      CAPTURE(to_string(algorithm));
      SigningKey key = make_key(algorithm);
      VerifyingKey verifier = verifier_of(key);
      const Octets message = octets_of("message");
      const Octets signature = sign(key, message);
      for (std::size_t size = 0; size < signature.size(); ++size) {
        CHECK_FALSE(verifier.verify(message, std::span(signature).first(size)));
      }
      Octets longer = signature;
      longer.push_back(std::byte{0});
      CHECK_FALSE(verifier.verify(message, longer));
      for (const std::byte filler : {std::byte{0}, std::byte{1}, std::byte{0xff}}) {
        CHECK_FALSE(verifier.verify(message, Octets(signature.size(), filler)));
      }
      CHECK(verifier.verify(message, signature));
    }
  }

  TEST_CASE("a public key with one bit flipped is none, or refuses the signature") {
    for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
      CAPTURE(to_string(algorithm));
      SigningKey key = make_key(algorithm);
      const Octets message = octets_of("message");
      const Octets signature = sign(key, message);
      Octets dnskey(key.dnskey().begin(), key.dnskey().end());
      for (std::size_t bit = 0; bit < 8 * dnskey.size(); ++bit) {
        flip(dnskey, bit);
        CAPTURE(bit);
        auto other = VerifyingKey::from_dnskey(dnskey);
        CHECK_FALSE((other && other->verify(message, signature)));
        flip(dnskey, bit);
      }
    }
  }

  TEST_CASE("a public key cut short, with an octet more, or that is no point is none") {
    for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
      CAPTURE(to_string(algorithm));
      const SigningKey key = make_key(algorithm);
      const auto dnskey = key.dnskey();
      const bool is_rsa =
          algorithm == SignatureAlgorithm::rsasha1 || algorithm == SignatureAlgorithm::rsasha256;
      for (std::size_t size = 0; size < dnskey.size(); ++size) {
        CHECK_FALSE(VerifyingKey::from_dnskey(dnskey.first(size)));
      }
      if (is_rsa) continue;
      Octets longer(dnskey.begin(), dnskey.end());
      longer.push_back(std::byte{0});
      CHECK_FALSE(VerifyingKey::from_dnskey(longer));
      for (const std::byte filler : {std::byte{0}, std::byte{1}, std::byte{0xff}}) {
        Octets no_point(dnskey.size(), filler);
        no_point[0] = dnskey[0];
        CHECK_FALSE(VerifyingKey::from_dnskey(no_point));
      }
    }
  }

  TEST_CASE("points of ED25519 that lie in a small group verify nothing, since they are refused") {
    for (const char* point : {"0100000000000000000000000000000000000000000000000000000000000000",
                              "0000000000000000000000000000000000000000000000000000000000000000",
                              "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                              "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                              "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"}) {
      CAPTURE(point);
      Octets dnskey = test::hex(std::string("0f") + point);
      CHECK_FALSE(VerifyingKey::from_dnskey(dnskey));
    }
  }

  TEST_CASE("another key of the same algorithm refuses, and so does the other algorithm of RSA") {
    for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
      CAPTURE(to_string(algorithm));
      SigningKey key = make_key(algorithm);
      const SigningKey stranger = make_key(algorithm);
      const Octets message = octets_of("message");
      CHECK_FALSE(verifier_of(stranger).verify(message, sign(key, message)));
    }
    SigningKey sha256 = make_key(SignatureAlgorithm::rsasha256);
    auto sha1 = SigningKey::from_pem(sha256.to_pem(), SignatureAlgorithm::rsasha1);
    REQUIRE(sha1);
    const Octets message = octets_of("message");
    CHECK(verifier_of(*sha1).verify(message, sign(*sha1, message)));
    CHECK_FALSE(verifier_of(*sha1).verify(message, sign(sha256, message)));
    CHECK_FALSE(verifier_of(sha256).verify(message, sign(*sha1, message)));
  }

  TEST_CASE("keys can be moved, and serve many messages, good and bad in any order") {
    Rng rng(test::seed());
    for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
      CAPTURE(to_string(algorithm));
      SigningKey first = make_key(algorithm);
      VerifyingKey first_verifier = verifier_of(first);
      SigningKey key = std::move(first);
      VerifyingKey verifier = std::move(first_verifier);
      for (int i = 0; i < 50; ++i) {
        Octets message(rng.below(200) + 1);
        for (std::byte& octet : message) octet = static_cast<std::byte>(rng.next_u64());
        Octets signature = sign(key, message);
        const bool spoil = rng.below(2) == 0;
        if (spoil) flip(signature, rng.below(8 * signature.size()));
        CHECK(verifier.verify(message, signature) != spoil);
      }
      first = make_key(SignatureAlgorithm::ed25519);
      CHECK(first.algorithm() == SignatureAlgorithm::ed25519);
    }
  }

  // Numbers whose leading octets are zero come once in 128 signatures, and have to be filled up.
  TEST_CASE("ECDSA signatures have their full length, also where a number is short (RFC 6605)") {
    SigningKey key = make_key(SignatureAlgorithm::ecdsap256sha256);
    VerifyingKey verifier = verifier_of(key);
    int with_zero = 0;
    for (int i = 0; i < 5000 && with_zero < 3; ++i) {
      const Octets message = octets_of(std::to_string(i));
      const Octets signature = sign(key, message);
      if (signature[0] != std::byte{0} && signature[32] != std::byte{0}) continue;
      ++with_zero;
      CHECK(verifier.verify(message, signature));
    }
    CHECK(with_zero == 3);
  }
}

}  // namespace
}  // namespace ppspp
