#include "integrity/merkle_tree.h"

#include <doctest/doctest.h>

#include <set>
#include <vector>

#include "bins/peaks.h"
#include "integrity/reference.h"
#include "support/hex.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using test::GuardedMemory;
using test::Octets;
using test::Reference;

void fill(GuardedMemory& memory, const Reference& reference) {
  std::ranges::copy(reference.memory(), memory.span().begin());
}

// Every node that is known is the true one, and has a known sibling unless it is a peak.
void check_true_and_paired(const MerkleTree& tree, const Reference& reference) {
  std::set<Bin> tops;
  for (const Bin peak : peaks(tree.chunk_count())) tops.insert(peak);
  for (std::uint64_t number = 0; number < 2 * tree.chunk_count() - 1; ++number) {
    const Bin bin{number};
    if (!tree.is_known(bin)) continue;
    CAPTURE(number);
    REQUIRE(tree.contains(bin));
    REQUIRE(Digest(tree.node(bin)) == reference.node(bin));
    if (!tops.contains(bin)) REQUIRE(tree.is_known(bin.sibling()));
  }
}

void damage(std::span<std::byte> memory, RandomSource& random) {
  const std::size_t begin = random.below(memory.size());
  const std::size_t size = 1 + random.below(std::min<std::size_t>(memory.size() - begin, 200));
  switch (random.below(3)) {
    case 0:
      memory[begin] ^= std::byte{1} << static_cast<int>(random.below(8));
      break;
    case 1:
      std::ranges::fill(memory.subspan(begin, size), std::byte{0});
      break;
    default:
      for (std::byte& octet : memory.subspan(begin, size)) {
        octet = static_cast<std::byte>(random.next_u64());
      }
  }
}

}  // namespace

TEST_SUITE("integrity/merkle_tree") {
  TEST_CASE("memory holds 2n - 1 nodes, for any n without overflow") {
    CHECK(MerkleTree::memory_size(0, HashFunction::sha256) == 0);
    CHECK(MerkleTree::memory_size(1, HashFunction::sha256) == 32);
    CHECK(MerkleTree::memory_size(7, HashFunction::sha1) == 13 * 20);
    const std::uint64_t many = std::uint64_t{1} << 40;
    CHECK(MerkleTree::memory_size(many, HashFunction::sha512) == (2 * many - 1) * 64);
    CHECK(MerkleTree::memory_size(kMaxChunks, HashFunction::sha1) == ~std::uint64_t{0});
  }

  TEST_CASE("nodes lie in the order of their numbers, and stay within the memory") {
    GuardedMemory memory(7, HashFunction::sha1);
    MerkleTree tree(7, HashFunction::sha1, memory.span());
    const Octets hash(20, std::byte{7});
    CHECK(!tree.is_known(Bin{12}));
    tree.set(Bin{12}, hash);
    CHECK(tree.is_known(Bin{12}));
    CHECK(!tree.is_known(Bin{10}));
    CHECK(memory.span()[12 * 20] == std::byte{7});
    CHECK(memory.span()[12 * 20 - 1] == std::byte{0});
    CHECK(memory.guards_intact());
  }

  TEST_CASE("a tree contains the nodes under its peaks and no other (5.6.1)") {
    GuardedMemory memory(7, HashFunction::sha1);
    const MerkleTree tree(7, HashFunction::sha1, memory.span());
    for (const std::uint64_t number : {0u, 1u, 3u, 5u, 8u, 9u, 10u, 12u})
      CHECK(tree.contains(Bin{number}));
    for (const std::uint64_t number : {7u, 11u, 13u, 14u, 16u}) CHECK(!tree.contains(Bin{number}));
    CHECK(!tree.contains(Bin::none()));
    CHECK(!tree.contains(Bin::all()));
  }

  TEST_CASE("the peaks of any number of chunks make the root of the widened tree (5.6.1)") {
    Rng rng(test::seed());
    for (std::size_t count = 1; count <= 70; ++count) {
      CAPTURE(count);
      const Reference reference(test::random_content(count, rng), 1, HashFunction::sha256);
      Hasher hasher(HashFunction::sha256);
      std::vector<Digest> hashes;
      for (const ClaimedHash& peak : reference.peak_claims()) hashes.emplace_back(peak.hash);
      CHECK(root_of_peaks(hashes, count, hasher) == reference.root());
    }
  }

  TEST_CASE("there is no root as long as a peak is unknown") {
    const Reference reference(test::counting_content(7162), 1024, HashFunction::sha256);
    GuardedMemory memory(7, HashFunction::sha256);
    MerkleTree tree(7, HashFunction::sha256, memory.span());
    CHECK(!tree.root());
    for (const ClaimedHash& peak : reference.peak_claims()) {
      CHECK(!tree.root());
      CHECK(!tree.peaks_known());
      tree.set(peak.bin, peak.hash);
    }
    REQUIRE(tree.peaks_known());
    CHECK(*tree.root() == reference.root());
  }
}

TEST_SUITE("integrity/merkle_tree check") {
  TEST_CASE("what an earlier run left whole is kept as it is") {
    Rng rng(test::seed());
    for (int round = 0; round < 40; ++round) {
      const Reference reference = test::random_reference(rng);
      GuardedMemory memory(reference.chunk_count(), reference.function());
      fill(memory, reference);
      const Octets before = memory.copy();
      MerkleTree tree(reference.chunk_count(), reference.function(), memory.span());
      CHECK(tree.check(reference.root().octets()));
      CHECK(memory.copy() == before);
      CHECK(memory.guards_intact());
    }
  }

  TEST_CASE("unknown parts of the tree are no damage") {
    const Reference reference(test::counting_content(8192), 1024, HashFunction::sha256);
    GuardedMemory memory(8, HashFunction::sha256);
    MerkleTree tree(8, HashFunction::sha256, memory.span());
    for (const std::uint64_t number : {7u, 3u, 11u, 9u, 13u}) {
      tree.set(Bin{number}, reference.node(Bin{number}).octets());
    }
    const Octets before = memory.copy();
    CHECK(tree.check(reference.root().octets()));
    CHECK(memory.copy() == before);
  }

  TEST_CASE("no damage makes it keep a node that is not the true tree's") {
    Rng rng(test::seed());
    for (int round = 0; round < 400; ++round) {
      const Reference reference = test::random_reference(rng);
      GuardedMemory memory(reference.chunk_count(), reference.function());
      fill(memory, reference);
      for (std::uint64_t i = 1 + rng.below(3); i > 0; --i) damage(memory.span(), rng);
      MerkleTree tree(reference.chunk_count(), reference.function(), memory.span());
      if (!tree.check(reference.root().octets())) {
        CHECK(memory.copy() == Octets(memory.span().size()));
      }
      check_true_and_paired(tree, reference);
      CHECK(memory.guards_intact());
    }
  }

  TEST_CASE("a damaged leaf costs its pair, and nothing else") {
    const Reference reference(test::counting_content(8192), 1024, HashFunction::sha256);
    GuardedMemory memory(8, HashFunction::sha256);
    fill(memory, reference);
    MerkleTree tree(8, HashFunction::sha256, memory.span());
    memory.span()[4 * 32] ^= std::byte{1};
    CHECK(tree.check(reference.root().octets()));
    for (std::uint64_t number = 0; number < 15; ++number) {
      CAPTURE(number);
      CHECK(tree.is_known(Bin{number}) == (number != 4 && number != 6));
    }
  }

  TEST_CASE("a child whose sibling is unknown is forgotten, even if the empty hash fits") {
    Hasher hasher(HashFunction::sha256);
    const Digest child = hasher.hash(test::counting_content(512));
    const Digest empty = Digest::zero(32);
    for (const bool left : {true, false}) {
      GuardedMemory memory(2, HashFunction::sha256);
      MerkleTree tree(2, HashFunction::sha256, memory.span());
      const Digest parent = left ? hasher.hash_pair(child, empty) : hasher.hash_pair(empty, child);
      tree.set(Bin{1}, parent.octets());
      tree.set(left ? Bin{0} : Bin{2}, child.octets());
      CHECK(tree.check(parent.octets()));
      CHECK(tree.is_known(Bin{1}));
      CHECK(!tree.is_known(Bin{0}));
      CHECK(!tree.is_known(Bin{2}));
    }
  }

  TEST_CASE("with a wrong root, or a peak gone, everything is forgotten") {
    const Reference reference(test::counting_content(7162), 1024, HashFunction::sha256);
    for (const bool wrong_root : {true, false}) {
      GuardedMemory memory(7, HashFunction::sha256);
      fill(memory, reference);
      MerkleTree tree(7, HashFunction::sha256, memory.span());
      Digest root = reference.root();
      if (wrong_root) root = reference.node(Bin{3});
      if (!wrong_root) std::ranges::fill(memory.span().subspan(9 * 32, 32), std::byte{0});
      CHECK(!tree.check(root.octets()));
      CHECK(memory.copy() == Octets(13 * 32));
      CHECK(memory.guards_intact());
    }
  }

  TEST_CASE("what stands in the places above the peaks is forgotten") {
    const Reference reference(test::counting_content(7162), 1024, HashFunction::sha256);
    GuardedMemory memory(7, HashFunction::sha256);
    fill(memory, reference);
    const Octets before = memory.copy();
    for (const std::size_t number : {7u, 11u}) memory.span()[number * 32 + 5] = std::byte{1};
    MerkleTree tree(7, HashFunction::sha256, memory.span());
    CHECK(tree.check(reference.root().octets()));
    CHECK(memory.copy() == before);
  }
}

}  // namespace ppspp
