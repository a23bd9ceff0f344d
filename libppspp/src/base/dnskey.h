// Public keys as DNSKEY records hold them (RFC 3110, 4034, 5702, 6605, 8080), behind their
// algorithm number: the form of a live swarm's ID (RFC 7574, section 6.1). Octets only, no
// cryptography.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ppspp/result.h"
#include "ppspp/signature_algorithm.h"

namespace ppspp {

inline constexpr std::size_t kMinRsaBits = 2048;
inline constexpr std::size_t kMaxRsaBits = 4096;  // RFC 3110, section 2; RFC 5702, section 2
// RFC 3110 allows as many bits as the modulus has, but nobody makes such keys, and a check of a
// signature would take a hundred times as long.
inline constexpr std::size_t kMaxRsaExponentSize = 8;  // octets

// Views into the octets that were parsed.
struct Dnskey {
  SignatureAlgorithm algorithm = SignatureAlgorithm::ecdsap256sha256;
  std::span<const std::byte> exponent;  // RSA, without leading zeros
  std::span<const std::byte> modulus;   // RSA, without leading zeros
  std::span<const std::byte> point;     // ECDSA: X, then Y; ED25519: the encoded point

  std::size_t signature_size() const;  // octets, as in an RRSIG record (RFC 7574, section 8.9)
};

// An RSA exponent's length may stand in one octet or, behind a 0, in two (RFC 3110): both are read,
// also where a length would fit one. An error says what is wrong as half a sentence, to be put
// behind what names the octets: "hold an RSA key of 1024 bits, where 2048 to 4096 are allowed".
Result<Dnskey> parse_dnskey(std::span<const std::byte> octets);

}  // namespace ppspp
