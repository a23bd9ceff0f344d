// What a swarm distributes: the one copy of it, which all simulated stores read from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ppspp/swarm_metadata.h"

namespace ppspp::sim {

class Content {
 public:
  // Octets that differ everywhere, the same for the same seed, with their hash tree. `metadata`
  // says how it is cut and hashed; its ID (and with `tell_length` its length) are set here.
  Content(std::uint64_t length, std::uint64_t seed, SwarmMetadata metadata, bool tell_length);

  const SwarmMetadata& metadata() const { return metadata_; }
  std::span<const std::byte> octets() const { return octets_; }
  std::span<const std::byte> tree() const { return tree_; }
  std::uint64_t length() const { return octets_.size(); }
  std::uint64_t chunks() const { return chunks_; }

 private:
  void build_tree();

  SwarmMetadata metadata_;
  std::vector<std::byte> octets_;
  std::vector<std::byte> tree_;
  std::uint64_t chunks_ = 0;
};

}  // namespace ppspp::sim
