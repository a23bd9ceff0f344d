#include "crypto/private_key.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>

#include "base/assert.h"
#include "base/dnskey.h"

namespace ppspp::evp {
namespace {

using Octets = std::vector<std::byte>;
using BigNumber = std::unique_ptr<BIGNUM, Free<BN_free>>;

constexpr std::size_t kMaxPemSize = 64 * 1024;  // a key of RSA has some 3 KiB

// Octets of a number that OpenSSL holds, without leading zeros; none if it has no such number.
Octets number_of(const EVP_PKEY* key, const char* name) {
  BIGNUM* value = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &value) != 1) return {};
  const BigNumber owner(value);
  Octets octets(static_cast<std::size_t>(BN_num_bytes(value)));
  BN_bn2bin(value, reinterpret_cast<unsigned char*>(octets.data()));
  return octets;
}

void append_padded(Octets& out, const Octets& number, std::size_t size) {
  out.resize(out.size() + size - std::min(size, number.size()));
  out.insert(out.end(), number.begin(), number.end());
}

// Instead of OpenSSL's question on the terminal.
int no_passphrase(char*, int, int, void* was_asked) {
  *static_cast<bool*>(was_asked) = true;
  return -1;
}

std::optional<SignatureAlgorithm> curve_of(const EVP_PKEY* key) {
  std::array<char, 64> name = {};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name.data(), name.size(), &size) != 1) return std::nullopt;
  const std::string_view curve(name.data(), size);
  if (curve == "prime256v1") return SignatureAlgorithm::ecdsap256sha256;
  if (curve == "secp384r1") return SignatureAlgorithm::ecdsap384sha384;
  return std::nullopt;
}

// The algorithm that a key is used with, where `asked` may choose between those of RSA.
std::optional<SignatureAlgorithm> algorithm_of(const EVP_PKEY* key,
                                               std::optional<SignatureAlgorithm> asked) {
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return SignatureAlgorithm::ed25519;
  if (EVP_PKEY_is_a(key, "EC") == 1) return curve_of(key);
  if (EVP_PKEY_is_a(key, "RSA") != 1) return std::nullopt;
  return asked == SignatureAlgorithm::rsasha1 ? SignatureAlgorithm::rsasha1
                                              : SignatureAlgorithm::rsasha256;
}

}  // namespace

Key generate(SignatureAlgorithm algorithm) {
  return Key(is_rsa(algorithm) ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", kMinRsaBits)
                               : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve_name(algorithm)));
}

Result<Key> read_pem(std::string_view pem) {
  bool encrypted = false;
  // No octets may have no address, which OpenSSL would not take.
  const char* const text = pem.empty() ? "" : pem.data();
  const Bio in(BIO_new_mem_buf(text, static_cast<int>(std::min(pem.size(), kMaxPemSize))));
  PPSPP_ASSERT(in != nullptr);
  Key key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, &encrypted));
  ERR_clear_error();
  if (encrypted) {
    return fail(
        Errc::not_supported,
        "the private key has a passphrase: remove it with `openssl pkey -in FILE -out NEW`");
  }
  if (!key) {
    return fail(
        Errc::invalid_argument,
        "this is no private key in PEM, or it is damaged: give the file of a feed's key, or "
        "one that does not exist yet");
  }
  return key;
}

std::string to_pem(EVP_PKEY* key) {
  const Bio out(BIO_new(BIO_s_mem()));  // wipes what it held
  PPSPP_ASSERT(out != nullptr);
  PPSPP_ASSERT(
      PEM_write_bio_PKCS8PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

Result<SignatureAlgorithm> checked_algorithm(const EVP_PKEY* key,
                                             std::optional<SignatureAlgorithm> asked) {
  const auto found = algorithm_of(key, asked);
  ERR_clear_error();
  if (!found) {
    return fail(
        Errc::not_supported,
        "this kind of private key cannot sign a feed: use an RSA key, an EC key of the curve "
        "P-256 or P-384, or an ED25519 key");
  }
  if (asked && *asked != *found) {
    return fail(Errc::invalid_argument,
                fmt::format("this is a key for {}, not for {}: leave the algorithm out, or give "
                            "another key",
                            to_string(*found), to_string(*asked)));
  }
  return *found;
}

std::vector<std::byte> dnskey_of(const EVP_PKEY* key, SignatureAlgorithm algorithm) {
  Octets octets = {static_cast<std::byte>(algorithm)};
  if (is_rsa(algorithm)) {
    const Octets exponent = number_of(key, OSSL_PKEY_PARAM_RSA_E);
    const Octets modulus = number_of(key, OSSL_PKEY_PARAM_RSA_N);
    // One octet has room for its length wherever the key can be used.
    octets.push_back(static_cast<std::byte>(std::min<std::size_t>(exponent.size(), 255)));
    append_padded(octets, exponent, exponent.size());
    append_padded(octets, modulus, modulus.size());
  } else {
    const std::size_t size = algorithm == SignatureAlgorithm::ecdsap256sha256 ? 32 : 48;
    append_padded(octets, number_of(key, OSSL_PKEY_PARAM_EC_PUB_X), size);
    append_padded(octets, number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y), size);
  }
  return octets;
}

std::optional<Ed25519Seed> seed_of(const EVP_PKEY* key) {
  Ed25519Seed seed;
  std::size_t size = seed.size();
  const bool ok = EVP_PKEY_get_raw_private_key(key, seed.data(), &size) == 1 && size == seed.size();
  return ok ? std::optional(seed) : std::nullopt;
}

}  // namespace ppspp::evp
