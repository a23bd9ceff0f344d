#include "bins/bin_set.h"

#include <doctest/doctest.h>

#include <utility>

#include "bins/bin.h"

namespace ppspp {
namespace {

constexpr ChunkIndex kPage = BinSet::kPageChunks;

}  // namespace

TEST_SUITE("bins/bin_set") {
  TEST_CASE("a new set is empty") {
    const BinSet set;
    CHECK(set.empty());
    CHECK(set.count() == 0);
    CHECK_FALSE(set.contains(ChunkIndex{0}));
    CHECK(set.contains(ChunkRange{}));
    CHECK_FALSE(set.contains(ChunkRange{0, 1}));
    CHECK_FALSE(set.intersects({0, kMaxChunks}));
    CHECK(set.word(0) == 0);
    CHECK_FALSE(set.next_in(0));
    CHECK(set.next_out(7) == 7);
    CHECK(set.run_around(7).empty());
    CHECK(set.next_run(0).empty());
    set.check_invariants();
  }

  TEST_CASE("everything is one run of 2^63 chunks (4.2 #201)") {
    BinSet set;
    CHECK(set.insert(Bin::all().chunks()));
    set.check_invariants();
    CHECK(set.count() == kMaxChunks);
    CHECK(set.contains(ChunkIndex{0}));
    CHECK(set.contains(kMaxChunks - 1));
    CHECK_FALSE(set.contains(kMaxChunks));
    CHECK(set.contains({0, kMaxChunks}));
    CHECK(set.word(kMaxChunks / 64 - 1) == ~std::uint64_t{0});
    CHECK(set.word(kMaxChunks / 64) == 0);
    CHECK(set.word(~std::uint64_t{0}) == 0);
    CHECK(set.next_in(kMaxChunks - 1) == kMaxChunks - 1);
    CHECK_FALSE(set.next_in(kMaxChunks));
    CHECK_FALSE(set.next_in(~std::uint64_t{0}));
    CHECK(set.next_out(0) == kMaxChunks);
    CHECK(set.next_out(~std::uint64_t{0}) == ~std::uint64_t{0});
    CHECK(set.run_around(12345) == ChunkRange{0, kMaxChunks});
    CHECK(set.insert(Bin::all().chunks()));
    CHECK(set.count() == kMaxChunks);
    CHECK(set.erase(Bin::all().chunks()));
    CHECK(set.empty());
    CHECK(set == BinSet());
  }

  TEST_CASE("the last chunk of all can come and go") {
    BinSet set;
    CHECK(set.insert(Bin::leaf(kMaxChunks - 1).chunks()));
    CHECK(set.next_run(0) == ChunkRange{kMaxChunks - 1, kMaxChunks});
    CHECK(set.run_around(kMaxChunks - 1) == ChunkRange{kMaxChunks - 1, kMaxChunks});
    CHECK(set.word(kMaxChunks / 64 - 1) == std::uint64_t{1} << 63);
    CHECK(set.insert({0, kMaxChunks - 1}));
    CHECK(set.count() == kMaxChunks);
    CHECK(set.erase(Bin::leaf(kMaxChunks - 1).chunks()));
    CHECK(set.next_out(0) == kMaxChunks - 1);
    set.check_invariants();
  }

  TEST_CASE("what lies beyond 2^63 is ignored") {
    BinSet set;
    CHECK(set.insert({kMaxChunks - 2, ~std::uint64_t{0}}));
    CHECK(set.count() == 2);
    CHECK(set.insert({kMaxChunks, kMaxChunks + 5}));
    CHECK(set.count() == 2);
    CHECK_FALSE(set.contains({kMaxChunks - 2, kMaxChunks + 1}));
    CHECK(set.erase({kMaxChunks - 1, ~std::uint64_t{0}}));
    CHECK(set.count() == 1);
    CHECK(set.insert({5, 5}));
    CHECK(set.insert({6, 5}));
    CHECK(set.count() == 1);
    set.check_invariants();
  }

  TEST_CASE("a download in order ends as one run without pages") {
    BinSet set;
    for (ChunkIndex chunk = 0; chunk < 10 * kPage; ++chunk) {
      REQUIRE(set.insert({chunk, chunk + 1}));
      REQUIRE(set.run_around(chunk / 2) == ChunkRange{0, chunk + 1});
    }
    CHECK(set.page_count() == 0);
    CHECK(set.count() == 10 * kPage);
    set.check_invariants();
  }

  TEST_CASE("HAVE and ACK carry the biggest interval around a chunk (4.3.1 #62, 4.3.2 #83)") {
    BinSet set;
    set.insert({0, 3});
    set.insert({4, 7});
    CHECK(biggest_bin_around(2, set.run_around(2)) == Bin{4});
    set.insert({3, 4});
    CHECK(biggest_bin_around(3, set.run_around(3)) == Bin{3});
    CHECK(biggest_bin_around(5, set.run_around(5)) == Bin{9});
    set.insert({7, 8});
    CHECK(biggest_bin_around(7, set.run_around(7)) == Bin{7});
    set.insert({8, 5 * kPage});
    CHECK(biggest_bin_around(7, set.run_around(7)) == Bin::node(13, 0));
  }

  TEST_CASE("a hole in a run costs its page, and is gone when it is filled") {
    BinSet set;
    set.insert({0, 100 * kPage});
    CHECK(set.erase({50 * kPage + 3, 50 * kPage + 5}));
    CHECK(set.page_count() == 1);
    CHECK(set.run_around(0) == ChunkRange{0, 50 * kPage + 3});
    CHECK(set.run_around(70 * kPage) == ChunkRange{50 * kPage + 5, 100 * kPage});
    CHECK(set.next_out(10) == 50 * kPage + 3);
    CHECK(set.count() == 100 * kPage - 2);
    CHECK(set.insert({50 * kPage + 3, 50 * kPage + 5}));
    CHECK(set.page_count() == 0);
    CHECK(set.run_around(0) == ChunkRange{0, 100 * kPage});
    set.check_invariants();
  }

  TEST_CASE("copies are independent, and what was moved from is empty") {
    BinSet set(10);
    set.insert({3, 5 * kPage});
    CHECK(set.contains(ChunkIndex{4}));  // so that there is a remembered position to copy
    BinSet copy = set;
    CHECK(copy == set);
    copy.erase({10, 20});
    CHECK(set.contains({3, 5 * kPage}));
    CHECK_FALSE(copy == set);
    const BinSet moved = std::move(set);
    CHECK(moved.contains({3, 5 * kPage}));
    CHECK(set.empty());  // NOLINT(bugprone-use-after-move): the promise of the header
    CHECK_FALSE(set.contains(ChunkIndex{4}));
    set.check_invariants();
    set = moved;
    CHECK(set == moved);
    set = BinSet();
    CHECK(set.empty());
    set = std::move(copy);
    CHECK(set.next_out(3) == 10);
    set.clear();
    CHECK(set.empty());
    CHECK_FALSE(set.contains(ChunkIndex{4}));
    set.check_invariants();
  }

  TEST_CASE("the next thing to request lies behind what I have and what I asked for") {
    BinSet peer;
    BinSet mine;
    BinSet requested;
    peer.insert(Bin::all().chunks());
    mine.insert({0, ChunkIndex{1} << 40});
    requested.insert({ChunkIndex{1} << 40, (ChunkIndex{1} << 40) + 100});
    const ChunkRange content{0, ChunkIndex{1} << 50};
    const ChunkIndex first = (ChunkIndex{1} << 40) + 100;
    CHECK(first_run_in_but_not_in(peer, mine, requested, content, 8) ==
          ChunkRange{first, first + 8});
    mine.insert({first + 3, first + 1000});
    CHECK(first_run_in_but_not_in(peer, mine, requested, content, 8) ==
          ChunkRange{first, first + 3});
    CHECK(first_run_in_but_not_in(peer, mine, requested, {first, first + 2}, 8) ==
          ChunkRange{first, first + 2});
    CHECK(first_run_in_but_not_in(peer, mine, requested, {0, first}, 8).empty());
    CHECK(first_run_in_but_not_in(peer, mine, requested, content, 0).empty());
    CHECK(first_run_in_but_not_in(BinSet(), mine, requested, content, 8).empty());
    CHECK(first_run_in_but_not_in(peer, peer, requested, content, 8).empty());
    CHECK(first_run_in_but_not_in(peer, requested, peer, content, 8).empty());
    CHECK(first_run_in_but_not_in(peer, mine, requested, {5, 5}, 8).empty());
  }

  TEST_CASE("the last chunks below 2^63 can be requested") {
    BinSet peer;
    peer.insert(Bin::all().chunks());
    BinSet mine;
    mine.insert({0, kMaxChunks - 3});
    CHECK(first_run_in_but_not_in(peer, mine, BinSet(), {0, kMaxChunks}, ~std::uint64_t{0}) ==
          ChunkRange{kMaxChunks - 3, kMaxChunks});
    CHECK(first_run_in_but_not_in(peer, mine, BinSet(), {0, ~std::uint64_t{0}}, 2) ==
          ChunkRange{kMaxChunks - 3, kMaxChunks - 1});
  }
}

}  // namespace ppspp
