// What certificates and requests for them have in common, on top of OpenSSL's X.509.
#pragma once

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "crypto/evp.h"
#include "ppspp/signature_algorithm.h"
#include "ppspp/signing_key.h"

namespace ppspp::x509 {

using Certificate = std::unique_ptr<X509, evp::Free<X509_free>>;
using Request = std::unique_ptr<X509_REQ, evp::Free<X509_REQ_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, evp::Free<X509_EXTENSION_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, evp::Free<GENERAL_NAMES_free>>;
using Time = std::unique_ptr<ASN1_TIME, evp::Free<ASN1_TIME_free>>;

// Any public key, ED25519's as well; null: it is none.
evp::Key public_key(std::span<const std::byte> dnskey);
// The other way; nothing: of an algorithm other than ECDSA and ED25519.
std::optional<std::vector<std::byte>> dnskey_of(const EVP_PKEY* key);
// The private key in OpenSSL's form; null: the library does not take it.
evp::Key private_key(const SigningKey& key);
// The hash that goes with an algorithm's signatures; null for ED25519, which has its own.
const EVP_MD* digest(SignatureAlgorithm algorithm);

template <typename T, int (*kEncode)(const T*, unsigned char**)>
std::vector<std::byte> to_der(const T* object) {
  const int size = kEncode(object, nullptr);
  std::vector<std::byte> der(static_cast<std::size_t>(size > 0 ? size : 0));
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  if (der.empty() || kEncode(object, &out) != size) return {};
  return der;
}

}  // namespace ppspp::x509
