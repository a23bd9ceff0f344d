#include "integrity/tree_builder.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "integrity/reference.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using test::GuardedMemory;
using test::Reference;

std::span<const std::byte> block_of(const Reference& reference, const TreeBuilder& builder,
                                    std::uint64_t block) {
  const std::size_t size = builder.block_chunks() * reference.chunk_size();
  const std::span<const std::byte> rest = reference.content().subspan(block * size);
  return rest.first(std::min(size, rest.size()));
}

Digest root_of(std::size_t size, HashFunction function) {
  const test::Octets content = test::counting_content(size);
  const std::uint64_t count = (size + 1023) / 1024;
  GuardedMemory memory(count, function);
  MerkleTree tree(count, function, memory.span());
  TreeBuilder builder(tree, 1024);
  Hasher hasher(function);
  builder.add_block(0, content, hasher);
  return builder.finish(hasher);
}

}  // namespace

TEST_SUITE("integrity/tree_builder") {
  TEST_CASE("the roots of known contents (5.1 #91)") {
    struct Known {
      std::size_t size;
      const char* sha1;
      const char* sha256;
    };
    const Known known[] = {
        {1, "5ba93c9db0cff93f52b521d7420e43f6eda2784f",
         "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
        {1024, "0ac28084ff74933d05123496dafd3791684d9b53",
         "2bce1ba628720664be4b9fdd77aae0678e5f0f3f02fc6ff641ec879094f6a404"},
        {1025, "466c328c3979ca230e1a85266f704293690f20d9",
         "bdaf4f16f2106d5807886f560e865c02b811213b765c3398b19b149468124b46"},
        {4096, "616f0d42dccd13461bcb6c31921e412388c67e84",
         "d18de59f8a76162d3b459102f1af74b72f0ba9cd35cce23a86081457e1987ecd"},
        {5000, "e1a07d2a0d84a12272b181f66573dfe2711f3f24",
         "182697bb2f2871eb7f4ec6ae69a97200f57c0157fd4bd4d419336b5e890d5de5"},
        {7162, "771baa14ad60d82025d037c350f26942bd5b7f5a",
         "1140e810b61f13f887a6626b32b07d4cd44731481b8ac911dd1ba12f75bd9d2d"},
        {8192, "26e07aeda115f6c81cd9ea36716a740ed8da042d",
         "6c02ba145da6acace1aaa78511766d9149ed69b8e72039acc9c8eccee99c21b5"},
    };
    for (const Known& content : known) {
      CAPTURE(content.size);
      CHECK(root_of(content.size, HashFunction::sha1).to_hex() == content.sha1);
      CHECK(root_of(content.size, HashFunction::sha256).to_hex() == content.sha256);
    }
  }

  TEST_CASE("the peaks of 7162 octets (5.6.1 #119)") {
    const test::Octets content = test::counting_content(7162);
    GuardedMemory memory(7, HashFunction::sha256);
    MerkleTree tree(7, HashFunction::sha256, memory.span());
    TreeBuilder builder(tree, 1024);
    Hasher hasher(HashFunction::sha256);
    builder.add_block(0, content, hasher);
    builder.finish(hasher);
    CHECK(Digest(tree.node(Bin{3})).to_hex() ==
          "d18de59f8a76162d3b459102f1af74b72f0ba9cd35cce23a86081457e1987ecd");
    CHECK(Digest(tree.node(Bin{9})).to_hex() ==
          "fd8c72804d37f7141454c577000d7b0460e6e84ba61c19932b70af44b809a64f");
    CHECK(Digest(tree.node(Bin{12})).to_hex() ==
          "9085ae32d24285787648a7472d9bc9ba3be2180cd350d9594454ee0a9d1be08e");
  }

  TEST_CASE("blocks of any size in any order make the same tree, and nothing beyond it") {
    Rng rng(test::seed());
    for (int round = 0; round < 60; ++round) {
      const Reference reference = test::random_reference(rng);
      CAPTURE(reference.chunk_count());
      GuardedMemory memory(reference.chunk_count(), reference.function());
      MerkleTree tree(reference.chunk_count(), reference.function(), memory.span());
      TreeBuilder builder(tree, 512, std::uint64_t{1} << rng.below(9));
      Hasher hasher(reference.function());
      for (const std::uint64_t block : test::shuffled(builder.block_count(), rng)) {
        builder.add_block(block * builder.block_chunks(), block_of(reference, builder, block),
                          hasher);
      }
      CHECK(builder.finish(hasher) == reference.root());
      CHECK(memory.copy() == reference.memory());
      CHECK(memory.guards_intact());
    }
  }

  TEST_CASE("a block touches only its own nodes") {
    const Reference reference(test::counting_content(16 * 512), 512, HashFunction::sha256);
    GuardedMemory memory(16, HashFunction::sha256);
    MerkleTree tree(16, HashFunction::sha256, memory.span());
    TreeBuilder builder(tree, 512, 4);
    Hasher hasher(HashFunction::sha256);
    builder.add_block(8, block_of(reference, builder, 2), hasher);
    for (std::uint64_t number = 0; number < 31; ++number) {
      CAPTURE(number);
      CHECK(tree.is_known(Bin{number}) == (16 <= number && number <= 22));
    }
  }

  TEST_CASE("groups of any size, joined when their blocks are there, make the same tree") {
    Rng rng(test::seed());
    for (int round = 0; round < 60; ++round) {
      const Reference reference = test::random_reference(rng);
      const std::uint64_t group_blocks = std::uint64_t{1} << rng.below(7);
      CAPTURE(reference.chunk_count());
      CAPTURE(group_blocks);
      GuardedMemory memory(reference.chunk_count(), reference.function());
      MerkleTree tree(reference.chunk_count(), reference.function(), memory.span());
      TreeBuilder builder(tree, 512, std::uint64_t{1} << rng.below(4), group_blocks);
      Hasher hasher(reference.function());
      std::vector<std::uint64_t> here(builder.group_count());
      for (const std::uint64_t block : test::shuffled(builder.block_count(), rng)) {
        builder.add_block(block * builder.block_chunks(), block_of(reference, builder, block),
                          hasher);
        const std::uint64_t group = block / group_blocks;
        if (++here[group] == builder.blocks_in(group)) builder.join(group, hasher);
      }
      CHECK(builder.finish(hasher) == reference.root());
      CHECK(memory.copy() == reference.memory());
      CHECK(memory.guards_intact());
    }
  }

  TEST_CASE("threads may build different blocks at once") {
    const Reference reference(test::counting_content(3001 * 512 - 7), 512, HashFunction::sha256);
    GuardedMemory memory(reference.chunk_count(), reference.function());
    MerkleTree tree(reference.chunk_count(), reference.function(), memory.span());
    TreeBuilder builder(tree, 512, 64);
    const auto build_every_third = [&](std::uint64_t first) {
      Hasher hasher(reference.function());
      for (std::uint64_t block = first; block < builder.block_count(); block += 3) {
        builder.add_block(block * 64, block_of(reference, builder, block), hasher);
      }
    };
    std::vector<std::thread> threads;
    for (const std::uint64_t first : {0u, 1u, 2u}) threads.emplace_back(build_every_third, first);
    for (std::thread& thread : threads) thread.join();
    Hasher hasher(reference.function());
    CHECK(builder.finish(hasher) == reference.root());
    CHECK(memory.copy() == reference.memory());
  }
}

}  // namespace ppspp
