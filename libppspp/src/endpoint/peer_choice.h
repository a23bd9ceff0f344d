// Which neighbour is given up when an unknown peer is to be tried. A question with an answer that
// depends on nothing else, so that it can be tested with a table.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ppspp/time.h"

namespace ppspp {

struct Neighbour {
  std::uint64_t rate = 0;  // octets per second, both ways
  Microseconds rtt{0};
  bool may_go = false;
};

// What a neighbour is worth: what it brings and takes, a near one up to half as much again, a far
// one down to half (9.1, 3.10.1: local traffic is the cheaper one).
inline std::uint64_t worth(const Neighbour& neighbour, Microseconds mean_rtt) {
  const auto mean = static_cast<std::uint64_t>(std::max<Microseconds::rep>(1, mean_rtt.count()));
  const auto own =
      static_cast<std::uint64_t>(std::max<Microseconds::rep>(0, neighbour.rtt.count()));
  const std::uint64_t percent = 300 * mean / (2 * mean + own);
  return neighbour.rate * std::max<std::uint64_t>(percent, 50) / 100;
}

// The least useful of those that may go, if it is worth less than a quarter of the average: where
// all are good nobody is given up.
inline std::optional<std::size_t> least_useful(std::span<const Neighbour> neighbours) {
  if (neighbours.empty()) return std::nullopt;
  Microseconds rtt{0};
  for (const Neighbour& neighbour : neighbours) rtt += neighbour.rtt;
  rtt /= static_cast<Microseconds::rep>(neighbours.size());
  std::uint64_t sum = 0;
  std::optional<std::size_t> worst;
  std::uint64_t least = 0;
  for (std::size_t i = 0; i < neighbours.size(); ++i) {
    const std::uint64_t value = worth(neighbours[i], rtt);
    sum += value;
    if (!neighbours[i].may_go) continue;
    if (!worst || value < least) worst = i, least = value;
  }
  if (!worst || least * 4 > sum / neighbours.size()) return std::nullopt;
  return worst;
}

}  // namespace ppspp
