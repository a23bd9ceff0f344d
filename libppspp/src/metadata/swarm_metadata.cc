#include "ppspp/swarm_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>

#include "base/dnskey.h"
#include "ppspp/chunk_range.h"

namespace ppspp {
namespace {

constexpr std::uint32_t kVariableChunkSize = 0xffff'ffff;  // RFC 7574, section 7.11

Unexpected invalid(std::string context) {
  return fail(Errc::invalid_argument, std::move(context));
}

Result<void> check_chunk_size(std::uint32_t size) {
  if (size == kVariableChunkSize) {
    return fail(Errc::not_supported,
                fmt::format("variable chunk sizes are not supported: give one chunk size from {} "
                            "to {} bytes",
                            kMinChunkSize, kMaxChunkSize));
  }
  if (size < kMinChunkSize || size > kMaxChunkSize) {
    return invalid(fmt::format("a chunk size of {} bytes is out of bounds: give {} to {}", size,
                               kMinChunkSize, kMaxChunkSize));
  }
  return {};
}

// 6.1.2.1
Result<void> check_chunks_per_signature(const SwarmMetadata& swarm) {
  if (!swarm.chunks_per_signature) return {};
  const std::uint32_t count = *swarm.chunks_per_signature;
  if (count < 2 || count > kMaxChunksPerSignature || !std::has_single_bit(count)) {
    return invalid(
        fmt::format("{} chunks per signature are impossible: give a power of two from 2 to {}",
                    count, kMaxChunksPerSignature));
  }
  return {};
}

Result<void> check_live(const SwarmMetadata& swarm) {
  if (swarm.integrity != IntegrityMethod::sign_all &&
      swarm.integrity != IntegrityMethod::unified_merkle) {
    return invalid(
        fmt::format("integrity '{}' is not for a live swarm: use unified-merkle or "
                    "sign-all",
                    to_string(swarm.integrity)));
  }
  if (swarm.content_length) {
    return invalid("a live swarm has no content length: leave it out");
  }
  if (const auto key = parse_dnskey(swarm.id.octets()); !key) {
    return invalid(
        fmt::format("the swarm ID is not a public key that a live swarm can have (DNSKEY form; "
                    "rsasha1, rsasha256, ecdsap256sha256, ecdsap384sha384 or ed25519), as its "
                    "octets {}: check the ID",
                    key.error().context));
  }
  return check_chunks_per_signature(swarm);
}

// The ID of static content is its root hash, with or without protection (errata 4724).
Result<void> check_root_hash(const SwarmMetadata& swarm) {
  const auto fits = [&](HashFunction function) { return digest_size(function) == swarm.id.size(); };
  const auto fitting = std::find_if(std::begin(kHashFunctions), std::end(kHashFunctions), fits);
  if (fitting == std::end(kHashFunctions)) {
    return invalid(
        fmt::format("a swarm ID of {} octets is no root hash: it has 20, 28, 32, 48 or "
                    "64, check the ID",
                    swarm.id.size()));
  }
  if (swarm.integrity == IntegrityMethod::merkle && !fits(swarm.hash)) {
    return invalid(fmt::format("a swarm ID of {} octets is no {} hash: use {}, or check the ID",
                               swarm.id.size(), to_string(swarm.hash), to_string(*fitting)));
  }
  return {};
}

Result<void> check_content_length(const SwarmMetadata& swarm) {
  if (!swarm.content_length) return {};
  if (*swarm.content_length == 0) {
    return invalid("empty content has no chunk to share: give a content of at least 1 byte");
  }
  const std::uint64_t chunks = (*swarm.content_length - 1) / swarm.chunk_size + 1;
  const std::uint64_t most = max_chunk_count(swarm.addressing, swarm.chunk_size);
  if (chunks > most) {
    return invalid(
        fmt::format("a content of {} chunks is too long for {}, which names {}: use "
                    "chunk64 or bigger chunks",
                    chunks, to_string(swarm.addressing), most));
  }
  return {};
}

Result<void> check_static(const SwarmMetadata& swarm) {
  if (swarm.integrity != IntegrityMethod::merkle && swarm.integrity != IntegrityMethod::none) {
    return invalid(
        fmt::format("integrity '{}' is for live swarms: use merkle, or say that the "
                    "swarm is live",
                    to_string(swarm.integrity)));
  }
  if (swarm.chunks_per_signature) {
    return invalid("static content has no signatures: leave out the chunks per signature");
  }
  return check_root_hash(swarm).and_then([&] { return check_content_length(swarm); });
}

Result<void> check_authority(const SwarmMetadata& swarm) {
  if (swarm.authority.empty()) return {};
  if (const auto key = parse_dnskey(swarm.authority); !key) {
    return invalid(
        fmt::format("the certification authority 'ca' is not a public key in DNSKEY form "
                    "(rsasha256, ecdsap256sha256, ecdsap384sha384 or ed25519), as its octets {}: "
                    "copy it from ppspp-tracker --print-ca",
                    key.error().context));
  }
  return {};
}

}  // namespace

std::string_view to_string(IntegrityMethod method) {
  switch (method) {
    case IntegrityMethod::none:
      return "none";
    case IntegrityMethod::merkle:
      return "merkle";
    case IntegrityMethod::sign_all:
      return "sign-all";
    case IntegrityMethod::unified_merkle:
      return "unified-merkle";
  }
  return "unknown";
}

std::string_view to_string(ChunkAddressing addressing) {
  switch (addressing) {
    case ChunkAddressing::bin32:
      return "bin32";
    case ChunkAddressing::byte64:
      return "byte64";
    case ChunkAddressing::chunk32:
      return "chunk32";
    case ChunkAddressing::bin64:
      return "bin64";
    case ChunkAddressing::chunk64:
      return "chunk64";
  }
  return "unknown";
}

std::optional<IntegrityMethod> parse_integrity_method(std::string_view name) {
  using enum IntegrityMethod;
  for (const IntegrityMethod method : {none, merkle, sign_all, unified_merkle}) {
    if (to_string(method) == name) return method;
  }
  return std::nullopt;
}

std::optional<ChunkAddressing> parse_chunk_addressing(std::string_view name) {
  using enum ChunkAddressing;
  for (const ChunkAddressing addressing : {bin32, byte64, chunk32, bin64, chunk64}) {
    if (to_string(addressing) == name) return addressing;
  }
  return std::nullopt;
}

std::uint64_t max_chunk_count(ChunkAddressing addressing, std::uint32_t chunk_size) {
  constexpr std::uint64_t kLastByte = ~std::uint64_t{0};
  switch (addressing) {
    case ChunkAddressing::bin32:
      return std::uint64_t{1} << 31;  // the last number means nothing
    case ChunkAddressing::chunk32:
      return std::uint64_t{1} << 32;
    case ChunkAddressing::bin64:
    case ChunkAddressing::chunk64:
      return kMaxChunks;
    case ChunkAddressing::byte64:  // whole chunks among 2^64 bytes
      if (chunk_size < 2) return chunk_size == 0 ? 0 : kMaxChunks;
      return kLastByte / chunk_size + (kLastByte % chunk_size == chunk_size - 1 ? 1 : 0);
  }
  return 0;
}

std::size_t signature_size(const SwarmId& id) {
  const auto key = parse_dnskey(id.octets());
  return key ? key->signature_size() : 0;
}

Result<void> SwarmMetadata::validate() const {
  if (id.empty()) return invalid("the swarm ID is missing");
  return check_chunk_size(chunk_size)
      .and_then([&] { return live ? check_live(*this) : check_static(*this); })
      .and_then([&] { return check_authority(*this); });
}

}  // namespace ppspp
