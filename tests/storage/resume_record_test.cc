#include "storage/resume_record.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string_view>

#include "ppspp/random_source.h"
#include "support/seed.h"

using namespace ppspp;

namespace {

std::vector<std::byte> octets_of(std::string_view text) {
  std::vector<std::byte> octets(text.size());
  std::memcpy(octets.data(), text.data(), text.size());
  return octets;
}

ResumeRecord example() {
  ResumeRecord record;
  record.generation = 7;
  record.swarm_id = octets_of("0123456789abcdef0123456789abcdef");
  record.chunk_size = 1024;
  record.integrity = 1;
  record.content_length = 1'000'000;
  record.clean = true;
  record.data_file = {.inode = 12, .size = 1'000'000, .mtime_ns = -5, .ctime_ns = 1'700'000'000};
  record.verified = {{0, 3}, {200, 500}, {976, 977}};
  return record;
}

ResumeRecord random_record(Rng& rng) {
  ResumeRecord record;
  record.generation = rng.next_u64();
  record.swarm_id.resize(rng.below(70));
  for (std::byte& octet : record.swarm_id) octet = static_cast<std::byte>(rng.next_u64());
  record.chunk_size = static_cast<std::uint32_t>(1 + rng.below(65'000));
  record.hash = kHashFunctions[rng.below(5)];
  record.integrity = static_cast<std::uint8_t>(rng.below(4));
  record.content_length = rng.next_u64() >> (1 + rng.below(63));
  record.clean = rng.below(2) == 0;
  if (!record.clean) return record;
  record.data_file = {rng.next_u64(), rng.next_u64(), static_cast<std::int64_t>(rng.next_u64()),
                      static_cast<std::int64_t>(rng.next_u64())};
  ChunkIndex at = rng.below(3);
  for (std::uint64_t runs = rng.below(20); runs > 0; --runs) {
    const std::uint64_t size = 1 + (rng.next_u64() >> (1 + rng.below(63)));
    if (at >= record.chunk_count() || size > record.chunk_count() - at) break;
    record.verified.push_back({at, at + size});
    at += size + 1 + rng.below(1000);
  }
  return record;
}

}  // namespace

TEST_SUITE("storage/resume_record") {
  TEST_CASE("the checksum is CRC-64/XZ, by its published check value") {
    CHECK(crc64(octets_of("123456789")) == 0x995DC9BBDF1939FA);
    CHECK(crc64({}) == 0);
  }

  TEST_CASE("what is written down is read back") {
    const ResumeRecord record = example();
    const auto octets = record.encode();
    CHECK(ResumeRecord::parse(octets) == record);
    CHECK(record.chunk_count() == 977);
  }

  TEST_CASE("the octets stay what they are, so that a newer version can go on where this one was") {
    const auto octets = example().encode();
    CHECK(octets.size() == 83 + 32 + 9);
    CHECK(std::memcmp(octets.data(), "ppsppres\0\0\0\x7c\0\1", 14) == 0);
    // The runs: 0+3, 197+300, 476+1.
    const auto runs = octets_of(std::string_view("\0\0\0\3\0\3\xc5\1\xac\2\xdc\3\1", 13));
    CHECK(std::memcmp(octets.data() + octets.size() - 8 - runs.size(), runs.data(), runs.size()) ==
          0);
  }

  TEST_CASE("what follows a record in its slot is ignored") {
    auto octets = example().encode();
    octets.resize(octets.size() + 100, std::byte{0xEE});
    CHECK(ResumeRecord::parse(octets) == example());
  }

  TEST_CASE("any record survives the round trip") {
    Rng rng(test::seed());
    for (int i = 0; i < 2000; ++i) {
      const ResumeRecord record = random_record(rng);
      const auto octets = record.encode();
      const auto read = ResumeRecord::parse(octets);
      REQUIRE(read);
      CHECK(*read == record);
    }
  }

  TEST_CASE("a record cut short anywhere is nothing") {
    const auto octets = example().encode();
    for (std::size_t size = 0; size < octets.size(); ++size) {
      CAPTURE(size);
      CHECK(!ResumeRecord::parse(std::span(octets).first(size)));
    }
  }

  TEST_CASE("a record with any bit changed is nothing") {
    auto octets = example().encode();
    for (std::size_t i = 0; i < octets.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        octets[i] ^= static_cast<std::byte>(1 << bit);
        CAPTURE(i);
        CHECK(!ResumeRecord::parse(octets));
        octets[i] ^= static_cast<std::byte>(1 << bit);
      }
    }
  }

  TEST_CASE("a record torn between two writes is nothing") {
    const auto old_octets = example().encode();
    ResumeRecord next = example();
    next.generation += 2;
    next.verified = {{0, 100}, {200, 501}, {976, 977}};
    const auto new_octets = next.encode();
    for (std::size_t cut = 1; cut + 8 < new_octets.size(); ++cut) {
      std::vector<std::byte> torn(new_octets.begin(),
                                  new_octets.begin() + static_cast<std::ptrdiff_t>(cut));
      torn.insert(torn.end(), old_octets.begin() + static_cast<std::ptrdiff_t>(cut),
                  old_octets.end());
      const auto read = ResumeRecord::parse(torn);
      CAPTURE(cut);
      CHECK((!read || *read == next || *read == example()));
    }
  }
}
