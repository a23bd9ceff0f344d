#include "ppspp/signing_key.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "crypto/verifying_key.h"
#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using Octets = std::vector<std::byte>;

SigningKey make_key(SignatureAlgorithm algorithm) {
  auto key = SigningKey::generate(algorithm);
  REQUIRE(key);
  return std::move(*key);
}

void check_refused(std::string_view pem, Errc code, std::string_view hint,
                   std::optional<SignatureAlgorithm> algorithm = {}) {
  const auto key = SigningKey::from_pem(pem, algorithm);
  REQUIRE_FALSE(key);
  CAPTURE(key.error().context);
  CHECK(key.error().code == code);
  CHECK(key.error().context.find(hint) != std::string::npos);
  CHECK(key.error().context.find('\n') == std::string::npos);
}

bool same_key(SigningKey& one, const SigningKey& other) {
  const Octets message(40, std::byte{9});
  Octets signature(one.signature_size());
  auto verifier = VerifyingKey::from_dnskey(other.dnskey());
  return std::ranges::equal(one.dnskey(), other.dnskey()) && one.sign(message, signature) &&
         verifier && verifier->verify(message, signature);
}

// Made with the openssl command line; what they say stands in their names.
constexpr const char* kWithPassphrase =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHrMFYGCSqGSIb3DQEFDTBJMCgGCSqGSIb3DQEFDDAbBAirCsvzloZHWAIBCjAM\n"
    "BggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQjJBWKxzRa8JUeZqxWbcrcQSBkBvW\n"
    "othGVOM/dd1XXbXZbH54LSuRdzqINWt8sOLeXMUKdKLJplW4+XYuT4CLevV37IoL\n"
    "mNITso2lkK3PeFz4UUk5t2deWwaoDqEYf1G1JL2nbsN1IBCOmh7aWyGoMGdrDlUB\n"
    "PGA+DzpAGaNv5gXJ1QIulKPU11Sk4SXjWcPf0qrioHxiZjubVjCUHGcUwTLXUQ==\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";
constexpr const char* kOldFormWithPassphrase =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "Proc-Type: 4,ENCRYPTED\n"
    "DEK-Info: AES-128-CBC,DF0F887CD5FEE35AE174FAEB436A78E8\n"
    "\n"
    "JKb8w0zgLkr3cPAQr91tH2N9H3gdxPCf2tgk6lqTiWhJl2Z2yOnpGPlakHQbpXQm\n"
    "o58YDz6TTQJknH7nCYgyZleSITuUWzwBzJHXc13v45owm5pUoNQw7YZdS6UMYqq+\n"
    "T0vgW3iIH6JGrEKVab3e/l5q58h4wvcGN+U77Zn/AHw=\n"
    "-----END EC PRIVATE KEY-----\n";
constexpr const char* kRsa1024 =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAM5715uIEFv6VLMl\n"
    "NOtqNUcYh9NXHKJ3q+qQmjwyo8p5ncMfThmC0JSwgbnXpUkuiChcybuRu8WV+N5l\n"
    "SVRJuUJ8bwwTOB2QvryKY66pXdk3laj5kwpsGeu/8xOcYYEXUh4TuX4kPJU7co2T\n"
    "4IT+Wj1xlYaqAvf0ahywNC1F/k0TAgMBAAECgYEAwmkV6umkRYWgBABPICwit6rg\n"
    "D9tgKZQ1eKfnoDApyTTSlmm+NgTV8Hlz2w+wHwRBzIb4pbMkMXfwFy0UatjzJHUf\n"
    "1XByWD8Ymm4QbTxi0dWBVdpog8gau+ROPzRSb7dFPfSXVPSgh34F5xu4zEh0Nttq\n"
    "KWRZBVKDnHyi83w7rVkCQQD4MX9QmeNxQnC58cD4k+0g+093nZbtX2bHFwvBwGYL\n"
    "f4HqXJvAO7alUeLkcAeSOF7Fqfq3ZQuJfMhiefQDVZAXAkEA1Pp9q4OzeQZj11Y0\n"
    "g9pppThtx5T7rQj5BGrarPk71LxHxrdd5lbXAAxbottIkOR7uIHlE+z4sAIweDrT\n"
    "qhusZQJAG2okPPvykoUbPH7GqO52B+maeoTuseOSz7Ts+IbO/sAj0oZOMeqmnxYv\n"
    "cLorK+yME1tWNUG1B4e//pin6mJeGwJAPGcqmylIDmwEhv8Y98hLLCO75t3XHzUr\n"
    "Qth3WpV5JZWcmbxJslkwsv/OQXsFsqpKeILGkIcl5O1KB99PRrCAjQJAPdzwiTCX\n"
    "YvZNvccW8DB1jmYLWvYe7UFzcLYsqG6/wQN6vJZ8MjfGsjNUVRcBkhdq1rgJPknH\n"
    "24IC4UCgoTCE8w==\n"
    "-----END PRIVATE KEY-----\n";
constexpr const char* kP521 =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIBIFqWkHCz6zMg8WPF\n"
    "LCcUdcGxvQLuhrubRfAZ6EfgKo7hzmX1iU3+2o7cy1d2WJk344dP5JL+9Ov/a3Lw\n"
    "PABpbnuhgYkDgYYABAAOrEDEROEjgtSsfz8F+PcnYbwqqS5SIjfAVHr1vJTKPAfk\n"
    "jto5znuNyHR1wPdrOjjMhIIlkTJubM103ojWP64NDADr5emYnsVgRXZmSmHd4X8y\n"
    "B+efD7x+Z+LVvhZN54fQNwsRSNQ+v+qBdExlR2XWoRvV5FKd7qK3XITNz9sRpyDB\n"
    "8w==\n"
    "-----END PRIVATE KEY-----\n";
constexpr const char* kPublicP256 =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEQDMPvFva5DaKyH0dvPtMenjjU3H\n"
    "t2rFpDu5jX5yd+yPJZy4tsWbH7m5Dmt/TAUcjBgtQ4MyoU5FPaOdVgKALA==\n"
    "-----END PUBLIC KEY-----\n";
// A P-256 key whose private number belongs to another public point.
constexpr const char* kMismatchedP256 =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgqbwQ/ZVBsp7uGU20\n"
    "HzEaLAn1adHmNE+/tDHjFzbsdHKhRANCAARQEWmMA4bukb0U/LEPJ21cr0V8L9ot\n"
    "M1+9NWD55erPGVL0PKunMtq4Ycixu+fYX3DnTK5vUqcW4QJtc6gU/g3g\n"
    "-----END PRIVATE KEY-----\n";

TEST_SUITE("crypto/signing_key") {
  TEST_CASE("a key written as PEM and read again is the same key") {
    for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
      CAPTURE(to_string(algorithm));
      SigningKey key = make_key(algorithm);
      const std::string pem = key.to_pem();
      CHECK(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
      CHECK(pem.ends_with("-----END PRIVATE KEY-----\n"));
      auto again = SigningKey::from_pem(pem, algorithm);
      REQUIRE(again);
      CHECK(again->algorithm() == algorithm);
      CHECK(same_key(key, *again));
      CHECK(again->to_pem() == pem);
    }
  }

  TEST_CASE("no two keys that are made are alike") {
    for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
      SigningKey one = make_key(algorithm);
      SigningKey other = make_key(algorithm);
      CHECK_FALSE(same_key(one, other));
    }
  }

  TEST_CASE("ED25519 signs alike each time, ECDSA never does") {
    const Octets message(40, std::byte{9});
    for (const SignatureAlgorithm algorithm :
         {SignatureAlgorithm::ed25519, SignatureAlgorithm::ecdsap256sha256}) {
      SigningKey key = make_key(algorithm);
      Octets first(64);
      Octets second(64);
      REQUIRE(key.sign(message, first));
      REQUIRE(key.sign(message, second));
      CHECK((first == second) == (algorithm == SignatureAlgorithm::ed25519));
    }
  }

  TEST_CASE("an RSA key is for RSASHA256 unless RSASHA1 is asked for") {
    SigningKey sha1 = make_key(SignatureAlgorithm::rsasha1);
    const std::string pem = sha1.to_pem();
    CHECK(SigningKey::from_pem(pem)->algorithm() == SignatureAlgorithm::rsasha256);
    CHECK(SigningKey::from_pem(pem, SignatureAlgorithm::rsasha256)->algorithm() ==
          SignatureAlgorithm::rsasha256);
    auto again = SigningKey::from_pem(pem, SignatureAlgorithm::rsasha1);
    REQUIRE(again);
    CHECK(same_key(sha1, *again));
  }

  TEST_CASE("a key for another algorithm than was asked for is refused, and both are named") {
    for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
      const std::string pem = make_key(algorithm).to_pem();
      for (const SignatureAlgorithm asked : kSignatureAlgorithms) {
        const auto key = SigningKey::from_pem(pem, asked);
        const auto is_rsa = [](SignatureAlgorithm a) {
          return a == SignatureAlgorithm::rsasha1 || a == SignatureAlgorithm::rsasha256;
        };
        const bool fits = algorithm == asked || (is_rsa(algorithm) && is_rsa(asked));
        CHECK(key.has_value() == fits);
        if (fits) continue;
        CHECK(key.error().context.find("not for " + std::string(to_string(asked))) !=
              std::string::npos);
      }
    }
  }

  TEST_CASE("a key is found behind other text and with the line ends of other systems") {
    SigningKey key = make_key(SignatureAlgorithm::ecdsap256sha256);
    std::string text = "the key of my feed\n\n" + key.to_pem() + "\nnothing more\n";
    CHECK(same_key(key, *SigningKey::from_pem(text)));
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) {
      text.insert(at, "\r");
    }
    CHECK(same_key(key, *SigningKey::from_pem(text)));
  }

  TEST_CASE("what is no private key is refused in one line") {
    for (const std::string& text : {std::string(), std::string("\n"), std::string("-----BEGIN"),
                                    std::string("not a key\n"), std::string(100'000, 'A')}) {
      check_refused(text, Errc::invalid_argument, "no private key in PEM");
    }
    check_refused(std::string_view(), Errc::invalid_argument, "no private key in PEM");
    check_refused(kPublicP256, Errc::invalid_argument, "no private key in PEM");
  }

  TEST_CASE("a key with a passphrase is refused, and nobody is asked for it") {
    check_refused(kWithPassphrase, Errc::not_supported, "has a passphrase");
    check_refused(kOldFormWithPassphrase, Errc::not_supported, "has a passphrase");
  }

  TEST_CASE("keys that are too short, of another curve, or whose halves differ are refused") {
    check_refused(kRsa1024, Errc::not_supported, "RSA key of 1024 bits, where 2048 to 4096");
    check_refused(kP521, Errc::not_supported, "P-256 or P-384");
    check_refused(kMismatchedP256, Errc::integrity, "damaged");
  }

  TEST_CASE("a key's text cut short is refused, and a text with damage is refused or signs") {
    Rng rng(test::seed());
    for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
      CAPTURE(to_string(algorithm));
      const std::string pem = make_key(algorithm).to_pem();
      const std::size_t end = pem.rfind("-----END PRIVATE KEY-----");
      for (std::size_t size = 0; size < end; size += 1 + size / 50) {
        CHECK_FALSE(SigningKey::from_pem(pem.substr(0, size)));
      }
      for (int i = 0; i < 100; ++i) {
        std::string damaged = pem;
        damaged[rng.below(damaged.size())] = static_cast<char>(' ' + rng.below(95));
        auto key = SigningKey::from_pem(damaged);
        if (key) CHECK(same_key(*key, *key));
      }
    }
  }
}

}  // namespace
}  // namespace ppspp
