#include "bins/peaks.h"

#include <doctest/doctest.h>

#include <bit>
#include <vector>

namespace ppspp {
namespace {

// Every property that 5.6.1 gives the peaks of a content.
void check_peaks(std::uint64_t chunk_count) {
  CAPTURE(chunk_count);
  const BinList list = peaks(chunk_count);
  REQUIRE(list.size() == static_cast<std::size_t>(std::popcount(chunk_count)));
  ChunkIndex covered = 0;
  int height = 64;
  for (const Bin peak : list) {
    REQUIRE(peak.first_chunk() == covered);
    REQUIRE(peak.height() < height);
    height = peak.height();
    covered = peak.chunks().end;
    REQUIRE(peak.is_left());
    // Filled, and its sibling is not.
    if (!peak.is_all()) REQUIRE(peak.sibling().chunks().end > chunk_count);
    REQUIRE(peak_of(peak.first_chunk(), chunk_count) == peak);
    REQUIRE(peak_of(covered - 1, chunk_count) == peak);
  }
  REQUIRE(covered == chunk_count);
  REQUIRE(chunk_count_of({list.begin(), list.size()}) == chunk_count);
}

std::uint64_t count_of(const std::vector<Bin>& bins) {
  return chunk_count_of(bins);
}

}  // namespace

TEST_SUITE("bins/peaks") {
  TEST_CASE("seven chunks have the peaks 3, 9 and 12 of figure 4 (5.6.1)") {
    const BinList list = peaks(7);
    REQUIRE(list.size() == 3);
    CHECK(list[0].number() == 3);
    CHECK(list[1].number() == 9);
    CHECK(list[2].number() == 12);
    CHECK(peak_of(0, 7) == list[0]);
    CHECK(peak_of(3, 7) == list[0]);
    CHECK(peak_of(4, 7) == list[1]);
    CHECK(peak_of(6, 7) == list[2]);
  }

  TEST_CASE("there is one peak for each one-bit of the number of chunks (5.6.1)") {
    CHECK(peaks(0).empty());
    for (std::uint64_t count = 0; count <= 1000; ++count) check_peaks(count);
    for (int bit = 1; bit < 64; ++bit) {
      const std::uint64_t count = std::uint64_t{1} << bit;
      check_peaks(count - 1);
      check_peaks(count);
      if (bit < 63) check_peaks(count + 1);
    }
    CHECK(peaks(kMaxChunks)[0] == Bin::all());
    CHECK(peaks(kMaxChunks - 1).size() == 63);
  }

  TEST_CASE("lists that are the peaks of no content are refused (5.6.1)") {
    CHECK(count_of({}) == 0);
    CHECK(count_of({Bin::none()}) == 0);
    CHECK(count_of({Bin{3}, Bin::none()}) == 0);
    CHECK(count_of({Bin{2}}) == 0);                   // does not begin at chunk 0
    CHECK(count_of({Bin{5}}) == 0);                   // a right sibling
    CHECK(count_of({Bin{12}, Bin{9}, Bin{3}}) == 0);  // from the right
    CHECK(count_of({Bin{9}, Bin{3}, Bin{12}}) == 0);  // shuffled
    CHECK(count_of({Bin{3}, Bin{12}}) == 0);          // a gap
    CHECK(count_of({Bin{3}, Bin{3}}) == 0);           // twice the same
    CHECK(count_of({Bin{3}, Bin{11}}) == 0);          // a size twice: should be 7
    CHECK(count_of({Bin{0}, Bin{2}}) == 0);           // a size twice: should be 1
    CHECK(count_of({Bin{1}, Bin{4}, Bin{6}}) == 0);   // a size twice at the end
    CHECK(count_of({Bin{1}, Bin{11}}) == 0);          // grows
    CHECK(count_of({Bin{3}, Bin{1}}) == 0);           // overlaps
    CHECK(count_of({Bin::all(), Bin{0}}) == 0);       // more than everything
    CHECK(count_of({Bin::all().right()}) == 0);
    CHECK(count_of({Bin::all()}) == kMaxChunks);
    CHECK(count_of({Bin{3}, Bin{9}, Bin{12}}) == 7);
  }

  TEST_CASE("of the lists of up to three bins over eight chunks exactly the peaks are accepted") {
    int accepted = 0;
    for (std::uint64_t a = 0; a < 15; ++a) {
      for (std::uint64_t b = 0; b < 15; ++b) {
        for (std::uint64_t c = 0; c < 15; ++c) {
          const std::vector<Bin> list{Bin{a}, Bin{b}, Bin{c}};
          for (std::size_t size = 1; size <= 3; ++size) {
            const std::span<const Bin> given(list.data(), size);
            const std::uint64_t count = chunk_count_of(given);
            if (count == 0) continue;
            const BinList expected = peaks(count);
            REQUIRE(std::vector<Bin>(expected.begin(), expected.end()) ==
                    std::vector<Bin>(given.begin(), given.end()));
            ++accepted;
          }
        }
      }
    }
    // 1, 2, 4, 8 in 225 lists each; 3, 5, 6 in 15 each; 7 in one.
    CHECK(accepted == 4 * 225 + 3 * 15 + 1);
  }

  TEST_CASE("lists of bins are equal if their bins are") {
    CHECK(peaks(7) == peaks(7));
    CHECK_FALSE(peaks(7) == peaks(3));
    CHECK_FALSE(peaks(7) == peaks(11));
  }
}

}  // namespace ppspp
