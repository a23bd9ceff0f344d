// How large a datagram the path carries (RFC 7574, 8.1; RFC 4821). Probes are ordinary datagrams
// full of DATA: one that is acknowledged raises the size, one that is lost ends the search for a
// while and says nothing about congestion.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ppspp/time.h"

namespace ppspp {

class PathSearch {
 public:
  PathSearch(std::size_t base, std::size_t max);

  std::size_t size() const { return size_; }  // octets that are known to arrive
  // The size to probe with now; 0: no probe is due.
  std::size_t probe_size(TimePoint now) const;
  // Sizes below `useful` are passed over: they have no room for another chunk.
  void skip_below(std::size_t useful);

  void on_probe_sent() { probing_ = true; }
  void on_acked(std::size_t size, bool probe, TimePoint now);
  // A datagram of `size` octets is presumed lost. Several in a row of more than the base size, none
  // of them acknowledged: the path has shrunk, and so does size().
  void on_lost(std::size_t size, bool probe, TimePoint now);
  void on_too_big(std::size_t size, TimePoint now);  // the system refused to send it

 private:
  std::size_t next_rung() const;
  void fail(TimePoint now);

  std::size_t base_;
  std::size_t max_;
  std::size_t size_;
  std::size_t rung_ = 0;  // the next to probe
  std::size_t ceiling_;   // no probes of this size or more until retry_at_
  bool probing_ = false;
  int failures_ = 0;  // of the rung above size_
  int lost_in_a_row_ = 0;
  TimePoint retry_at_{};
};

}  // namespace ppspp
