// The source's side of the live tree: filling subtrees, and the tree of a feed that is kept whole.
#include <doctest/doctest.h>

#include <vector>

#include "bins/peaks.h"
#include "integrity/live_feed.h"
#include "integrity/merkle_tree.h"
#include "integrity/reference.h"
#include "integrity/unified_merkle_tree.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using test::LiveFeed;
using test::Octets;
using test::publish;
using test::Reference;
using test::small_shape;

// Memory that moves whenever it grows, as that of a file may.
class GrowingMemory {
 public:
  void reach(UnifiedMerkleTree& tree, std::uint64_t subtree) {
    const auto size = static_cast<std::size_t>(tree.needed_memory(subtree));
    if (size <= octets_.size()) return;
    Octets bigger(size);
    std::ranges::copy(octets_, bigger.begin());
    tree.set_memory(bigger);
    std::ranges::fill(octets_, std::byte{0xee});
    octets_ = std::move(bigger);
  }
  Octets& octets() { return octets_; }

 private:
  Octets octets_;
};

Octets content_of(const LiveFeed& feed, ChunkRange chunks) {
  Octets content;
  for (ChunkIndex chunk = chunks.begin; chunk < chunks.end; ++chunk) {
    const Octets octets = feed.chunk(chunk);
    content.insert(content.end(), octets.begin(), octets.end());
  }
  return content;
}

// All that the static content's tree needs is there, and what is not under a peak may be anything.
void check_static_tree(Octets memory, const LiveFeed& feed, ChunkRange chunks) {
  const UnifiedMerkleTree::Shape& shape = feed.shape();
  const Reference reference(content_of(feed, chunks), shape.chunk_size, shape.hash);
  MerkleTree tree(chunks.size(), shape.hash, memory);
  CHECK(tree.root() == reference.root());
  CHECK(tree.check(reference.root().octets()));
  memory.resize(MerkleTree::memory_size(chunks.size(), shape.hash));
  CHECK(memory == reference.memory());
}

}  // namespace

TEST_SUITE("integrity/unified_tree_source") {
  TEST_CASE("the munros of Figures 5 and 6 (6.1.2.1 #129)") {
    const LiveFeed feed(small_shape(2, 8), {{0, 6}});
    UnifiedMerkleTree tree(feed.shape());
    for (std::uint64_t subtree = 0; subtree < 3; ++subtree) publish(tree, feed, subtree);
    CHECK(tree.munro(0).bin == Bin{1});
    CHECK(tree.munro(1).bin == Bin{5});
    CHECK(tree.munro(2).bin == Bin{9});
    CHECK(std::ranges::equal(tree.munro(2).hash, feed.node(Bin{9}).octets()));
    CHECK(tree.newest_munro() == 2);
    CHECK(!tree.is_known(Bin{3}));
    CHECK(!tree.is_known(Bin{7}));
  }

  TEST_CASE("every node of a subtree is there, wherever the feed ends in it (5.1 #91)") {
    for (const std::uint64_t width : {2u, 4u, 8u, 32u}) {
      for (std::uint64_t count = 1; count <= 2 * width; ++count) {
        const LiveFeed feed(small_shape(width, 4), {{0, count}});
        UnifiedMerkleTree tree(feed.shape());
        for (std::uint64_t subtree = 0; subtree * width <= count; ++subtree) {
          publish(tree, feed, subtree);
        }
        CAPTURE(width);
        CAPTURE(count);
        for (std::uint64_t number = 0; number < 4 * width; ++number) {
          const Bin bin{number};
          const bool in_a_subtree =
              bin.chunk_count() <= width && tree.has_munro(number / 2 / width);
          CHECK(tree.is_known(bin) == in_a_subtree);
          if (in_a_subtree) CHECK(std::ranges::equal(tree.node(bin), feed.node(bin).octets()));
        }
        CHECK(tree.end_of_feed() == count);
        CHECK(tree.newest_munro() == (count - 1) / width);
        tree.check_invariants();
      }
    }
  }

  TEST_CASE("a subtree is unknown until its munro is set (6.1.2.3 #134)") {
    const LiveFeed feed(small_shape(4, 4), {{0, 4}});
    UnifiedMerkleTree tree(feed.shape());
    for (ChunkIndex chunk = 0; chunk < 4; ++chunk) tree.add_chunk(chunk, feed.chunk(chunk));
    const Digest munro = tree.finish_subtree(0, 4);
    CHECK(munro == feed.node(Bin{3}));
    for (std::uint64_t number = 0; number < 7; ++number) CHECK(!tree.is_known(Bin{number}));
    CHECK(feed.verify(tree, 0) == Verdict::missing_hash);
    feed.set_munro(tree, 0);
    for (std::uint64_t number = 0; number < 7; ++number) CHECK(tree.is_known(Bin{number}));
  }

  TEST_CASE("what was added without a munro is dropped by the next subtree, or another's munro") {
    for (const bool keep_all : {false, true}) {
      const LiveFeed feed(small_shape(4, keep_all ? UnifiedMerkleTree::kAll : 4), {{0, 16}});
      UnifiedMerkleTree tree(feed.shape());
      GrowingMemory memory;
      if (keep_all) memory.reach(tree, 3);
      tree.add_chunk(0, feed.chunk(0));
      tree.add_chunk(1, feed.chunk(7));
      publish(tree, feed, 1);
      feed.set_munro(tree, 0);
      CHECK(!tree.is_known(Bin::leaf(0)));
      CHECK(feed.verify(tree, 2) == Verdict::verified);
      tree.add_chunk(8, feed.chunk(9));
      feed.set_munro(tree, 2);
      CHECK(!tree.is_known(Bin::leaf(8)));
      CHECK(feed.verify(tree, 8) == Verdict::verified);
      for (ChunkIndex chunk = 12; chunk < 16; ++chunk) tree.add_chunk(chunk, feed.chunk(0));
      CHECK(!tree.finish_subtree(3, 4).is_zero());
      feed.set_munro(tree, 3);
      CHECK(feed.verify(tree, 13) == Verdict::verified);
      tree.check_invariants();
    }
  }

  TEST_CASE("the end mark is a munro of zeros behind the last subtree (decision 26)") {
    const LiveFeed feed(small_shape(4, 4), {{0, 8}});
    UnifiedMerkleTree tree(feed.shape());
    publish(tree, feed, 0);
    publish(tree, feed, 1);
    CHECK(!tree.end_of_feed());
    CHECK(!tree.empty_from());
    CHECK(tree.finish_subtree(2, 0).is_zero());
    publish(tree, feed, 2);
    CHECK(tree.end_of_feed() == 8);
    CHECK(tree.empty_from() == 8);
    CHECK(tree.newest_munro() == 1);
    CHECK(tree.end_subtree() == 3);
    CHECK(Digest(tree.munro(2).hash).is_zero());
    CHECK(tree.munro(2).hash.size() == 32);
    CHECK(tree.munro(2).ntp_timestamp == LiveFeed::ntp(2));
  }

  TEST_CASE("a feed of no chunks ends before the first") {
    const LiveFeed feed(small_shape(4, 4), {});
    UnifiedMerkleTree tree(feed.shape());
    publish(tree, feed, 0);
    CHECK(tree.end_of_feed() == 0);
    CHECK(!tree.newest_munro());
  }

  TEST_CASE("a feed that is kept whole is a static content when it ends (6.1.2.1)") {
    for (const std::uint64_t width : {2u, 4u, 8u, 16u, 32u}) {
      for (std::uint64_t count = 1; count <= 70; ++count) {
        CAPTURE(width);
        CAPTURE(count);
        const LiveFeed feed(small_shape(width, UnifiedMerkleTree::kAll, HashFunction::sha1),
                            {{0, count}});
        UnifiedMerkleTree tree(feed.shape());
        GrowingMemory memory;
        for (std::uint64_t subtree = 0; subtree <= (count - 1) / width; ++subtree) {
          memory.reach(tree, subtree);
          publish(tree, feed, subtree);
        }
        feed.set_munro(tree, (count - 1) / width + 1);  // no memory for the end mark
        CHECK(tree.end_of_feed() == count);
        tree.check_invariants();
        check_static_tree(memory.octets(), feed, {0, count});
      }
    }
  }

  TEST_CASE("so is one that is kept from any subtree on") {
    for (const std::uint64_t first : {8u, 24u, 1u << 20}) {
      for (std::uint64_t count = 1; count <= 40; ++count) {
        UnifiedMerkleTree::Shape shape = small_shape(8, UnifiedMerkleTree::kAll);
        shape.first_chunk = first;
        const LiveFeed feed(shape, {{first - 8, first + count}});
        UnifiedMerkleTree tree(shape);
        CHECK(tree.first_subtree() == first / 8);
        GrowingMemory memory;
        feed.set_munro(tree, first / 8 - 1);
        CHECK(!tree.has_munro(first / 8 - 1));
        for (std::uint64_t subtree = first / 8; subtree * 8 < first + count; ++subtree) {
          memory.reach(tree, subtree);
          publish(tree, feed, subtree);
        }
        check_static_tree(memory.octets(), feed, {first, first + count});
      }
    }
  }

  TEST_CASE("so is what a receiver keeps, in whatever order it comes") {
    Rng rng(test::seed());
    for (int round = 0; round < 60; ++round) {
      const std::uint64_t width = std::uint64_t{2} << rng.below(4);
      const std::uint64_t count = 1 + rng.below(90);
      const LiveFeed feed(small_shape(width, UnifiedMerkleTree::kAll), {{0, count}});
      UnifiedMerkleTree tree(feed.shape());
      GrowingMemory memory;
      const std::uint64_t subtrees = (count - 1) / width + 1;
      for (const std::uint64_t subtree : test::shuffled(subtrees, rng)) {
        memory.reach(tree, subtree);
        feed.set_munro(tree, subtree);
      }
      for (const ChunkIndex chunk : test::shuffled(count, rng)) {
        REQUIRE(feed.verify(tree, chunk) == Verdict::verified);
      }
      feed.set_munro(tree, subtrees);
      CHECK(tree.end_of_feed() == count);
      tree.check_invariants();
      check_static_tree(memory.octets(), feed, {0, count});
    }
  }

  TEST_CASE("the memory that is needed: two nodes for each chunk but one, or too much") {
    UnifiedMerkleTree tree(small_shape(4, UnifiedMerkleTree::kAll));
    CHECK(tree.needed_memory(0) == 7 * 32);
    CHECK(tree.needed_memory(1) == 15 * 32);
    CHECK(tree.needed_memory(std::uint64_t{1} << 60) == ~std::uint64_t{0});
    CHECK(tree.needed_memory(~std::uint64_t{0} / 4) == ~std::uint64_t{0});
  }
}

}  // namespace ppspp
