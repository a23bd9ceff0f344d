// To whom the source of a feed hands a chunk first (decision 33). When its upload can carry every
// peer it pushes everything to all; when it cannot, each chunk goes to a few, which hand it on, and
// the others are told of it a little later: a source that answers whoever asks first sends the same
// newest chunks to all, and the whole swarm waits for its link.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ppspp/chunk_range.h"

namespace ppspp {

class FirstOffers {
 public:
  struct Offer {
    std::size_t peer;  // its place among the candidates
    ChunkRange chunks;
  };

  // What the delays on the way to the peers tell of our link.
  enum class Link : std::uint8_t {
    free,   // no queue
    full,   // a queue of which was known already
    fuller  // a queue that calls for less
  };

  // Divides fresh chunks among `candidates` peers. `queued`: copies of earlier ones that have not
  // left yet: what tells whether the upload keeps up. Appends to `offers`; true:
  // every candidate gets everything.
  bool divide(ChunkRange fresh, std::size_t candidates, std::uint64_t queued,
              std::vector<Offer>& offers, Link link = Link::free);
  double copies() const { return copies_; }  // of each chunk

 private:
  void adapt(std::uint64_t fresh, std::size_t candidates, std::uint64_t queued, Link link);

  double copies_ = 4;
  bool among_many_ = false;
  double owed_ = 0;       // a part of a copy, carried over
  std::size_t turn_ = 0;  // whose it is
};

}  // namespace ppspp
