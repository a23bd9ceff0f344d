// What one peer gave us and took from us lately, and since when it is served or not: what a choke
// policy remembers of a channel (RFC 7574, 9.2).
#pragma once

#include <cstdint>

#include "ppspp/time.h"

namespace ppspp {

struct GiveAndTake {
  // Octets of content. Totals of the channel when the window before this one began, and this one:
  // what came since the former came in the last one to two windows.
  struct Mark {
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
  };
  Mark earlier;
  Mark latest;
  void begin_window(std::uint64_t received, std::uint64_t sent) {
    earlier = latest;
    latest = {received, sent};
  }

  // Of channels with the same peer that have ended.
  Mark before;
  TimePoint known_since{};

  bool optimistic = false;  // it is served to see whether it gives, not because it gave
  TimePoint since{};        // it was choked or unchoked

  std::uint64_t chunks_counted = 0;  // of those delivered to it, in what the upload brings
  bool lacks_something = false;      // that we have

  // Chunks that it was the first to get of us: those that others had soon after, and those that
  // they had not.
  std::uint32_t passed_on = 0;
  std::uint32_t kept = 0;

  // Who was choked for long is tried again.
  void forgive() {
    passed_on -= passed_on / 8;
    kept -= kept / 8;
  }

  // Chunks that it got of others, as far as is known, and when there were more of them than before.
  std::uint64_t from_others = 0;
  TimePoint from_others_at{};
  bool exchanges = true;  // it gets something from others, or has not had the time
};

}  // namespace ppspp
