#include "crypto/verifying_key.h"

#include <openssl/err.h>
#include <sodium.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/dnskey.h"
#include "crypto/evp.h"

namespace ppspp {
namespace {

const unsigned char* octets(std::span<const std::byte> data) {
  return reinterpret_cast<const unsigned char*>(data.data());
}

}  // namespace

struct VerifyingKey::Impl {
  Impl(SignatureAlgorithm its_algorithm, std::size_t its_signature_size)
      : algorithm(its_algorithm), signature_size(its_signature_size) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  virtual ~Impl() = default;
  virtual bool verify(std::span<const std::byte> message, std::span<const std::byte> signature) = 0;

  const SignatureAlgorithm algorithm;
  const std::size_t signature_size;

  class Ed25519;
  class Evp;
};

class VerifyingKey::Impl::Ed25519 final : public Impl {
 public:
  explicit Ed25519(const Dnskey& dnskey) : Impl(dnskey.algorithm, dnskey.signature_size()) {
    PPSPP_ASSERT(dnskey.point.size() == point_.size());
    std::copy_n(octets(dnskey.point), point_.size(), point_.begin());
  }
  bool verify(std::span<const std::byte> message, std::span<const std::byte> signature) override {
    return crypto_sign_verify_detached(octets(signature), octets(message), message.size(),
                                       point_.data()) == 0;
  }

  static bool is_point(std::span<const std::byte> point) {
    return sodium_init() >= 0 && crypto_core_ed25519_is_valid_point(octets(point)) == 1;
  }

 private:
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> point_ = {};
};

// Hash and check are two calls on contexts that are kept: one call that does both makes contexts of
// its own each time.
class VerifyingKey::Impl::Evp final : public Impl {
 public:
  static std::unique_ptr<Impl> make(const Dnskey& dnskey) {
    evp::Key key = evp::public_key(dnskey);
    if (!key) return nullptr;
    auto made = std::make_unique<Evp>(dnskey);
    made->context_ = evp::context_for(key.get(), made->hash_.function(), EVP_PKEY_verify_init);
    return made->context_ ? std::move(made) : nullptr;
  }
  explicit Evp(const Dnskey& dnskey)
      : Impl(dnskey.algorithm, dnskey.signature_size()), hash_(dnskey.algorithm) {}

  bool verify(std::span<const std::byte> message, std::span<const std::byte> signature) override {
    const auto digest = hash_(message);
    if (digest.empty()) return false;
    bool ok = false;
    if (evp::is_rsa(algorithm)) {
      ok = check(digest, {octets(signature), signature.size()});
    } else {
      std::array<unsigned char, evp::kMaxEcdsaDerSize> der;
      const std::size_t size = evp::ecdsa_to_der(signature, der);
      ok = size != 0 && check(digest, std::span(der).first(size));
    }
    if (!ok) ERR_clear_error();
    return ok;
  }

 private:
  bool check(std::span<const unsigned char> digest, std::span<const unsigned char> signature) {
    return EVP_PKEY_verify(context_.get(), signature.data(), signature.size(), digest.data(),
                           digest.size()) == 1;
  }

  evp::MessageHash hash_;
  evp::KeyContext context_;
};

std::optional<VerifyingKey> VerifyingKey::from_dnskey(std::span<const std::byte> octets_in) {
  const auto dnskey = parse_dnskey(octets_in);
  if (!dnskey) return std::nullopt;
  std::unique_ptr<Impl> impl;
  if (dnskey->algorithm != SignatureAlgorithm::ed25519) {
    impl = Impl::Evp::make(*dnskey);
  } else if (Impl::Ed25519::is_point(dnskey->point)) {
    impl = std::make_unique<Impl::Ed25519>(*dnskey);
  }
  if (!impl) return std::nullopt;
  return VerifyingKey(std::move(impl));
}

VerifyingKey::VerifyingKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VerifyingKey::VerifyingKey(VerifyingKey&&) noexcept = default;
VerifyingKey& VerifyingKey::operator=(VerifyingKey&&) noexcept = default;
VerifyingKey::~VerifyingKey() = default;

SignatureAlgorithm VerifyingKey::algorithm() const {
  return impl_->algorithm;
}

std::size_t VerifyingKey::signature_size() const {
  return impl_->signature_size;
}

bool VerifyingKey::verify(std::span<const std::byte> message,
                          std::span<const std::byte> signature) {
  return signature.size() == impl_->signature_size && impl_->verify(message, signature);
}

}  // namespace ppspp
