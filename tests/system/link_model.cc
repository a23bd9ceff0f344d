#include "system/link_model.h"

#include <algorithm>

namespace ppspp::test {
namespace {

LinkClock::duration milliseconds(double value) {
  return std::chrono::duration_cast<LinkClock::duration>(
      std::chrono::duration<double, std::milli>(value));
}

LinkClock::duration seconds(double value) {
  return std::chrono::duration_cast<LinkClock::duration>(std::chrono::duration<double>(value));
}

}  // namespace

double Link::uniform() {
  return static_cast<double>(rng_.next_u64() >> 11) * 0x1.0p-53;
}

bool Link::happens(double probability) {
  return probability > 0 && uniform() < probability;
}

void Link::corrupt(std::span<std::byte> datagram) {
  const std::uint64_t flips = 1 + rng_.below(8);
  for (std::uint64_t i = 0; i < flips; ++i) {
    const std::uint64_t bit = rng_.below(datagram.size() * 8);
    datagram[static_cast<std::size_t>(bit / 8)] ^= static_cast<std::byte>(1U << (bit % 8));
  }
}

// Jitter must not reorder: that is an option of its own.
LinkTime Link::arrival(LinkTime departure) {
  const auto jitter = options_.jitter_ms > 0 ? uniform() * options_.jitter_ms : 0.0;
  last_arrival_ = std::max(last_arrival_, departure + milliseconds(options_.delay_ms + jitter));
  if (!happens(options_.reorder)) return last_arrival_;
  ++statistics_.reordered;
  return last_arrival_ + milliseconds(options_.reorder_ms);
}

Fate Link::pass(std::span<std::byte> datagram, LinkTime now) {
  ++statistics_.datagrams_in;
  statistics_.bytes_in += datagram.size();
  if (happens(options_.loss)) {
    ++statistics_.lost;
    return {};
  }
  LinkTime departure = now;
  if (options_.rate > 0) {
    const auto size = static_cast<double>(datagram.size());
    busy_until_ = std::max(busy_until_, now);
    const double waiting = std::chrono::duration<double>(busy_until_ - now).count() * options_.rate;
    if (waiting + size > options_.queue) {
      ++statistics_.overflowed;
      return {};
    }
    busy_until_ += seconds(size / options_.rate);
    departure = busy_until_;
  }
  if (!datagram.empty() && happens(options_.corrupt)) {
    ++statistics_.corrupted;
    corrupt(datagram);
  }
  Fate fate{1, {arrival(departure)}};
  if (happens(options_.duplicate)) {
    ++statistics_.duplicated;
    fate.copies = 2;
    fate.arrivals[1] = arrival(departure);
  }
  statistics_.datagrams_out += fate.copies;
  statistics_.bytes_out += fate.copies * datagram.size();
  return fate;
}

}  // namespace ppspp::test
