// What signs a live feed (RFC 7574, section 6.1), and the key that is a feed's identity.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ppspp/result.h"
#include "ppspp/signature_algorithm.h"

namespace ppspp {

// The source of a feed's signatures, as the protocol sees it. Like a RandomSource it is handed in,
// since an ECDSA signature draws a random number: a simulation hands in one that is repeatable. Not
// for two threads at once.
class Signer {
 public:
  virtual ~Signer() = default;

  // The public key as in a DNSKEY record, behind its algorithm number: the feed's swarm ID (6.1).
  virtual std::span<const std::byte> dnskey() const = 0;
  virtual std::size_t signature_size() const = 0;  // octets (8.9)
  // Signs `message`, as the algorithm hashes it, into signature_size() octets, in the form of an
  // RRSIG record. False: the library failed; nothing must be sent.
  virtual bool sign(std::span<const std::byte> message, std::span<std::byte> signature) = 0;
};

// A private key. Its secret is wiped from memory when it goes.
class SigningKey final : public Signer {
 public:
  // A fresh key. RSA keys have 2048 bits.
  static Result<SigningKey> generate(SignatureAlgorithm algorithm);
  // A private key in PEM (PKCS #8, or the older forms of RSA and EC). An RSA key serves both RSA
  // algorithms: `algorithm` says which, RSASHA256 if it does not. Errors: not a private key, of a
  // kind or size that cannot be used (RSA below 2048 bits), or not for the algorithm that was asked
  // for.
  static Result<SigningKey> from_pem(std::string_view pem,
                                     std::optional<SignatureAlgorithm> algorithm = {});
  std::string to_pem() const;  // PKCS #8, without a passphrase

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey() override;

  SignatureAlgorithm algorithm() const;
  std::span<const std::byte> dnskey() const override;
  std::size_t signature_size() const override;
  bool sign(std::span<const std::byte> message, std::span<std::byte> signature) override;

 private:
  struct Impl;
  explicit SigningKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppspp
