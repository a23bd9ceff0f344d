#include "bins/bin.h"

#include <doctest/doctest.h>

#include <string>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace doctest {
template <>
struct StringMaker<ppspp::Bin> {
  static String convert(ppspp::Bin bin) { return std::to_string(bin.number()).c_str(); }
};
template <>
struct StringMaker<ppspp::ChunkRange> {
  static String convert(const ppspp::ChunkRange& range) {
    return ("[" + std::to_string(range.begin) + ", " + std::to_string(range.end) + ")").c_str();
  }
};
}  // namespace doctest

namespace ppspp {
namespace {

// The definition, without arithmetic tricks.
Bin biggest_bin_by_climbing(ChunkIndex chunk, ChunkRange range) {
  Bin bin = Bin::leaf(chunk);
  while (!bin.is_all() && range.contains(bin.parent().chunks())) bin = bin.parent();
  return bin;
}

}  // namespace

TEST_SUITE("bins/bin") {
  TEST_CASE("the tree over eight chunks is numbered as in figure 2 (4.2 #201)") {
    for (ChunkIndex chunk = 0; chunk < 8; ++chunk) {
      CHECK(Bin::leaf(chunk).number() == 2 * chunk);
      CHECK(Bin::leaf(chunk).is_leaf());
      CHECK(Bin::leaf(chunk).chunks() == ChunkRange{chunk, chunk + 1});
    }
    CHECK(Bin{7}.chunks() == ChunkRange{0, 8});
    CHECK(Bin{3}.chunks() == ChunkRange{0, 4});
    CHECK(Bin{11}.chunks() == ChunkRange{4, 8});
    CHECK(Bin{1}.chunks() == ChunkRange{0, 2});
    CHECK(Bin{5}.chunks() == ChunkRange{2, 4});
    CHECK(Bin{9}.chunks() == ChunkRange{4, 6});
    CHECK(Bin{13}.chunks() == ChunkRange{6, 8});
    CHECK(Bin{2}.chunks() == ChunkRange{1, 2});
  }

  TEST_CASE("a parent is halfway between its children (4.2 #201)") {
    for (const std::uint64_t number : {1U, 3U, 5U, 7U, 9U, 11U, 13U}) {
      const Bin bin{number};
      CAPTURE(number);
      CHECK((bin.left().number() + bin.right().number()) / 2 == number);
      CHECK(bin.left().parent() == bin);
      CHECK(bin.right().parent() == bin);
      CHECK(bin.left().sibling() == bin.right());
      CHECK(bin.right().sibling() == bin.left());
      CHECK(bin.left().is_left());
      CHECK_FALSE(bin.right().is_left());
    }
    CHECK(Bin{3}.parent() == Bin{7});
    CHECK(Bin{11}.parent() == Bin{7});
    CHECK(Bin{7}.height() == 3);
    CHECK(Bin::node(1, 2) == Bin{9});
  }

  TEST_CASE("all ones are the empty interval (4.2 #201)") {
    CHECK(Bin::none().number() == 0xffffffffffffffff);
    CHECK(Bin{} == Bin::none());
    CHECK(Bin::none().is_none());
    CHECK_FALSE(Bin::none().is_all());
    CHECK_FALSE(Bin::none().is_leaf());
    CHECK(Bin::none().chunks().empty());
    CHECK(Bin::none().chunk_count() == 0);
    CHECK(Bin::none().first_chunk() == 0);
    CHECK_FALSE(Bin::none().contains(Bin::none()));
    CHECK_FALSE(Bin::none().contains(Bin{0}));
    CHECK_FALSE(Bin::all().contains(Bin::none()));
  }

  TEST_CASE("0x7FFF...FFF is everything, 2^63 chunks (4.2 #201)") {
    CHECK(Bin::all().number() == 0x7fffffffffffffff);
    CHECK(Bin::all().is_all());
    CHECK(Bin::all().height() == 63);
    CHECK(Bin::all().chunk_count() == kMaxChunks);
    CHECK(Bin::all().chunks() == ChunkRange{0, kMaxChunks});
    CHECK(Bin::all().left().chunks() == ChunkRange{0, kMaxChunks / 2});
    CHECK(Bin::all().right().chunks() == ChunkRange{kMaxChunks / 2, kMaxChunks});
    CHECK(Bin::all().left().parent() == Bin::all());
    CHECK(Bin::all().right().parent() == Bin::all());
    CHECK(Bin::node(63, 0) == Bin::all());
    CHECK(Bin::all().contains(Bin::all()));
  }

  TEST_CASE("the last leaf climbs through all heights to everything") {
    Bin bin = Bin::leaf(kMaxChunks - 1);
    CHECK(bin.number() == 0xfffffffffffffffe);
    CHECK(bin.chunks() == ChunkRange{kMaxChunks - 1, kMaxChunks});
    for (int height = 0; height < 63; ++height) {
      CHECK(bin.height() == height);
      CHECK(bin.chunks().end == kMaxChunks);
      CHECK(bin.chunk_count() == std::uint64_t{1} << height);
      CHECK_FALSE(bin.is_left());
      CHECK(bin.parent().contains(bin));
      CHECK_FALSE(bin.contains(bin.parent()));
      CHECK(bin.parent().right() == bin);
      bin = bin.parent();
    }
    CHECK(bin == Bin::all());
  }

  TEST_CASE("a bin contains what its interval contains") {
    for (std::uint64_t a = 0; a < 31; ++a) {
      for (std::uint64_t b = 0; b < 31; ++b) {
        CAPTURE(a);
        CAPTURE(b);
        CHECK(Bin{a}.contains(Bin{b}) == Bin{a}.chunks().contains(Bin{b}.chunks()));
      }
    }
  }

  TEST_CASE("a range is a bin exactly if it is the interval of one") {
    for (std::uint64_t number = 0; number < 63; ++number) {
      CHECK(bin_of(Bin{number}.chunks()) == Bin{number});
    }
    CHECK(bin_of({0, kMaxChunks}) == Bin::all());
    CHECK(bin_of({kMaxChunks - 1, kMaxChunks}) == Bin::leaf(kMaxChunks - 1));
    CHECK(bin_of({}) == Bin::none());
    CHECK(bin_of({5, 4}) == Bin::none());
    CHECK(bin_of({1, 3}) == Bin::none());
    CHECK(bin_of({0, 3}) == Bin::none());
    CHECK(bin_of({2, 6}) == Bin::none());
    CHECK(bin_of({kMaxChunks, kMaxChunks + 1}) == Bin::none());
  }

  TEST_CASE(
      "HAVE and ACK find the biggest complete interval around a chunk (4.3.1 #62, 4.3.2 #83)") {
    CHECK(biggest_bin_around(0, {0, 1}) == Bin{0});
    CHECK(biggest_bin_around(1, {0, 3}) == Bin{1});
    CHECK(biggest_bin_around(2, {0, 3}) == Bin{4});
    CHECK(biggest_bin_around(5, {0, 7}) == Bin{9});
    CHECK(biggest_bin_around(5, {1, 8}) == Bin{11});
    CHECK(biggest_bin_around(7, {0, kMaxChunks}) == Bin::all());
    CHECK(biggest_bin_around(kMaxChunks - 1, {1, kMaxChunks}) == Bin::all().right());
    for (ChunkIndex begin = 0; begin < 20; ++begin) {
      for (ChunkIndex end = begin + 1; end < 36; ++end) {
        for (ChunkIndex chunk = begin; chunk < end; ++chunk) {
          const ChunkRange range{begin, end};
          REQUIRE(biggest_bin_around(chunk, range) == biggest_bin_by_climbing(chunk, range));
        }
      }
    }
  }

  TEST_CASE("the biggest interval is right for any range below 2^63") {
    Rng rng(test::seed());
    for (int i = 0; i < 20000; ++i) {
      const std::uint64_t limit = kMaxChunks >> rng.below(63);
      const ChunkIndex begin = rng.below(limit);
      const ChunkIndex end = begin + 1 + rng.below(limit - begin);
      const ChunkIndex chunk = begin + rng.below(end - begin);
      REQUIRE(biggest_bin_around(chunk, {begin, end}) ==
              biggest_bin_by_climbing(chunk, {begin, end}));
    }
  }

  TEST_CASE("a range falls into the fewest bins, from the left") {
    const auto split = [](ChunkRange range) {
      std::string text;
      while (!range.empty()) {
        const Bin bin = first_bin_of(range);
        text += std::to_string(bin.number()) + " ";
        range.begin = bin.chunks().end;
      }
      return text;
    };
    CHECK(split({0, 7}) == "3 9 12 ");
    CHECK(split({1, 8}) == "2 5 11 ");
    CHECK(split({3, 4}) == "6 ");
    CHECK(split({3, 9}) == "6 11 16 ");
    CHECK(split({0, kMaxChunks}) == "9223372036854775807 ");
    int pieces = 0;
    for (ChunkRange rest{1, kMaxChunks - 1}; !rest.empty(); ++pieces) {
      rest.begin = first_bin_of(rest).chunks().end;
    }
    CHECK(pieces == 124);  // heights 0 to 61 up, and the same down
  }

  TEST_CASE("the lowest tree with room for a content") {
    CHECK(tree_height(0) == 0);
    CHECK(tree_height(1) == 0);
    CHECK(tree_height(2) == 1);
    CHECK(tree_height(3) == 2);
    CHECK(tree_height(7) == 3);
    CHECK(tree_height(8) == 3);
    CHECK(tree_height(9) == 4);
    CHECK(tree_height(kMaxChunks - 1) == 63);
    CHECK(tree_height(kMaxChunks) == 63);
  }
}

}  // namespace ppspp
