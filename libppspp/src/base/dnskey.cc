#include "base/dnskey.h"

#include <fmt/format.h>

#include <bit>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace ppspp {
namespace {

Unexpected invalid(std::string context) {
  return fail(Errc::invalid_argument, std::move(context));
}

std::optional<SignatureAlgorithm> algorithm_of(std::uint8_t number) {
  for (const SignatureAlgorithm algorithm : kSignatureAlgorithms) {
    if (static_cast<std::uint8_t>(algorithm) == number) return algorithm;
  }
  return std::nullopt;
}

// Of a number without leading zeros.
std::size_t bits(std::span<const std::byte> number) {
  return 8 * number.size() -
         static_cast<std::size_t>(std::countl_zero(std::to_integer<std::uint8_t>(number.front())));
}

bool is_odd(std::span<const std::byte> number) {
  return (number.back() & std::byte{1}) != std::byte{0};
}

// A number as RFC 3110 wants it: without leading zeros.
bool is_number(std::span<const std::byte> number) {
  return !number.empty() && number.front() != std::byte{0};
}

Result<Dnskey> check_rsa(const Dnskey& key) {
  if (!is_number(key.exponent) || !is_number(key.modulus)) {
    return invalid("hold no RSA key");
  }
  if (bits(key.modulus) < kMinRsaBits || bits(key.modulus) > kMaxRsaBits) {
    return invalid(fmt::format("hold an RSA key of {} bits, where {} to {} are allowed",
                               bits(key.modulus), kMinRsaBits, kMaxRsaBits));
  }
  // A modulus is a product of odd primes, and an exponent has no divisor in common with numbers
  // that are even. An exponent of 1 signs nothing.
  const bool is_one = key.exponent.size() == 1 && key.exponent.front() == std::byte{1};
  if (!is_odd(key.modulus) || !is_odd(key.exponent) || is_one ||
      key.exponent.size() > kMaxRsaExponentSize) {
    return invalid("hold no RSA key that is safe");
  }
  return key;
}

Result<Dnskey> parse_rsa(SignatureAlgorithm algorithm, ByteReader in) {
  std::size_t exponent_size = in.read<std::uint8_t>();
  if (exponent_size == 0) exponent_size = in.read<std::uint16_t>();
  Dnskey key{.algorithm = algorithm};
  key.exponent = in.take(exponent_size);
  key.modulus = in.rest();
  return check_rsa(key);
}

Result<Dnskey> parse_point(SignatureAlgorithm algorithm, ByteReader in, std::size_t size) {
  if (in.remaining() != size) {
    return invalid(
        fmt::format("hold {} octets behind the algorithm number, where a key of {} has {}",
                    in.remaining(), to_string(algorithm), size));
  }
  return Dnskey{.algorithm = algorithm, .point = in.rest()};
}

}  // namespace

std::size_t Dnskey::signature_size() const {
  switch (algorithm) {
    case SignatureAlgorithm::rsasha1:
    case SignatureAlgorithm::rsasha256:
      return modulus.size();
    case SignatureAlgorithm::ecdsap256sha256:
    case SignatureAlgorithm::ecdsap384sha384:
      return point.size();
    case SignatureAlgorithm::ed25519:
      return 64;
  }
  return 0;
}

Result<Dnskey> parse_dnskey(std::span<const std::byte> octets) {
  if (octets.empty()) return invalid("are none");
  ByteReader in(octets);
  const auto number = in.read<std::uint8_t>();
  const auto algorithm = algorithm_of(number);
  if (!algorithm) {
    return invalid(
        fmt::format("begin with {}, which is the number of no algorithm that is known", number));
  }
  switch (*algorithm) {
    case SignatureAlgorithm::rsasha1:
    case SignatureAlgorithm::rsasha256:
      return parse_rsa(*algorithm, in);
    case SignatureAlgorithm::ecdsap256sha256:
      return parse_point(*algorithm, in, 64);
    case SignatureAlgorithm::ecdsap384sha384:
      return parse_point(*algorithm, in, 96);
    case SignatureAlgorithm::ed25519:
      return parse_point(*algorithm, in, 32);
  }
  return invalid("hold no key");
}

}  // namespace ppspp
