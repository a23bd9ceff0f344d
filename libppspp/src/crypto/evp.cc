#include "crypto/evp.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/assert.h"

namespace ppspp::evp {
namespace {

using BigNumber = std::unique_ptr<BIGNUM, Free<BN_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>>;
using ParameterBuilder = std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>>;

const unsigned char* octets(std::span<const std::byte> data) {
  return reinterpret_cast<const unsigned char*>(data.data());
}

BigNumber number(std::span<const std::byte> data) {
  return BigNumber(BN_bin2bn(octets(data), static_cast<int>(data.size()), nullptr));
}

Key key_from(const char* type, OSSL_PARAM_BLD* builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  const bool ok =
      parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1 &&
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) == 1;
  if (!ok) ERR_clear_error();
  return Key(ok ? key : nullptr);
}

Key rsa_key(const Dnskey& dnskey) {
  const BigNumber modulus = number(dnskey.modulus);
  const BigNumber exponent = number(dnskey.exponent);
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  const bool ok =
      modulus && exponent && builder &&
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) == 1 &&
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) == 1;
  return ok ? key_from("RSA", builder.get()) : nullptr;
}

// OpenSSL refuses what is not on the curve.
Key ecdsa_key(const Dnskey& dnskey) {
  std::vector<unsigned char> point = {POINT_CONVERSION_UNCOMPRESSED};
  point.insert(point.end(), octets(dnskey.point), octets(dnskey.point) + dnskey.point.size());
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  const bool ok = builder &&
                  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                                  curve_name(dnskey.algorithm), 0) == 1 &&
                  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY,
                                                   point.data(), point.size()) == 1;
  return ok ? key_from("EC", builder.get()) : nullptr;
}

const char* hash_name(SignatureAlgorithm algorithm) {
  if (algorithm == SignatureAlgorithm::rsasha1) return "SHA1";
  return algorithm == SignatureAlgorithm::ecdsap384sha384 ? "SHA384" : "SHA256";
}

}  // namespace

bool is_rsa(SignatureAlgorithm algorithm) {
  return algorithm == SignatureAlgorithm::rsasha1 || algorithm == SignatureAlgorithm::rsasha256;
}

bool is_ecdsa(SignatureAlgorithm algorithm) {
  return algorithm == SignatureAlgorithm::ecdsap256sha256 ||
         algorithm == SignatureAlgorithm::ecdsap384sha384;
}

const char* curve_name(SignatureAlgorithm algorithm) {
  PPSPP_ASSERT(is_ecdsa(algorithm));
  return algorithm == SignatureAlgorithm::ecdsap256sha256 ? "P-256" : "P-384";
}

Key public_key(const Dnskey& dnskey) {
  return is_rsa(dnskey.algorithm) ? rsa_key(dnskey) : ecdsa_key(dnskey);
}

// Without memory or SHA there is no swarm, as for a Hasher.
MessageHash::MessageHash(SignatureAlgorithm algorithm)
    : function_(EVP_MD_fetch(nullptr, hash_name(algorithm), nullptr)), context_(EVP_MD_CTX_new()) {
  PPSPP_ASSERT(algorithm != SignatureAlgorithm::ed25519);
  PPSPP_ASSERT(function_ != nullptr);
  PPSPP_ASSERT(context_ != nullptr);
  PPSPP_ASSERT(EVP_DigestInit_ex2(context_.get(), function_.get(), nullptr) == 1);
}

std::span<const unsigned char> MessageHash::operator()(std::span<const std::byte> message) {
  unsigned size = 0;
  const bool ok = EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) == 1 &&
                  EVP_DigestUpdate(context_.get(), message.data(), message.size()) == 1 &&
                  EVP_DigestFinal_ex(context_.get(), digest_.data(), &size) == 1;
  return std::span(digest_).first(ok ? size : 0);
}

KeyContext context_for(EVP_PKEY* key, const EVP_MD* hash, int (*init)(EVP_PKEY_CTX*)) {
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  const bool ok = context && init(context.get()) == 1 &&
                  EVP_PKEY_CTX_set_signature_md(context.get(), hash) == 1;
  if (!ok) ERR_clear_error();
  return ok ? std::move(context) : nullptr;
}

std::size_t ecdsa_to_der(std::span<const std::byte> raw,
                         std::span<unsigned char, kMaxEcdsaDerSize> der) {
  PPSPP_ASSERT(raw.size() <= 2 * 48);
  const EcdsaSignature signature(ECDSA_SIG_new());
  BigNumber r = number(raw.first(raw.size() / 2));
  BigNumber s = number(raw.subspan(raw.size() / 2));
  if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return 0;
  static_cast<void>(r.release());  // the signature owns them now
  static_cast<void>(s.release());
  unsigned char* end = der.data();
  return static_cast<std::size_t>(std::max(0, i2d_ECDSA_SIG(signature.get(), &end)));
}

bool ecdsa_from_der(std::span<const unsigned char> der, std::span<std::byte> raw) {
  const unsigned char* begin = der.data();
  const EcdsaSignature signature(d2i_ECDSA_SIG(nullptr, &begin, static_cast<long>(der.size())));
  if (!signature) return false;
  const int half = static_cast<int>(raw.size() / 2);
  auto* const out = reinterpret_cast<unsigned char*>(raw.data());
  return BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, half) == half &&
         BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + half, half) == half;
}

}  // namespace ppspp::evp
