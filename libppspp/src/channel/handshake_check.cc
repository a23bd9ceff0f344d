#include "channel/handshake_check.h"

#include <algorithm>

#include "ppspp/signature_algorithm.h"

namespace ppspp {
namespace {

constexpr std::uint8_t kVersion = 1;  // Table 3

template <typename Enum>
constexpr std::uint8_t number(Enum value) {
  return static_cast<std::uint8_t>(value);
}

bool versions_agree(const HandshakeOptions& options, bool from_initiator) {
  // min/max scheme of RFC 6709, 4.1: our one version has to lie within the peer's.
  if (!options.version || *options.version < kVersion) return false;
  if (from_initiator && !options.minimum_version) return false;
  return !options.minimum_version || *options.minimum_version <= kVersion;
}

bool swarm_agrees(const HandshakeOptions& options, const SwarmMetadata& metadata,
                  bool from_initiator) {
  if (!options.swarm_id) return !from_initiator;
  return std::ranges::equal(*options.swarm_id, metadata.id.octets());
}

bool uses_tree(IntegrityMethod method) {
  return method == IntegrityMethod::merkle || method == IntegrityMethod::unified_merkle;
}

// 7.7: the algorithm is that of the key, which says it as well.
bool signature_agrees(const HandshakeOptions& options, const SwarmMetadata& metadata) {
  const std::uint8_t algorithm =
      options.signature_algorithm.value_or(number(SignatureAlgorithm::ecdsap256sha256));
  return algorithm == std::to_integer<std::uint8_t>(metadata.id.octets().front());
}

// 7.9: a number of chunks, or of octets where chunks are addressed by octets.
std::uint64_t window_on_the_wire(std::uint64_t chunks, const SwarmMetadata& metadata) {
  if (chunks == HandshakeOptions::kKeepsAll) return chunks;
  return metadata.addressing == ChunkAddressing::byte64 ? chunks * metadata.chunk_size : chunks;
}

std::uint64_t window_in_chunks(std::uint64_t window, const SwarmMetadata& metadata) {
  if (window == HandshakeOptions::kKeepsAll) return window;
  return metadata.addressing == ChunkAddressing::byte64 ? window / metadata.chunk_size : window;
}

bool metadata_agrees(const HandshakeOptions& options, const SwarmMetadata& metadata) {
  if (options.integrity != number(metadata.integrity)) return false;
  if (options.addressing != number(metadata.addressing)) return false;
  if (uses_tree(metadata.integrity)) {
    // Ambiguity of 7.6: a unified tree's peer may leave the function out, which means the default.
    const bool required = metadata.integrity == IntegrityMethod::merkle;
    const auto function = options.hash ? options.hash
                          : required   ? std::nullopt
                                       : std::optional{number(HashFunction::sha256)};
    if (function != number(metadata.hash)) return false;
  }
  if (metadata.live && !signature_agrees(options, metadata)) return false;
  return options.chunk_size ? *options.chunk_size == metadata.chunk_size
                            : draft_era_possible(metadata);
}

}  // namespace

HandshakeOptions handshake_options(const SwarmMetadata& metadata, std::uint64_t discard_window,
                                   bool initiator, bool draft_era) {
  HandshakeOptions options;
  options.version = kVersion;
  if (initiator) {
    options.minimum_version = kVersion;
    options.swarm_id = metadata.id.octets();
  }
  options.integrity = number(metadata.integrity);
  if (uses_tree(metadata.integrity)) options.hash = number(metadata.hash);
  options.addressing = number(metadata.addressing);
  if (metadata.live) {
    options.signature_algorithm = std::to_integer<std::uint8_t>(metadata.id.octets().front());
    options.live_discard_window = window_on_the_wire(discard_window, metadata);
  }
  if (!draft_era) {
    options.supported_messages = all_messages();
    options.chunk_size = metadata.chunk_size;
  }
  return options;
}

HandshakeOptions closing_options() {
  HandshakeOptions options;
  options.version = kVersion;
  return options;
}

std::optional<PeerCapabilities> check_handshake(const HandshakeOptions& options,
                                                const SwarmMetadata& metadata,
                                                bool from_initiator) {
  if (!versions_agree(options, from_initiator) ||
      !swarm_agrees(options, metadata, from_initiator) || !metadata_agrees(options, metadata)) {
    return std::nullopt;
  }
  PeerCapabilities peer;
  peer.messages = options.supported_messages.value_or(all_messages());
  // A peer that speaks to us accepts HANDSHAKE, whatever its bitmap says (ambiguity of 7.10).
  peer.messages.set(static_cast<std::size_t>(MessageType::handshake));
  peer.draft_era = !options.chunk_size.has_value();
  if (metadata.live && options.live_discard_window) {
    peer.discard_window = window_in_chunks(*options.live_discard_window, metadata);
  }
  return peer;
}

WireFormat wire_format(const SwarmMetadata& metadata) {
  WireFormat format;
  format.addressing = metadata.addressing;
  format.chunk_size = metadata.chunk_size;
  // Where each chunk is signed, there are no hashes.
  const bool has_hashes = metadata.integrity != IntegrityMethod::sign_all;
  format.hash_size = has_hashes ? digest_size(metadata.hash) : 0;
  if (metadata.live) format.signature_size = signature_size(metadata.id);
  return format;
}

bool draft_era_possible(const SwarmMetadata& metadata) {
  return !metadata.live && metadata.hash == HashFunction::sha1 &&
         metadata.integrity == IntegrityMethod::merkle &&
         (metadata.addressing == ChunkAddressing::bin32 ||
          metadata.addressing == ChunkAddressing::chunk32);
}

}  // namespace ppspp
