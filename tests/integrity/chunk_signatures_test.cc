#include "integrity/chunk_signatures.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using Octets = std::vector<std::byte>;

constexpr std::size_t kSize = 24;

Octets signature(std::uint64_t number) {
  Octets octets(kSize);
  for (std::size_t i = 0; i < kSize; ++i) octets[i] = static_cast<std::byte>(number * 5 + i);
  return octets;
}

void set(ChunkSignatures& signatures, ChunkIndex chunk) {
  signatures.set(chunk, chunk + 1000, signature(chunk));
}

bool has(const ChunkSignatures& signatures, ChunkIndex chunk) {
  const auto found = signatures.get(chunk);
  CHECK(found.has_value() == signatures.contains(chunk));
  return found && found->ntp_timestamp == chunk + 1000 &&
         std::ranges::equal(found->signature, signature(chunk));
}

}  // namespace

TEST_SUITE("integrity/chunk_signatures") {
  TEST_CASE("nothing is there before it was set, and the first that is set stays") {
    ChunkSignatures signatures(10, kSize);
    CHECK(!signatures.newest());
    CHECK(!signatures.get(0));
    set(signatures, 0);
    CHECK(has(signatures, 0));
    CHECK(signatures.newest() == 0);
    signatures.set(0, 5, signature(9));
    CHECK(has(signatures, 0));
    CHECK(!signatures.get(1));
  }

  TEST_CASE("the window moves with the newest (6.2)") {
    ChunkSignatures signatures(10, kSize);
    for (ChunkIndex chunk = 0; chunk < 300; ++chunk) set(signatures, chunk);
    CHECK(signatures.newest() == 299);
    CHECK(!signatures.get(289));
    for (ChunkIndex chunk = 290; chunk < 300; ++chunk) CHECK(has(signatures, chunk));
    set(signatures, 289);
    CHECK(!signatures.get(289));
    set(signatures, kMaxChunks - 1);
    CHECK(!signatures.get(299));
    CHECK(has(signatures, kMaxChunks - 1));
    CHECK(!signatures.get(kMaxChunks - 2));
    CHECK(!signatures.get(~std::uint64_t{0}));
  }

  TEST_CASE("nothing of what stood in a place before is left when it is used again") {
    ChunkSignatures signatures(4, kSize);
    for (ChunkIndex chunk = 0; chunk < 1000; ++chunk) set(signatures, chunk);
    set(signatures, 5000);
    set(signatures, 5002);
    CHECK(has(signatures, 5000));
    CHECK(!signatures.get(5001));
    CHECK(has(signatures, 5002));
  }

  TEST_CASE("memory is bounded by the window, and is not taken before it is used") {
    ChunkSignatures small(200, kSize);
    for (ChunkIndex chunk = 0; chunk < 100'000; ++chunk) set(small, chunk);
    const std::size_t bound = (200 + 3 * 64) * (kSize + 8) + 10 * 64;
    CHECK(small.memory() <= bound);
    for (ChunkIndex chunk = 1; chunk < 1000; ++chunk) set(small, chunk << 40);
    for (ChunkIndex chunk = 1; chunk < 1000; ++chunk) set(small, chunk << 30);
    CHECK(small.memory() <= bound);
    ChunkSignatures wide(std::uint64_t{1} << 50, kSize);
    set(wide, std::uint64_t{1} << 51);
    CHECK(wide.memory() < 4096);
  }

  TEST_CASE("all: none is forgotten") {
    ChunkSignatures signatures(ChunkSignatures::kAll, kSize);
    for (ChunkIndex chunk = 0; chunk < 5000; ++chunk) set(signatures, chunk * 3);
    for (ChunkIndex chunk = 0; chunk < 5000; ++chunk) {
      REQUIRE(has(signatures, chunk * 3));
      REQUIRE(!signatures.get(chunk * 3 + 1));
    }
  }

  TEST_CASE("random chunks are kept as a map with a window keeps them") {
    Rng rng(test::seed());
    for (int round = 0; round < 50; ++round) {
      const std::uint64_t window = 1 + rng.below(300);
      ChunkSignatures signatures(window, kSize);
      std::map<ChunkIndex, std::uint64_t> model;
      ChunkIndex end = 0;
      for (int step = 0; step < 400; ++step) {
        const ChunkIndex begin = end > window ? end - window : 0;
        const ChunkIndex chunk = (begin > 20 ? begin - 20 : 0) + rng.below(window + 60);
        signatures.set(chunk, static_cast<std::uint64_t>(step), signature(chunk));
        if (chunk >= begin) model.emplace(chunk, step);
        end = std::max(end, chunk + 1);
        if (end > window) model.erase(model.begin(), model.lower_bound(end - window));
        REQUIRE(signatures.newest() == end - 1);
      }
      for (ChunkIndex chunk = 0; chunk < end + 5; ++chunk) {
        const auto found = model.find(chunk);
        const auto got = signatures.get(chunk);
        REQUIRE(got.has_value() == (found != model.end()));
        if (!got) continue;
        REQUIRE(got->ntp_timestamp == found->second);
        REQUIRE(std::ranges::equal(got->signature, signature(chunk)));
      }
    }
  }
}

}  // namespace ppspp
