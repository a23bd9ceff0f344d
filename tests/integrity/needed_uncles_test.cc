#include "integrity/needed_uncles.h"

#include <doctest/doctest.h>

#include <vector>

namespace ppspp {
namespace {

using Numbers = std::vector<std::uint64_t>;

Numbers numbers(const BinList& bins) {
  Numbers list;
  for (const Bin bin : bins) list.push_back(bin.number());
  return list;
}

// A receiver that has the chunks before `end`.
auto has_until(ChunkIndex end) {
  return [end](ChunkRange range) { return range.begin < end; };
}

const auto has_nothing = [](ChunkRange) { return false; };

}  // namespace

TEST_SUITE("integrity/needed_uncles") {
  TEST_CASE("a sequential download sends the hashes of Table 1 (5.5)") {
    const Bin root{7};
    const std::vector<Numbers> table = {{11, 5, 2}, {}, {6}, {}, {13, 10}, {}, {14}, {}};
    for (ChunkIndex chunk = 0; chunk < table.size(); ++chunk) {
      CAPTURE(chunk);
      CHECK(numbers(needed_uncles_below(root, chunk, has_until(chunk))) == table[chunk]);
    }
  }

  TEST_CASE("who has the peaks of 7 chunks is sent nothing above them (5.6.2 #116)") {
    const std::vector<Numbers> table = {{5, 2}, {}, {6}, {}, {10}, {}, {}};
    for (ChunkIndex chunk = 0; chunk < table.size(); ++chunk) {
      CAPTURE(chunk);
      CHECK(numbers(needed_uncles(chunk, 7, has_until(chunk))) == table[chunk]);
    }
  }

  TEST_CASE("uncles come from the highest down to the leaf's sibling (5.4 #108)") {
    CHECK(numbers(needed_uncles(0, 16, has_nothing)) == Numbers{23, 11, 5, 2});
    CHECK(numbers(needed_uncles(15, 16, has_nothing)) == Numbers{7, 19, 25, 28});
    CHECK(numbers(needed_uncles_below(Bin{15}, 5, has_nothing)) == Numbers{23, 3, 13, 8});
  }

  TEST_CASE("a single chunk, and a peak that is a leaf, need none") {
    CHECK(needed_uncles(0, 1, has_nothing).empty());
    CHECK(needed_uncles(6, 7, has_nothing).empty());
  }

  TEST_CASE("a content of 2^40 chunks needs forty hashes for its first chunk") {
    CHECK(needed_uncles(0, std::uint64_t{1} << 40, has_nothing).size() == 40);
    CHECK(needed_uncles(0, (std::uint64_t{1} << 40) - 1, has_nothing).size() == 39);
  }
}

}  // namespace ppspp
