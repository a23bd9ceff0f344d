// A live feed made by hand, for peers that a test plays: hashes and signatures as the RFC describes
// them (RFC 7574, 6.1), computed here and not by the code that is tested.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "bins/bin.h"
#include "crypto/hasher.h"
#include "endpoint/live_world.h"
#include "wire/message.h"

namespace ppspp::test {

std::vector<std::byte> feed_octets(std::uint64_t offset, std::size_t size);  // see feed_octet()

// Signs as whoever has not the key.
class Forger final : public Signer {
 public:
  explicit Forger(std::uint64_t seed) : random_(seed) {}
  std::span<const std::byte> dnskey() const override { return real_->dnskey(); }
  std::size_t signature_size() const override { return real_->signature_size(); }
  bool sign(std::span<const std::byte>, std::span<std::byte> signature) override {
    for (std::byte& octet : signature) octet = static_cast<std::byte>(random_.next_u64());
    return true;
  }

 private:
  std::unique_ptr<Signer> real_ = test_signer();
  Rng random_;
};

class SignedFeed {
 public:
  // With Sign All a group is one chunk. `metadata` as of live_metadata().
  SignedFeed(const SwarmMetadata& metadata, std::uint64_t width,
             std::unique_ptr<Signer> signer = test_signer());

  std::uint64_t width() const { return width_; }
  // Signs a group of which the first `chunks` are there: width() of them, fewer at the end of the
  // feed, none for the mark of the end.
  void sign(std::uint64_t group, std::uint64_t ntp, std::uint64_t chunks);
  void sign(std::uint64_t group, std::uint64_t ntp) { sign(group, ntp, width_); }

  // Views stay valid as long as the feed does. All of groups that were signed.
  Integrity munro_hash(std::uint64_t group) const;
  SignedIntegrity signature(std::uint64_t group) const;
  Integrity hash(Bin bin) const;
  Data data(ChunkIndex chunk, std::uint64_t timestamp_us = 0) const;
  // What a peer sends: the munro; the uncles up to it, highest first, with the chunk; or all.
  std::vector<Message> munro(std::uint64_t group) const;
  std::vector<Message> uncles_and_data(ChunkIndex chunk) const;
  std::vector<Message> whole(ChunkIndex chunk) const;  // with Sign All signature and chunk

 private:
  struct Group {
    std::uint64_t ntp = 0;
    std::vector<std::vector<Digest>> levels;  // [height][offset in the group]
    std::vector<std::byte> signature;
    std::vector<std::vector<std::byte>> chunks;
  };
  bool signs_each() const { return metadata_.integrity == IntegrityMethod::sign_all; }
  ChunkRange chunks_of(std::uint64_t group) const { return {group * width_, (group + 1) * width_}; }

  SwarmMetadata metadata_;
  WireFormat format_;
  std::uint64_t width_;
  std::unique_ptr<Signer> signer_;
  std::map<std::uint64_t, Group> groups_;
};

}  // namespace ppspp::test
