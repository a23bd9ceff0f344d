// The hash functions that a Merkle tree can use (RFC 7574, section 7.6), by name and number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ppspp {

// Values as on the wire (Table 5).
enum class HashFunction : std::uint8_t { sha1 = 0, sha224 = 1, sha256 = 2, sha384 = 3, sha512 = 4 };

inline constexpr HashFunction kHashFunctions[] = {HashFunction::sha1, HashFunction::sha224,
                                                  HashFunction::sha256, HashFunction::sha384,
                                                  HashFunction::sha512};

inline constexpr std::size_t kMaxDigestSize = 64;

constexpr std::size_t digest_size(HashFunction function) {  // octets
  switch (function) {
    case HashFunction::sha1:
      return 20;
    case HashFunction::sha224:
      return 28;
    case HashFunction::sha256:
      return 32;
    case HashFunction::sha384:
      return 48;
    case HashFunction::sha512:
      return 64;
  }
  return 0;
}

// "sha256", as in swarm URLs and options.
constexpr std::string_view to_string(HashFunction function) {
  constexpr std::string_view kNames[] = {"sha1", "sha224", "sha256", "sha384", "sha512"};
  return kNames[static_cast<std::size_t>(function)];
}

constexpr std::optional<HashFunction> parse_hash_function(std::string_view name) {
  for (const HashFunction function : kHashFunctions) {
    if (to_string(function) == name) return function;
  }
  return std::nullopt;
}

}  // namespace ppspp
