// Chokes and unchokes the peers of a swarm: reads off its channels what the policy asks, and does
// what it answers. With few peers, or an uplink that carries them all, nobody is choked.
//
// What it does takes a look at each channel of the swarm some times a second, while something is
// uploaded to several; an idle swarm has no timer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bins/bin_set.h"
#include "channel/channel.h"
#include "ppspp/random_source.h"
#include "swarm/choke_policy.h"
#include "swarm/upload_gauge.h"

namespace ppspp {

class Choker {
 public:
  // What may be looked at.
  struct Scene {
    std::span<Channel* const> channels;
    const BinSet& have;
    std::uint64_t chunk_count;
    std::uint32_t chunk_size;
    std::uint64_t uploaded;  // octets so far
    bool seeding;
  };
  struct Counts {
    std::uint64_t chokes = 0;
    std::uint64_t optimistic_unchokes = 0;
  };

  // A handshake is complete. It waits at once if there is no slot: what many ask for together would
  // fill the uplink before the first review.
  void admit(Channel& fresh, const Scene& scene, Now now);
  // It ends: who comes back is not new.
  void remember(const Channel& gone);
  // Something was sent. A look at very many channels is not due each time that this happens.
  void stir(std::size_t channels) {
    if (next_ == kNever) next_ = channels > kVeryMany ? reviewed_at_ + kTick : TimePoint{};
  }
  void rest() { next_ = kNever; }
  void review(const Scene& scene, RandomSource& random, std::vector<ChannelId>& touched, Now now);
  TimePoint deadline() const { return next_; }

  const UploadGauge& gauge() const { return gauge_; }
  std::size_t interested() const { return interested_; }  // as of the last review
  const Counts& counts() const { return counts_; }

  static constexpr std::size_t kFew = 8;  // peers, of whom nobody is choked

 private:
  struct Past {
    TransportAddress peer;
    GiveAndTake account;
  };
  static constexpr Microseconds kTick = std::chrono::milliseconds(500);
  static constexpr std::size_t kVeryMany = 64;
  static constexpr std::size_t kMostRemembered = 256;

  void recall(Channel& fresh, Now now);
  void look(const Scene& scene, bool full, Now now);
  ChokePeer look_at(Channel& channel, const Scene& scene, Now now) const;
  bool nobody_waits() const;
  std::size_t quiet() const;
  void choose(const Scene& scene, RandomSource& random, Now now);
  void obey(std::vector<ChannelId>& touched, Now now);
  void schedule(const Scene& scene, Now now);

  UploadGauge gauge_;
  std::vector<Past> past_;  // the newest last
  std::vector<ChokePeer> peers_;
  std::vector<Channel*> channels_;  // of peers_
  std::size_t interested_ = 0;
  bool choked_any_ = false;
  std::uint64_t uploaded_ = 0;
  TimePoint stirred_at_{};  // something was uploaded, or somebody came
  TimePoint reviewed_at_{};
  TimePoint next_ = kNever;
  TimePoint full_review_at_{};
  Counts counts_;
};

}  // namespace ppspp
