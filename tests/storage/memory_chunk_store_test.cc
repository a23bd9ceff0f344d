#include "storage/memory_chunk_store.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

using namespace ppspp;

namespace {

std::vector<std::byte> counted(std::size_t size) {
  std::vector<std::byte> octets(size);
  for (std::size_t i = 0; i < size; ++i) octets[i] = static_cast<std::byte>(i * 7);
  return octets;
}

}  // namespace

TEST_SUITE("storage/memory_chunk_store") {
  TEST_CASE("pieces are written and read one behind the other") {
    MemoryChunkStore store;
    const auto content = counted(3000);
    REQUIRE(store.set_content_length(content.size()) == StoreStatus::done);
    const std::span<const std::byte> whole(content);
    const std::array<std::span<const std::byte>, 3> in{
        whole.subspan(1024, 1000), {}, whole.subspan(2024)};
    REQUIRE(store.write(1024, in) == StoreStatus::done);

    std::vector<std::byte> a(500);
    std::vector<std::byte> b(476);
    const std::array<std::span<std::byte>, 2> out{a, b};
    REQUIRE(store.read(2024, out) == StoreStatus::done);
    CHECK(std::ranges::equal(a, whole.subspan(2024, 500)));
    CHECK(std::ranges::equal(b, whole.subspan(2524)));
    CHECK(store.content()[1023] == std::byte{0});
  }

  TEST_CASE("nothing is read or written beyond the end") {
    MemoryChunkStore store(counted(100));
    std::array<std::byte, 10> octets = {};
    const std::array<std::span<std::byte>, 1> out{octets};
    const std::array<std::span<const std::byte>, 1> in{octets};
    CHECK(store.read(90, out) == StoreStatus::done);
    CHECK(store.read(91, out) == StoreStatus::failed);
    CHECK(store.read(~std::uint64_t{0}, out) == StoreStatus::failed);
    CHECK(store.write(91, in) == StoreStatus::failed);
    CHECK(std::ranges::equal(store.content(), counted(100)));
  }

  TEST_CASE("the length may change until something was written") {
    MemoryChunkStore store;
    const auto octets = counted(10);
    const std::array<std::span<const std::byte>, 1> in{octets};
    CHECK(store.write(0, in) == StoreStatus::failed);
    CHECK(store.set_content_length(5000) == StoreStatus::done);
    CHECK(store.set_content_length(20) == StoreStatus::done);
    CHECK(store.write(0, in) == StoreStatus::done);
    CHECK(store.set_content_length(20) == StoreStatus::done);
    CHECK(store.set_content_length(21) == StoreStatus::failed);
    CHECK(store.content().size() == 20);
  }

  TEST_CASE("a peer's claim about the size cannot exhaust the memory") {
    MemoryChunkStore store(1'000'000);
    CHECK(store.set_content_length(1'000'001) == StoreStatus::failed);
    CHECK(store.set_content_length(std::uint64_t{1} << 62) == StoreStatus::failed);
    CHECK(store.tree_memory(std::size_t{1} << 40).empty());
    CHECK(store.set_content_length(1'000'000) == StoreStatus::done);
    CHECK(store.tree_memory(250'000).size() == 250'000);
  }

  TEST_CASE("tree memory begins with zeros") {
    MemoryChunkStore store;
    const auto tree = store.tree_memory(4096);
    REQUIRE(tree.size() == 4096);
    CHECK(std::ranges::count(tree, std::byte{0}) == 4096);
  }
}
