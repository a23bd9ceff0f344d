#include "crypto/x509.h"

#include <openssl/err.h>
#include <string.h>  // explicit_bzero

#include <string>

#include "base/dnskey.h"
#include "crypto/private_key.h"

namespace ppspp::x509 {
namespace {

evp::Key ed25519_key(std::span<const std::byte> point) {
  return evp::Key(EVP_PKEY_new_raw_public_key_ex(
      nullptr, "ED25519", nullptr, reinterpret_cast<const unsigned char*>(point.data()),
      point.size()));
}

std::optional<std::vector<std::byte>> ed25519_dnskey(const EVP_PKEY* key) {
  std::vector<std::byte> dnskey(33, static_cast<std::byte>(SignatureAlgorithm::ed25519));
  std::size_t size = dnskey.size() - 1;
  auto* const point = reinterpret_cast<unsigned char*>(dnskey.data() + 1);
  if (EVP_PKEY_get_raw_public_key(key, point, &size) != 1 || size != 32) return std::nullopt;
  return dnskey;
}

}  // namespace

evp::Key public_key(std::span<const std::byte> octets) {
  const auto dnskey = parse_dnskey(octets);
  if (!dnskey) return nullptr;
  evp::Key key = dnskey->algorithm == SignatureAlgorithm::ed25519 ? ed25519_key(dnskey->point)
                                                                  : evp::public_key(*dnskey);
  ERR_clear_error();
  return key;
}

std::optional<std::vector<std::byte>> dnskey_of(const EVP_PKEY* key) {
  const auto algorithm = evp::checked_algorithm(key, {});
  if (!algorithm) return std::nullopt;
  if (*algorithm == SignatureAlgorithm::ed25519) return ed25519_dnskey(key);
  if (!evp::is_ecdsa(*algorithm)) return std::nullopt;
  return evp::dnskey_of(key, *algorithm);
}

evp::Key private_key(const SigningKey& key) {
  std::string pem = key.to_pem();
  auto read = evp::read_pem(pem);
  explicit_bzero(pem.data(), pem.size());
  return read ? std::move(*read) : nullptr;
}

const EVP_MD* digest(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::rsasha1:
      return EVP_sha1();
    case SignatureAlgorithm::ecdsap384sha384:
      return EVP_sha384();
    case SignatureAlgorithm::ed25519:
      return nullptr;
    case SignatureAlgorithm::rsasha256:
    case SignatureAlgorithm::ecdsap256sha256:
      break;
  }
  return EVP_sha256();
}

}  // namespace ppspp::x509
