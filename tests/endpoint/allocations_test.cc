// On the way of the data nothing is allocated for a chunk.
#include <doctest/doctest.h>

#include "support/seed.h"
#include "support/transfer_pair.h"

namespace ppspp::test {
namespace {

struct Allocated {
  std::int64_t seeder = 0;
  std::int64_t leecher = 0;
};

// Between the first quarter of the content and the third.
Allocated allocated_in_the_middle(std::size_t chunk_size, std::uint64_t chunks) {
  TransferPair pair(complete_content(chunk_size * chunks, chunk_size, seed()));
  REQUIRE(pair.joined());
  Allocated begun;
  Allocated until;
  while (!pair.complete()) {
    REQUIRE(pair.microseconds() < 60'000'000);
    pair.turn([](const TransferEnd&, const auto& work) { work(); });
    const std::uint64_t here = pair.octets_here() / chunk_size;
    if (here <= chunks / 4) begun = {pair.seeder.allocations, pair.leecher.allocations};
    if (here <= chunks / 4 * 3) until = {pair.seeder.allocations, pair.leecher.allocations};
  }
  return {until.seeder - begun.seeder, until.leecher - begun.leecher};
}

}  // namespace

TEST_SUITE("endpoint/allocations") {
  TEST_CASE("chunks in steady state are sent, received and verified without an allocation") {
    // What is there are sets of chunks: each has a page for 2,048 chunks.
    constexpr std::uint64_t kChunks = 65'536;
    constexpr std::uint64_t kPages = kChunks / 2 / 2'048;
    const Allocated allocated = allocated_in_the_middle(1'024, kChunks);
    MESSAGE("seeder " << allocated.seeder << ", leecher " << allocated.leecher << " for "
                      << kChunks / 2 << " chunks");
    CHECK(allocated.seeder <= static_cast<std::int64_t>(4 * kPages));
    CHECK(allocated.leecher <= static_cast<std::int64_t>(8 * kPages));
  }
}

}  // namespace ppspp::test
