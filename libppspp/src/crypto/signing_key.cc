#include "ppspp/signing_key.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <sodium.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/dnskey.h"
#include "crypto/evp.h"
#include "crypto/private_key.h"
#include "crypto/verifying_key.h"

namespace ppspp {
namespace {

using Octets = std::vector<std::byte>;

static_assert(crypto_sign_SEEDBYTES == sizeof(evp::Ed25519Seed));

Unexpected library_failed(const char* what) {
  ERR_clear_error();
  return fail(
      Errc::not_supported,
      fmt::format("the system's cryptographic library does not {}: check its configuration", what));
}

}  // namespace

struct SigningKey::Impl {
  explicit Impl(Octets its_dnskey) : dnskey(std::move(its_dnskey)) {
    const auto parsed = parse_dnskey(dnskey);
    PPSPP_ASSERT(parsed);
    algorithm = parsed->algorithm;
    signature_size = parsed->signature_size();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  virtual ~Impl() = default;
  virtual bool sign(std::span<const std::byte> message, std::span<std::byte> signature) = 0;
  virtual std::string to_pem() const = 0;

  static std::unique_ptr<Impl> ed25519(const evp::Ed25519Seed& seed);
  // Null: the library does not sign with it.
  static std::unique_ptr<Impl> openssl(evp::Key key, Octets dnskey);
  static Result<std::unique_ptr<Impl>> from_key(evp::Key key, SignatureAlgorithm algorithm);

  Octets dnskey;
  SignatureAlgorithm algorithm;
  std::size_t signature_size;

  class Ed25519;
  class Evp;
};

class SigningKey::Impl::Ed25519 final : public Impl {
 public:
  Ed25519(std::span<const unsigned char, crypto_sign_SECRETKEYBYTES> secret, Octets its_dnskey)
      : Impl(std::move(its_dnskey)) {
    std::ranges::copy(secret, secret_.begin());
  }
  Ed25519(const Ed25519&) = delete;
  Ed25519& operator=(const Ed25519&) = delete;
  ~Ed25519() override { sodium_memzero(secret_.data(), secret_.size()); }

  bool sign(std::span<const std::byte> message, std::span<std::byte> signature) override {
    return crypto_sign_detached(reinterpret_cast<unsigned char*>(signature.data()), nullptr,
                                reinterpret_cast<const unsigned char*>(message.data()),
                                message.size(), secret_.data()) == 0;
  }
  std::string to_pem() const override {
    const evp::Key key(EVP_PKEY_new_raw_private_key_ex(nullptr, "ED25519", nullptr, secret_.data(),
                                                       crypto_sign_SEEDBYTES));
    PPSPP_ASSERT(key != nullptr);
    return evp::to_pem(key.get());
  }

 private:
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret_ = {};  // the seed, then the point
};

std::unique_ptr<SigningKey::Impl> SigningKey::Impl::ed25519(const evp::Ed25519Seed& seed) {
  if (sodium_init() < 0) return nullptr;
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret;
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> point;
  crypto_sign_seed_keypair(point.data(), secret.data(), seed.data());
  Octets dnskey = {static_cast<std::byte>(SignatureAlgorithm::ed25519)};
  std::ranges::copy(std::as_bytes(std::span(point)), std::back_inserter(dnskey));
  auto impl = std::make_unique<Ed25519>(secret, std::move(dnskey));
  sodium_memzero(secret.data(), secret.size());
  return impl;
}

class SigningKey::Impl::Evp final : public Impl {
 public:
  Evp(evp::Key key, Octets its_dnskey)
      : Impl(std::move(its_dnskey)),
        key_(std::move(key)),
        hash_(algorithm),
        context_(evp::context_for(key_.get(), hash_.function(), EVP_PKEY_sign_init)) {}

  bool works() const { return context_ != nullptr; }

  bool sign(std::span<const std::byte> message, std::span<std::byte> signature) override {
    const auto digest = hash_(message);
    const bool ok = !digest.empty() && (evp::is_rsa(algorithm) ? sign_rsa(digest, signature)
                                                               : sign_ecdsa(digest, signature));
    if (!ok) ERR_clear_error();
    return ok;
  }
  std::string to_pem() const override { return evp::to_pem(key_.get()); }

 private:
  bool sign_rsa(std::span<const unsigned char> digest, std::span<std::byte> signature) {
    std::size_t size = signature.size();
    return EVP_PKEY_sign(context_.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                         digest.data(), digest.size()) == 1 &&
           size == signature.size();
  }
  bool sign_ecdsa(std::span<const unsigned char> digest, std::span<std::byte> signature) {
    std::array<unsigned char, evp::kMaxEcdsaDerSize> der;
    std::size_t size = der.size();
    return EVP_PKEY_sign(context_.get(), der.data(), &size, digest.data(), digest.size()) == 1 &&
           evp::ecdsa_from_der(std::span(der).first(size), signature);
  }

  evp::Key key_;
  evp::MessageHash hash_;
  evp::KeyContext context_;
};

std::unique_ptr<SigningKey::Impl> SigningKey::Impl::openssl(evp::Key key, Octets dnskey) {
  auto impl = std::make_unique<Evp>(std::move(key), std::move(dnskey));
  return impl->works() ? std::move(impl) : nullptr;
}

Result<std::unique_ptr<SigningKey::Impl>> SigningKey::Impl::from_key(evp::Key key,
                                                                     SignatureAlgorithm algorithm) {
  std::unique_ptr<Impl> impl;
  if (algorithm == SignatureAlgorithm::ed25519) {
    auto seed = evp::seed_of(key.get());
    if (!seed) return library_failed("give out the secret of this key");
    impl = ed25519(*seed);
    sodium_memzero(seed->data(), seed->size());
  } else {
    Octets dnskey = evp::dnskey_of(key.get(), algorithm);
    if (const auto parsed = parse_dnskey(dnskey); !parsed) {
      return fail(Errc::not_supported,
                  fmt::format("the octets of its public key {}: give another private key",
                              parsed.error().context));
    }
    impl = openssl(std::move(key), std::move(dnskey));
  }
  if (!impl) return library_failed("sign with this key");
  return impl;
}

namespace {

// A private key whose file was damaged, or whose halves are not of one key, must not become a feed
// that nobody can verify.
bool signs_for_its_dnskey(SigningKey& key) {
  const Octets message(32, std::byte{0x5a});
  Octets signature(key.signature_size());
  auto verifier = VerifyingKey::from_dnskey(key.dnskey());
  return verifier && key.sign(message, signature) && verifier->verify(message, signature);
}

}  // namespace

Result<SigningKey> SigningKey::generate(SignatureAlgorithm algorithm) {
  std::unique_ptr<Impl> impl;
  if (algorithm == SignatureAlgorithm::ed25519) {
    if (sodium_init() < 0) return library_failed("make such a key");
    evp::Ed25519Seed seed;
    randombytes_buf(seed.data(), seed.size());
    impl = Impl::ed25519(seed);
    sodium_memzero(seed.data(), seed.size());
  } else if (evp::Key key = evp::generate(algorithm)) {
    Octets dnskey = evp::dnskey_of(key.get(), algorithm);
    impl = Impl::openssl(std::move(key), std::move(dnskey));
  }
  if (!impl) return library_failed("make such a key");
  return SigningKey(std::move(impl));
}

Result<SigningKey> SigningKey::from_pem(std::string_view pem,
                                        std::optional<SignatureAlgorithm> algorithm) {
  auto key = evp::read_pem(pem);
  if (!key) return Unexpected{key.error()};
  const auto found = evp::checked_algorithm(key->get(), algorithm);
  if (!found) return Unexpected{found.error()};
  auto impl = Impl::from_key(std::move(*key), *found);
  if (!impl) return Unexpected{impl.error()};
  SigningKey made(std::move(*impl));
  if (!signs_for_its_dnskey(made)) {
    return fail(Errc::integrity,
                "the private key is damaged, what it signs cannot be verified: give another key");
  }
  return made;
}

SigningKey::SigningKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

std::string SigningKey::to_pem() const {
  return impl_->to_pem();
}

SignatureAlgorithm SigningKey::algorithm() const {
  return impl_->algorithm;
}

std::span<const std::byte> SigningKey::dnskey() const {
  return impl_->dnskey;
}

std::size_t SigningKey::signature_size() const {
  return impl_->signature_size;
}

bool SigningKey::sign(std::span<const std::byte> message, std::span<std::byte> signature) {
  PPSPP_ASSERT(signature.size() == signature_size());
  return impl_->sign(message, signature);
}

}  // namespace ppspp
