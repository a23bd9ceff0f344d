// What a swarm distributes: the one copy of it, which all simulated stores read from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ppspp/signing_key.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp::sim {

class Content {
 public:
  // Octets that differ everywhere, the same for the same seed. `metadata` says how they are cut and
  // protected; its ID (and with `tell_length` its length) are set here: for static content it is
  // made from the octets, for a feed it is the key of signer(seed).
  Content(std::uint64_t length, std::uint64_t seed, SwarmMetadata metadata, bool tell_length);

  const SwarmMetadata& metadata() const { return metadata_; }
  std::span<const std::byte> octets() const { return octets_; }
  std::span<const std::byte> tree() const { return tree_; }  // empty: it has none
  std::uint64_t length() const { return octets_.size(); }
  std::uint64_t chunks() const { return chunks_; }
  std::unique_ptr<Signer> signer() const;  // of a feed: Ed25519, which draws no random numbers

 private:
  void build_tree();

  SwarmMetadata metadata_;
  std::uint64_t seed_;
  std::vector<std::byte> octets_;
  std::vector<std::byte> tree_;
  std::uint64_t chunks_ = 0;
};

}  // namespace ppspp::sim
