// What one must know to join a swarm (RFC 7574, sections 3.1 and 7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ppspp/hash_function.h"
#include "ppspp/result.h"

namespace ppspp {

// The root hash of static content (errata 4724), or a public key in DNSKEY form for a live feed.
class SwarmId {
 public:
  static constexpr std::size_t kMaxSize = 1024;  // an RSA key of 4096 bits needs about half

  SwarmId() = default;
  explicit SwarmId(std::span<const std::byte> octets);     // at most kMaxSize
  static Result<SwarmId> from_hex(std::string_view text);  // digits in pairs, upper case accepted

  std::span<const std::byte> octets() const { return octets_; }
  std::size_t size() const { return octets_.size(); }
  bool empty() const { return octets_.empty(); }
  std::string to_hex() const;  // lower case
  std::size_t hash() const;
  friend auto operator<=>(const SwarmId&, const SwarmId&) = default;

 private:
  std::vector<std::byte> octets_;
};

// Values as on the wire (Tables 4 and 6).
enum class IntegrityMethod : std::uint8_t {
  none = 0,
  merkle = 1,
  sign_all = 2,
  unified_merkle = 3
};
enum class ChunkAddressing : std::uint8_t {
  bin32 = 0,
  byte64 = 1,
  chunk32 = 2,
  bin64 = 3,
  chunk64 = 4,
};

// Names as in swarm URLs and options: "chunk32", "merkle".
std::string_view to_string(IntegrityMethod method);
std::string_view to_string(ChunkAddressing addressing);
std::optional<IntegrityMethod> parse_integrity_method(std::string_view name);
std::optional<ChunkAddressing> parse_chunk_addressing(std::string_view name);

// The number of chunks that the addressing can name.
std::uint64_t max_chunk_count(ChunkAddressing addressing, std::uint32_t chunk_size);

// Octets of a signature by the public key that a live swarm's ID is (8.9): by the DNSSEC algorithm
// number in its first octet and, for RSA, the length of the modulus (RFC 3110). 0: the ID is not a
// key in DNSKEY form, of an algorithm that is not supported, or an RSA key that does not have 2048 to
// 4096 bits.
std::size_t signature_size(const SwarmId& id);

inline constexpr std::uint32_t kDefaultChunkSize = 1024;
inline constexpr std::uint32_t kMinChunkSize = 512;  // RFC 7574, section 8.1
inline constexpr std::uint32_t kMaxChunkSize =
    65'000;  // with its hashes it must fit a UDP datagram
// Of NCHUNKS_PER_SIG: 64 MiB of default chunks, which nobody wants to wait for.
inline constexpr std::uint32_t kMaxChunksPerSignature = 65'536;

struct SwarmMetadata {
  SwarmId id;
  std::uint32_t chunk_size = kDefaultChunkSize;
  ChunkAddressing addressing = ChunkAddressing::chunk32;
  IntegrityMethod integrity = IntegrityMethod::merkle;
  HashFunction hash = HashFunction::sha256;
  bool live = false;
  std::optional<std::uint64_t> content_length;        // octets; absent: size detection (5.6)
  std::optional<std::uint32_t> chunks_per_signature;  // live: NCHUNKS_PER_SIG
  // The key of the certification authority whose membership certificates are believed (12.2.2), in
  // the form of a live swarm's ID. Empty: there is none, and PEX_REScert is not used.
  std::vector<std::byte> authority;

  // What contradicts itself or goes beyond a limit, in one line; also called by every way in.
  Result<void> validate() const;
  friend bool operator==(const SwarmMetadata&, const SwarmMetadata&) = default;
};

}  // namespace ppspp

template <>
struct std::hash<ppspp::SwarmId> {
  std::size_t operator()(const ppspp::SwarmId& id) const noexcept { return id.hash(); }
};
