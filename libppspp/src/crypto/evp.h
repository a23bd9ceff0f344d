// Owners of OpenSSL's objects, and the keys and ECDSA signatures that it takes in forms of its own.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "base/dnskey.h"
#include "ppspp/signature_algorithm.h"

namespace ppspp::evp {

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;

bool is_rsa(SignatureAlgorithm algorithm);
bool is_ecdsa(SignatureAlgorithm algorithm);
// OpenSSL's name of the curve: "P-256" or "P-384".
const char* curve_name(SignatureAlgorithm algorithm);

// The public key of an RSA or ECDSA DNSKEY; null if OpenSSL finds it to be none.
Key public_key(const Dnskey& dnskey);

// The hash that an algorithm signs, with a context that is kept.
class MessageHash {
 public:
  explicit MessageHash(SignatureAlgorithm algorithm);  // not for ED25519, which hashes by itself
  const EVP_MD* function() const { return function_.get(); }
  // A view that is good until the next call; empty if the library failed.
  std::span<const unsigned char> operator()(std::span<const std::byte> message);

 private:
  std::unique_ptr<EVP_MD, Free<EVP_MD_free>> function_;
  std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>> context_;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest_ = {};
};

// A context for `key` that was made ready by `init` (EVP_PKEY_sign_init or EVP_PKEY_verify_init)
// and serves any number of calls; null if the library does not do that.
KeyContext context_for(EVP_PKEY* key, const EVP_MD* hash, int (*init)(EVP_PKEY_CTX*));

// An ECDSA signature in DER holds two numbers; an RRSIG record has them one behind the other, each
// as long as the curve's numbers (RFC 6605, section 4).
inline constexpr std::size_t kMaxEcdsaDerSize = 2 * (48 + 3) + 3;
// Writes DER to `der` and returns its length; 0 if the library failed.
std::size_t ecdsa_to_der(std::span<const std::byte> raw,
                         std::span<unsigned char, kMaxEcdsaDerSize> der);
// Fills `raw`. False: `der` is no signature, or one of a larger curve.
bool ecdsa_from_der(std::span<const unsigned char> der, std::span<std::byte> raw);

}  // namespace ppspp::evp
