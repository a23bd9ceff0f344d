// A seeder whose upload is what limits sends each chunk once before it sends any twice: what it has
// sent to one peer the others get from that one. It serves requests for other chunks first; nothing
// is kept back while nobody asks for those.
//
// A chunk that nobody else has some seconds later was sent in vain: it is to be sent again, and who
// keeps most of what it is sent to itself is found out that way. A peer that gets nothing from
// others, as it seems, is served in the order of its requests.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "base/short_queue.h"
#include "bins/bin_set.h"
#include "channel/channel.h"
#include "swarm/choker.h"

namespace ppspp {

class SuperSeeding {
 public:
  void review(const Choker::Scene& scene, const Choker& choker, Now now);
  void note_sent(Channel& to, ChunkIndex chunk, std::uint64_t chunk_count, Now now);
  void on_peer_has(const Channel& peer, ChunkRange range);
  void remove_channel(const Channel& channel);

  const BinSet* spread_to_others(const Channel& to) const {
    return on_ && to.give_and_take().exchanges ? &sent_ : nullptr;
  }
  // While others ask for what was not sent yet, and keep the uplink busy with it.
  bool makes_way(const Channel& channel, const Choker::Scene& scene, const Choker& choker,
                 Now now) const;
  bool on() const { return on_; }

 private:
  struct Sent {
    ChunkIndex chunk;
    Channel* to;  // null: it has left
    TimePoint at;
    bool counted = false;  // as kept to itself
  };

  void stop();
  bool is_trusted(const Channel& to) const;
  void judge(Now now);
  void pass_on(Sent& sent);

  bool on_ = false;
  BinSet sent_;
  BinSet awaited_;                                 // of these, nobody else has them yet
  std::unordered_map<ChunkIndex, Sent> first_to_;  // of awaited_; looked up, never walked through
  struct Place {
    TimePoint at;
    ChunkIndex chunk;
  };
  ShortQueue<Place> in_order_;  // of first_to_, and some that left it
  std::size_t judged_ = 0;      // of in_order_, from its front
  TimePoint last_scarce_at_{};
};

}  // namespace ppspp
