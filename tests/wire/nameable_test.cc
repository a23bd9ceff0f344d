#include <doctest/doctest.h>

#include "ppspp/random_source.h"
#include "support/seed.h"
#include "wire/codec.h"

namespace ppspp {
namespace {

using test::format_of;

constexpr std::uint64_t k2To31 = std::uint64_t{1} << 31;
constexpr std::uint64_t k2To32 = std::uint64_t{1} << 32;

// Ranges of every size, near zero and near the ends of the addressings' numbers.
ChunkRange random_range(Rng& rng) {
  constexpr std::uint64_t kNear[] = {0, k2To31, k2To32, std::uint64_t{1} << 54, kMaxChunks - 5000};
  const std::uint64_t begin = kNear[rng.below(5)] + (rng.next_u64() & 0xfff);
  const std::uint64_t size = 1 + (rng.next_u64() >> (1 + rng.below(63)));
  return {begin, begin + std::min(size, kMaxChunks - begin)};
}

bool survives(ChunkRange range, const WireFormat& format) {
  std::array<std::byte, 32> buffer;
  ByteWriter out(buffer);
  write_channel(out, {});
  write_have(out, range, format);
  DatagramReader reader(out.written(), format);
  const auto message = reader.next();
  return message && std::get<Have>(*message).chunks == range;
}

TEST_SUITE("wire/nameable") {
  TEST_CASE("a range names all of itself where its numbers fit") {
    for (const auto addressing :
         {ChunkAddressing::chunk32, ChunkAddressing::chunk64, ChunkAddressing::byte64}) {
      const auto format = format_of(addressing);
      CHECK(nameable_front({5, 1000}, format) == ChunkRange{5, 1000});
      CHECK(nameable_around(7, {5, 1000}, format) == ChunkRange{5, 1000});
    }
  }

  TEST_CASE("bins name the first binary interval, or the biggest around a chunk (4.3.1 #62)") {
    for (const auto addressing : {ChunkAddressing::bin32, ChunkAddressing::bin64}) {
      const auto format = format_of(addressing);
      CHECK(nameable_front({5, 16}, format) == ChunkRange{5, 6});
      CHECK(nameable_front({6, 16}, format) == ChunkRange{6, 8});
      CHECK(nameable_front({8, 16}, format) == ChunkRange{8, 16});
      CHECK(nameable_front({0, 7}, format) == ChunkRange{0, 4});
      CHECK(nameable_around(6, {0, 7}, format) == ChunkRange{6, 7});
      CHECK(nameable_around(4, {0, 7}, format) == ChunkRange{4, 6});
      CHECK(nameable_around(1, {0, 7}, format) == ChunkRange{0, 4});
    }
  }

  TEST_CASE("32-bit addressing cannot name chunks beyond its numbers") {
    const auto ranges = format_of(ChunkAddressing::chunk32);
    CHECK(nameable_front({k2To32 - 2, k2To32 + 5}, ranges) == ChunkRange{k2To32 - 2, k2To32});
    CHECK(nameable_front({k2To32, k2To32 + 5}, ranges).empty());
    CHECK(nameable_around(k2To32 - 1, {0, kMaxChunks}, ranges) == ChunkRange{0, k2To32});
    CHECK(nameable_around(k2To32, {0, kMaxChunks}, ranges).empty());

    const auto bins = format_of(ChunkAddressing::bin32);
    CHECK(nameable_front({0, kMaxChunks}, bins) == ChunkRange{0, k2To31});
    CHECK(nameable_front({k2To31 - 1, k2To31 + 5}, bins) == ChunkRange{k2To31 - 1, k2To31});
    CHECK(nameable_front({k2To31, k2To31 + 5}, bins).empty());
    CHECK(nameable_around(k2To31, {0, kMaxChunks}, bins).empty());
  }

  TEST_CASE("64-bit bins name everything, byte ranges what has an offset") {
    CHECK(nameable_front({0, kMaxChunks}, format_of(ChunkAddressing::bin64)) ==
          ChunkRange{0, kMaxChunks});
    CHECK(nameable_around(9, {0, kMaxChunks}, format_of(ChunkAddressing::bin64)) ==
          ChunkRange{0, kMaxChunks});
    CHECK(nameable_front({0, kMaxChunks}, format_of(ChunkAddressing::byte64)) ==
          ChunkRange{0, std::uint64_t{1} << 54});
  }

  TEST_CASE("an empty range, or a chunk outside of it, names nothing") {
    for (const ChunkAddressing addressing : test::kAddressings) {
      CHECK(nameable_front({}, format_of(addressing)).empty());
      CHECK(nameable_front({9, 9}, format_of(addressing)).empty());
      CHECK(nameable_around(9, {3, 9}, format_of(addressing)).empty());
    }
  }

  TEST_CASE("whatever is nameable lies in the range and can be written and read") {
    Rng rng(test::seed());
    for (int round = 0; round < 5000; ++round) {
      auto format = format_of(test::kAddressings[rng.below(5)]);
      format.chunk_size =
          rng.below(2) != 0 ? 1024 : static_cast<std::uint32_t>(512 + rng.below(999));
      const ChunkRange range = random_range(rng);
      const ChunkIndex chunk = range.begin + rng.below(range.size());
      CAPTURE(static_cast<int>(format.addressing));
      CAPTURE(range.begin);
      CAPTURE(range.end);
      const ChunkRange front = nameable_front(range, format);
      if (!front.empty()) {
        REQUIRE(front.begin == range.begin);
        REQUIRE(range.contains(front));
        REQUIRE(survives(front, format));
      } else {
        REQUIRE(range.begin >= max_chunk_count(format.addressing, format.chunk_size));
      }
      const ChunkRange around = nameable_around(chunk, range, format);
      if (!around.empty()) {
        REQUIRE(around.contains(chunk));
        REQUIRE(range.contains(around));
        REQUIRE(survives(around, format));
      } else {
        REQUIRE(chunk >= max_chunk_count(format.addressing, format.chunk_size));
      }
    }
  }
}

}  // namespace
}  // namespace ppspp
