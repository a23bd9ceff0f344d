// The algorithms that can sign a live feed (RFC 7574, section 7.7), by name and number.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ppspp {

// Values as on the wire: DNSSEC algorithm numbers.
enum class SignatureAlgorithm : std::uint8_t {
  rsasha1 = 5,           // RFC 3110, 4034
  rsasha256 = 8,         // RFC 5702
  ecdsap256sha256 = 13,  // RFC 6605
  ecdsap384sha384 = 14,  // RFC 6605
  ed25519 = 15,          // RFC 8080
};

inline constexpr SignatureAlgorithm kSignatureAlgorithms[] = {
    SignatureAlgorithm::rsasha1, SignatureAlgorithm::rsasha256, SignatureAlgorithm::ecdsap256sha256,
    SignatureAlgorithm::ecdsap384sha384, SignatureAlgorithm::ed25519};

// "ecdsap256sha256", as in options.
constexpr std::string_view to_string(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::rsasha1:
      return "rsasha1";
    case SignatureAlgorithm::rsasha256:
      return "rsasha256";
    case SignatureAlgorithm::ecdsap256sha256:
      return "ecdsap256sha256";
    case SignatureAlgorithm::ecdsap384sha384:
      return "ecdsap384sha384";
    case SignatureAlgorithm::ed25519:
      return "ed25519";
  }
  return "unknown";
}

constexpr std::optional<SignatureAlgorithm> parse_signature_algorithm(std::string_view name) {
  for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
    if (to_string(algorithm) == name) return algorithm;
  }
  return std::nullopt;
}

}  // namespace ppspp
