// Two endpoints in one process exchange a content: what the protocol costs, each end by itself.
#include <cstdlib>

#include "parts.h"
#include "support/transfer_pair.h"

namespace bench {
namespace {

using ppspp::test::TransferEnd;
using ppspp::test::TransferPair;

constexpr std::size_t kContent = std::size_t{128} << 20;
constexpr std::uint64_t kLongestUs = 60'000'000;

[[noreturn]] void give_up(const char* why) {
  fmt::print(stderr, "bench_parts: {}\n", why);
  std::exit(1);
}

}  // namespace

void measure_endpoints(std::size_t chunk_size) {
  TransferPair pair(ppspp::test::complete_content(kContent, chunk_size, 1));
  if (!pair.joined()) give_up("cannot join");
  double seeder_seconds = 0;
  double leecher_seconds = 0;
  const auto timed = [&](const TransferEnd& end, const auto& work) {
    const double start = cpu_seconds();
    work();
    (&end == &pair.seeder ? seeder_seconds : leecher_seconds) += cpu_seconds() - start;
  };
  while (!pair.complete()) {
    if (pair.microseconds() >= kLongestUs) give_up("two endpoints do not come to an end");
    pair.turn(timed);
  }
  const auto chunks = static_cast<double>(kContent) / static_cast<double>(chunk_size);
  const auto print = [&](const char* who, const TransferEnd& end, double seconds) {
    print_part(fmt::format("endpoint that {}, chunks of {}", who, chunk_size), "chunk", seconds,
               static_cast<double>(end.allocations), chunks, chunk_size);
  };
  print("sends", pair.seeder, seeder_seconds);
  print("receives", pair.leecher, leecher_seconds);
}

}  // namespace bench
