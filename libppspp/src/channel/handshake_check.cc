#include "channel/handshake_check.h"

#include <algorithm>

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
  return options.chunk_size ? *options.chunk_size == metadata.chunk_size
                            : draft_era_possible(metadata);
}

}  // namespace

HandshakeOptions handshake_options(const SwarmMetadata& metadata, bool initiator, bool draft_era) {
  HandshakeOptions options;
  options.version = kVersion;
  if (initiator) {
    options.minimum_version = kVersion;
    options.swarm_id = metadata.id.octets();
  }
  options.integrity = number(metadata.integrity);
  if (uses_tree(metadata.integrity)) options.hash = number(metadata.hash);
  options.addressing = number(metadata.addressing);
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
  return peer;
}

WireFormat wire_format(const SwarmMetadata& metadata) {
  WireFormat format;
  format.addressing = metadata.addressing;
  format.chunk_size = metadata.chunk_size;
  format.hash_size = digest_size(metadata.hash);
  return format;
}

bool draft_era_possible(const SwarmMetadata& metadata) {
  return !metadata.live && metadata.hash == HashFunction::sha1 &&
         metadata.integrity == IntegrityMethod::merkle &&
         (metadata.addressing == ChunkAddressing::bin32 ||
          metadata.addressing == ChunkAddressing::chunk32);
}

}  // namespace ppspp
