// The public key that a live feed is known by, and the check of what it signed (RFC
// 7574, 6.1, 8.9).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "ppspp/signature_algorithm.h"

namespace ppspp {

class VerifyingKey {
 public:
  // From a DNSKEY's algorithm number and public key, the form of a swarm ID. Nothing: it is none,
  // of an algorithm that is not supported, an RSA key below 2048 bits, or no point of the curve.
  static std::optional<VerifyingKey> from_dnskey(std::span<const std::byte> dnskey);

  VerifyingKey(VerifyingKey&&) noexcept;
  VerifyingKey& operator=(VerifyingKey&&) noexcept;
  ~VerifyingKey();

  SignatureAlgorithm algorithm() const;
  std::size_t signature_size() const;  // octets
  // Whether `signature`, in the form of an RRSIG record, is this key's for `message`. A signature
  // of another length never is. Costs 0.02 ms (RSA) to 0.8 ms (P-384): the caller bounds how often.
  bool verify(std::span<const std::byte> message, std::span<const std::byte> signature);

 private:
  struct Impl;
  explicit VerifyingKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppspp
