#include "storage/ring_chunk_store.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <vector>

#include "ppspp/random_source.h"
#include "support/seed.h"

using namespace ppspp;

namespace {

using Octets = std::vector<std::byte>;

std::byte octet_at(std::uint64_t offset) {
  return static_cast<std::byte>(offset * 31 + offset / 251);
}

Octets feed(std::uint64_t offset, std::size_t size) {
  Octets octets(size);
  for (std::size_t i = 0; i < size; ++i) octets[i] = octet_at(offset + i);
  return octets;
}

StoreStatus write(RingChunkStore& store, std::uint64_t offset, std::size_t size) {
  const Octets octets = feed(offset, size);
  const std::array<std::span<const std::byte>, 1> pieces{octets};
  return store.write(offset, pieces);
}

StoreStatus read(RingChunkStore& store, std::uint64_t offset, std::span<std::byte> out) {
  const std::array<std::span<std::byte>, 1> pieces{out};
  return store.read(offset, pieces);
}

bool holds(RingChunkStore& store, std::uint64_t offset, std::size_t size) {
  Octets out(size);
  return read(store, offset, out) == StoreStatus::done && out == feed(offset, size);
}

std::size_t resident_pages() {
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  file >> size >> resident;
  return resident;
}

}  // namespace

TEST_SUITE("storage/ring_chunk_store") {
  TEST_CASE("without a window nothing is read or written") {
    RingChunkStore store;
    CHECK(write(store, 0, 10) == StoreStatus::failed);
    Octets out(0);
    CHECK(read(store, 0, out) == StoreStatus::failed);
    CHECK(store.tree_memory(100).empty());
  }

  TEST_CASE("a window of no size, or beyond what the store may take, is refused") {
    RingChunkStore store(10'000);
    CHECK(store.set_window(0) == StoreStatus::failed);
    CHECK(store.set_window(10'001) == StoreStatus::failed);
    CHECK(write(store, 0, 10) == StoreStatus::failed);
    CHECK(store.set_window(10'000) == StoreStatus::done);
    CHECK(store.set_window(9'000) == StoreStatus::done);
    CHECK(write(store, 0, 10) == StoreStatus::done);
    CHECK(store.set_window(9'000) == StoreStatus::done);
    CHECK(store.set_window(8'000) == StoreStatus::failed);
    CHECK(holds(store, 0, 10));
  }

  TEST_CASE("the window's octets are there, those before and after it are not (6.2)") {
    RingChunkStore store;
    REQUIRE(store.set_window(1000) == StoreStatus::done);
    Octets out(1);
    CHECK(read(store, 0, out) == StoreStatus::failed);
    for (std::uint64_t offset = 0; offset < 2500; offset += 100) {
      REQUIRE(write(store, offset, 100) == StoreStatus::done);
    }
    CHECK(holds(store, 1500, 1000));
    CHECK(read(store, 1499, out) == StoreStatus::failed);
    CHECK(read(store, 2500, out) == StoreStatus::failed);
    Octets across(2);
    CHECK(read(store, 2499, across) == StoreStatus::failed);
    CHECK(write(store, 1499, 100) == StoreStatus::failed);
    CHECK(write(store, 1500, 100) == StoreStatus::done);
    CHECK(holds(store, 1500, 1000));
  }

  TEST_CASE("pieces that go around the end of the ring stay one behind the other") {
    RingChunkStore store;
    REQUIRE(store.set_window(1000) == StoreStatus::done);
    REQUIRE(write(store, 0, 700) == StoreStatus::done);
    const Octets octets = feed(700, 900);
    const std::span<const std::byte> whole(octets);
    const std::array<std::span<const std::byte>, 4> in{
        whole.first(50), {}, whole.subspan(50, 600), whole.subspan(650)};
    REQUIRE(store.write(700, in) == StoreStatus::done);
    Octets a(399);
    Octets b(1);
    Octets c(600);
    const std::array<std::span<std::byte>, 4> out{a, b, {}, c};
    REQUIRE(store.read(600, out) == StoreStatus::done);
    CHECK(a == feed(600, 399));
    CHECK(b == feed(999, 1));
    CHECK(c == feed(1000, 600));
  }

  TEST_CASE("of more than a window at once the end stays") {
    RingChunkStore store;
    REQUIRE(store.set_window(1000) == StoreStatus::done);
    REQUIRE(write(store, 123, 3456) == StoreStatus::done);
    CHECK(holds(store, 123 + 2456, 1000));
  }

  TEST_CASE("a feed that jumps ahead keeps what is still within the window") {
    RingChunkStore store;
    REQUIRE(store.set_window(1000) == StoreStatus::done);
    REQUIRE(write(store, 0, 1000) == StoreStatus::done);
    REQUIRE(write(store, 1400, 100) == StoreStatus::done);
    CHECK(holds(store, 500, 500));
    CHECK(holds(store, 1400, 100));
    const std::uint64_t far = std::uint64_t{1} << 60;
    REQUIRE(write(store, far, 100) == StoreStatus::done);
    CHECK(holds(store, far, 100));
    CHECK(write(store, 1500, 100) == StoreStatus::failed);
  }

  TEST_CASE("octets beyond all numbers are refused") {
    RingChunkStore store;
    REQUIRE(store.set_window(1000) == StoreStatus::done);
    const std::uint64_t last = ~std::uint64_t{0};
    CHECK(write(store, last - 10, 100) == StoreStatus::failed);
    Octets out(100);
    CHECK(read(store, last - 10, out) == StoreStatus::failed);
    CHECK(write(store, 0, 100) == StoreStatus::done);
    CHECK(read(store, last - 10, out) == StoreStatus::failed);
  }

  TEST_CASE("what was never written costs nothing") {
    RingChunkStore store;
    const std::size_t before = resident_pages();
    REQUIRE(store.set_window(RingChunkStore::kDefaultMaxWindow) == StoreStatus::done);
    REQUIRE(write(store, 5'000'000, 1000) == StoreStatus::done);
    const auto page_size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    CHECK((resident_pages() - before) * page_size < std::size_t{16} << 20);
  }

  TEST_CASE("random writes and reads do as an endless store with a window over it") {
    Rng rng(test::seed());
    for (int round = 0; round < 40; ++round) {
      const std::uint64_t window = 1 + rng.below(300);
      RingChunkStore store;
      REQUIRE(store.set_window(window) == StoreStatus::done);
      std::vector<bool> written(20'000);
      std::uint64_t end = 0;
      for (int step = 0; step < 300; ++step) {
        const std::uint64_t begin = end > window ? end - window : 0;
        const std::uint64_t offset =
            begin + rng.below(window + 40) - std::min<std::uint64_t>(begin, 5);
        const std::size_t size = rng.below(60);
        if (offset + size > written.size()) break;
        if (rng.below(2) == 0) {
          const StoreStatus status = write(store, offset, size);
          REQUIRE(status == (offset >= begin ? StoreStatus::done : StoreStatus::failed));
          if (status != StoreStatus::done) continue;
          for (std::size_t i = 0; i < size; ++i) written[offset + i] = true;
          end = std::max(end, offset + size);
        } else {
          Octets out(size);
          const bool there = offset >= begin && offset + size <= end;
          REQUIRE(read(store, offset, out) == (there ? StoreStatus::done : StoreStatus::failed));
          for (std::size_t i = 0; there && i < size; ++i) {
            if (written[offset + i]) REQUIRE(out[i] == octet_at(offset + i));
          }
        }
      }
    }
  }
}
