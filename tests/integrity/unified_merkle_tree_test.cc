// The receiver's side of the live tree: what verifies, what does not, and what is forgotten.
#include "integrity/unified_merkle_tree.h"

#include <doctest/doctest.h>

#include <vector>

#include "integrity/live_feed.h"
#include "integrity/reference.h"
#include "integrity/unified_tree_model.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using test::LiveFeed;
using test::Octets;
using test::small_shape;
using test::UnifiedTreeModel;

// A tree that has the munros of subtrees [0, count).
UnifiedMerkleTree tree_with_munros(const LiveFeed& feed, std::uint64_t count) {
  UnifiedMerkleTree tree(feed.shape());
  for (std::uint64_t subtree = 0; subtree < count; ++subtree) feed.set_munro(tree, subtree);
  return tree;
}

std::vector<Bin> known_nodes(const UnifiedMerkleTree& tree, std::uint64_t subtrees) {
  std::vector<Bin> known;
  for (std::uint64_t number = 0; number < 2 * subtrees * tree.width(); ++number) {
    if (tree.is_known(Bin{number})) known.push_back(Bin{number});
  }
  return known;
}

const std::vector<std::byte> kZeros(kMaxDigestSize);

}  // namespace

TEST_SUITE("integrity/unified_merkle_tree") {
  TEST_CASE("chunk 8 of Figure 6 is verified by node 10 and the munro 9 (6.1.2.1)") {
    const LiveFeed feed(small_shape(2, 8), {{0, 6}});
    UnifiedMerkleTree tree(feed.shape());
    const std::vector<ClaimedHash> uncle = {feed.claim(Bin{10})};
    CHECK(tree.verify(4, feed.chunk(4), uncle) == Verdict::missing_hash);
    feed.set_munro(tree, 2);
    CHECK(tree.verify(4, feed.chunk(4), {}) == Verdict::missing_hash);
    CHECK(tree.verify(4, feed.chunk(5), uncle) == Verdict::wrong);
    CHECK(tree.verify(4, feed.chunk(4), uncle) == Verdict::verified);
    CHECK(tree.verify(5, feed.chunk(5), {}) == Verdict::verified);
  }

  TEST_CASE("an altered chunk or uncle is wrong, and nothing of it is kept (12.6.5 #112)") {
    const LiveFeed feed(small_shape(8, 4), {{0, 8}});
    UnifiedMerkleTree tree = tree_with_munros(feed, 1);
    for (ChunkIndex chunk = 0; chunk < 8; ++chunk) {
      Octets payload = feed.chunk(chunk);
      payload.back() ^= std::byte{1};
      CHECK(tree.verify(chunk, payload, feed.uncles(chunk)) == Verdict::wrong);
      payload = feed.chunk(chunk);
      for (std::size_t i = 0; i < 3; ++i) {
        std::vector<ClaimedHash> claims = feed.uncles(chunk);
        Octets altered(claims[i].hash.begin(), claims[i].hash.end());
        altered[i] ^= std::byte{0x80};
        claims[i].hash = altered;
        CHECK(tree.verify(chunk, payload, claims) == Verdict::wrong);
        claims[i].hash = std::span(kZeros).first(32);
        CHECK(tree.verify(chunk, payload, claims) == Verdict::wrong);
        claims[i].hash = std::span(kZeros).first(20);  // no hash of this function's
        CHECK(tree.verify(chunk, payload, claims) == Verdict::missing_hash);
        claims.erase(claims.begin() + static_cast<long>(i));
        CHECK(tree.verify(chunk, payload, claims) == Verdict::missing_hash);
      }
    }
    CHECK(known_nodes(tree, 4) == std::vector{Bin{7}});
    CHECK(!tree.empty_from());
  }

  TEST_CASE("chunks without octets, or with too many, are wrong") {
    const LiveFeed feed(small_shape(4, 4), {{0, 4}});
    UnifiedMerkleTree tree = tree_with_munros(feed, 1);
    Octets payload = feed.chunk(0);
    CHECK(tree.verify(0, {}, feed.uncles(0)) == Verdict::wrong);
    payload.push_back(std::byte{0});
    CHECK(tree.verify(0, payload, feed.uncles(0)) == Verdict::wrong);
  }

  // Unlike in static content of unknown size (decision 17), the height of a leaf is signed.
  TEST_CASE("two hashes in a row do not pass as a chunk") {
    const LiveFeed feed(small_shape(8, 4), {{0, 5}});
    UnifiedMerkleTree tree = tree_with_munros(feed, 1);
    for (const Bin parent : {Bin{1}, Bin{3}, Bin{5}, Bin{7}, Bin{9}}) {
      Octets both(feed.node(parent.left()).octets().begin(),
                  feed.node(parent.left()).octets().end());
      const auto right = feed.node(parent.right()).octets();
      both.insert(both.end(), right.begin(), right.end());
      for (ChunkIndex chunk = 0; chunk < 5; ++chunk) {
        CHECK(tree.verify(chunk, both, {}) != Verdict::verified);
        CHECK(tree.verify(chunk, both, feed.uncles(chunk)) == Verdict::wrong);
      }
    }
    CHECK(known_nodes(tree, 4) == std::vector{Bin{7}});
  }

  TEST_CASE("the last chunk proves the end by its empty uncles (decision 26)") {
    for (std::uint64_t count = 1; count <= 16; ++count) {
      CAPTURE(count);
      const LiveFeed feed(small_shape(8, 4), {{0, count}});
      UnifiedMerkleTree tree = tree_with_munros(feed, 3);
      CHECK(tree.empty_from() == (count <= 8 ? 8 : 16));
      CHECK(!tree.end_of_feed());
      CHECK(feed.verify(tree, count - 1) == Verdict::verified);
      CHECK(tree.empty_from() == count);
      CHECK(tree.end_of_feed() == count);
      const Octets any = feed.chunk(0);
      CHECK(tree.verify(count, any, feed.uncles(count)) == Verdict::wrong);
      for (ChunkIndex chunk = 0; chunk < count; ++chunk) {
        CHECK(feed.verify(tree, chunk) == Verdict::verified);
      }
      tree.check_invariants();
    }
  }

  TEST_CASE("empty uncles need not be told again where they are known") {
    const LiveFeed feed(small_shape(8, 4), {{0, 3}});
    UnifiedMerkleTree tree = tree_with_munros(feed, 1);
    REQUIRE(feed.verify(tree, 0) == Verdict::verified);
    CHECK(tree.empty_from() == 4);
    CHECK(!tree.end_of_feed());
    const std::vector<ClaimedHash> neighbour = {feed.claim(Bin{6})};
    CHECK(tree.verify(2, feed.chunk(2), {}) == Verdict::missing_hash);
    CHECK(tree.verify(2, feed.chunk(2), neighbour) == Verdict::verified);
    CHECK(tree.end_of_feed() == 3);
  }

  TEST_CASE("a claim that the feed ends earlier is wrong") {
    const LiveFeed feed(small_shape(8, 4), {{0, 7}});
    UnifiedMerkleTree tree = tree_with_munros(feed, 1);
    for (ChunkIndex chunk = 0; chunk < 6; ++chunk) {
      std::vector<ClaimedHash> claims = feed.uncles(chunk);
      for (ClaimedHash& claim : claims) {
        if (claim.bin.first_chunk() > chunk) claim.hash = std::span(kZeros).first(32);
      }
      CHECK(tree.verify(chunk, feed.chunk(chunk), claims) == Verdict::wrong);
      CHECK(tree.verify(chunk, feed.chunk(6), claims) == Verdict::wrong);
    }
    CHECK(!tree.empty_from());
    CHECK(known_nodes(tree, 4) == std::vector{Bin{7}});
  }

  // What no source makes: chunks behind a hole, or behind a short one.
  TEST_CASE("a short chunk in the middle, or a hole, is wrong though it was signed") {
    const auto shape = small_shape(4, 4);
    Hasher hasher(shape.hash);
    const Octets full(shape.chunk_size, std::byte{1});
    const Octets small(10, std::byte{2});
    const Digest empty = Digest::zero(32);
    const Digest a = hasher.hash(full);
    const Digest b = hasher.hash(small);
    SUBCASE("a short chunk with chunks behind it in its subtree") {
      const Digest right = hasher.hash_pair(a, a);
      const Digest munro = hasher.hash_pair(hasher.hash_pair(a, b), right);
      UnifiedMerkleTree tree(shape);
      tree.set_munro(0, munro.octets(), 1, Octets(16));
      const std::vector<ClaimedHash> claims = {{Bin{5}, right.octets()}, {Bin{0}, a.octets()}};
      CHECK(tree.verify(1, small, claims) == Verdict::wrong);
      CHECK(known_nodes(tree, 4) == std::vector{Bin{3}});
    }
    SUBCASE("an empty leaf with chunks behind it") {
      const Digest left = hasher.hash_pair(a, empty);
      const Digest right = hasher.hash_pair(a, a);
      const Digest munro = hasher.hash_pair(left, right);
      UnifiedMerkleTree tree(shape);
      tree.set_munro(0, munro.octets(), 1, Octets(16));
      const std::vector<ClaimedHash> claims = {{Bin{5}, right.octets()}, {Bin{2}, empty.octets()}};
      CHECK(tree.verify(0, full, claims) == Verdict::wrong);
      const std::vector<ClaimedHash> behind = {{Bin{1}, left.octets()}, {Bin{6}, a.octets()}};
      CHECK(tree.verify(2, full, behind) == Verdict::verified);
      CHECK(tree.verify(0, full, claims) == Verdict::wrong);
      CHECK(!tree.empty_from());
      tree.check_invariants();
    }
    SUBCASE("chunks of no octets, or too many") {
      Octets large = full;
      large.push_back(std::byte{1});
      const Digest none = hasher.hash(Octets());
      const Digest left = hasher.hash_pair(none, hasher.hash(large));
      const Digest munro = hasher.hash_pair(left, hasher.hash_pair(a, a));
      UnifiedMerkleTree tree(shape);
      tree.set_munro(0, munro.octets(), 1, Octets(16));
      const std::vector<ClaimedHash> claims = {{Bin{1}, left.octets()}, {Bin{6}, a.octets()}};
      REQUIRE(tree.verify(2, full, claims) == Verdict::verified);
      const Digest right = hasher.hash(large);
      const std::vector<ClaimedHash> leaves = {{Bin{0}, none.octets()}, {Bin{2}, right.octets()}};
      CHECK(tree.verify(0, {}, leaves) == Verdict::wrong);
      CHECK(tree.verify(1, large, leaves) == Verdict::wrong);
      CHECK(!tree.is_known(Bin{0}));
    }
    SUBCASE("empty leaves before a chunk") {
      const Digest right = hasher.hash_pair(a, a);
      const Digest munro = hasher.hash_pair(empty, right);
      UnifiedMerkleTree tree(shape);
      tree.set_munro(0, munro.octets(), 1, Octets(16));
      const std::vector<ClaimedHash> claims = {{Bin{1}, empty.octets()}, {Bin{6}, a.octets()}};
      CHECK(tree.verify(2, full, claims) == Verdict::wrong);
      CHECK(known_nodes(tree, 4) == std::vector{Bin{3}});
    }
  }

  TEST_CASE("the first munro that is set stays; those before the window are not taken") {
    const LiveFeed feed(small_shape(4, 3), {{0, 40}});
    UnifiedMerkleTree tree(feed.shape());
    feed.set_munro(tree, 5);
    CHECK(tree.first_subtree() == 3);
    CHECK(tree.end_subtree() == 6);
    const Digest other = feed.node(feed.munro_bin(6));
    tree.set_munro(5, other.octets(), 77, Octets(16));
    CHECK(std::ranges::equal(tree.munro(5).hash, feed.node(feed.munro_bin(5)).octets()));
    CHECK(tree.munro(5).ntp_timestamp == LiveFeed::ntp(5));
    CHECK(std::ranges::equal(tree.munro(5).signature, feed.signature(5)));
    feed.set_munro(tree, 2);
    CHECK(!tree.has_munro(2));
    feed.set_munro(tree, 3);
    CHECK(tree.has_munro(3));
    CHECK(tree.newest_munro() == 5);
  }

  TEST_CASE("what leaves the window is forgotten, munro, hashes and signature (6.2)") {
    const LiveFeed feed(small_shape(4, 3), {{0, 40}});
    UnifiedMerkleTree tree = tree_with_munros(feed, 3);
    for (ChunkIndex chunk = 0; chunk < 12; ++chunk) {
      REQUIRE(feed.verify(tree, chunk) == Verdict::verified);
    }
    feed.set_munro(tree, 3);
    CHECK(!tree.has_munro(0));
    CHECK(!tree.is_known(Bin{0}));
    CHECK(feed.verify(tree, 0) == Verdict::missing_hash);
    CHECK(tree.has_munro(1));
    CHECK(tree.is_known(Bin::leaf(4)));
    // The place of subtree 0 is taken again, and nothing of it is left there.
    CHECK(!tree.is_known(Bin::leaf(12)));
    CHECK(feed.verify(tree, 13) == Verdict::verified);
    feed.set_munro(tree, 9);
    CHECK(known_nodes(tree, 10) == std::vector{feed.munro_bin(9)});
    tree.check_invariants();
  }

  TEST_CASE("memory is bounded by the window, however long the feed and however far it jumps") {
    const auto shape = small_shape(8, 16);
    UnifiedMerkleTree tree(shape);
    const Digest hash = Hasher(shape.hash).hash(std::span(kZeros));
    const Octets signature(16);
    for (std::uint64_t subtree = 0; subtree < 100; ++subtree) {
      tree.set_munro(subtree, hash.octets(), subtree, signature);
    }
    const std::size_t memory = tree.memory();
    CHECK(memory > 16 * 15 * 32);
    CHECK(memory < 2 * 16 * 16 * 32);
    std::uint64_t subtree = 100;
    for (int i = 0; i < 20'000; ++i) {
      subtree += i % 100 == 0 ? std::uint64_t{1} << 40 : 1;
      tree.set_munro(subtree, hash.octets(), subtree, signature);
      REQUIRE(tree.memory() <= memory + 4096);
    }
    tree.set_munro(kMaxChunks / 8 - 1, hash.octets(), 1, signature);
    CHECK(tree.newest_munro() == kMaxChunks / 8 - 1);
    CHECK(tree.first_subtree() == kMaxChunks / 8 - 16);
    tree.check_invariants();
  }

  TEST_CASE("a wide window takes memory as it fills") {
    auto shape = small_shape(1024, std::uint64_t{1} << 40);
    UnifiedMerkleTree tree(shape);
    CHECK(tree.memory() < 10'000);
    const Digest hash = Hasher(shape.hash).hash(std::span(kZeros));
    tree.set_munro(std::uint64_t{1} << 41, hash.octets(), 1, Octets(16));
    CHECK(tree.memory() < 80'000);
  }

  TEST_CASE("a source that starts again after the end: the feed goes on (decision 28)") {
    const LiveFeed feed(small_shape(4, 8), {{0, 6}, {12, 30}});
    UnifiedMerkleTree tree = tree_with_munros(feed, 3);
    REQUIRE(feed.verify(tree, 5) == Verdict::verified);
    CHECK(tree.end_of_feed() == 6);
    feed.set_munro(tree, 3);
    CHECK(!tree.end_of_feed());
    CHECK(!tree.empty_from());
    CHECK(tree.newest_munro() == 3);
    CHECK(tree.is_known(Bin::leaf(6)));
    CHECK(feed.verify(tree, 4) == Verdict::verified);
    CHECK(feed.verify(tree, 12) == Verdict::verified);
    feed.set_munro(tree, 8);
    CHECK(tree.empty_from() == 32);
    feed.set_munro(tree, 7);
    REQUIRE(feed.verify(tree, 29) == Verdict::verified);
    CHECK(tree.end_of_feed() == 30);
  }

  TEST_CASE("the end of an earlier run that becomes known late is not the feed's") {
    const LiveFeed feed(small_shape(4, 12), {{0, 6}, {12, 32}});
    UnifiedMerkleTree tree(feed.shape());
    feed.set_munro(tree, 8);
    CHECK(tree.empty_from() == 32);
    feed.set_munro(tree, 2);
    CHECK(tree.empty_from() == 8);
    feed.set_munro(tree, 7);
    CHECK(tree.empty_from() == 32);
    feed.set_munro(tree, 1);
    CHECK(feed.verify(tree, 5) == Verdict::verified);
    CHECK(tree.empty_from() == 32);
    CHECK(!tree.end_of_feed());
    CHECK(feed.verify(tree, 30) == Verdict::verified);  // brings the hash of the last
    CHECK(tree.end_of_feed() == 32);
    CHECK(feed.verify(tree, 31) == Verdict::verified);
  }

  TEST_CASE("random orders and losses: the tree knows what a model of it knows") {
    Rng rng(test::seed());
    for (int round = 0; round < 150; ++round) {
      const std::uint64_t width = std::uint64_t{2} << rng.below(4);
      const std::uint64_t first_run = rng.below(6 * width);
      const std::uint64_t second = (first_run / width + 2) * width;
      const LiveFeed feed(small_shape(width, 2 + rng.below(8), HashFunction::sha1),
                          {{0, first_run}, {second, second + rng.below(8 * width)}});
      const std::uint64_t chunks = feed.runs()[1].end + width;
      UnifiedMerkleTree tree(feed.shape());
      UnifiedTreeModel model(feed);
      for (int step = 0; step < 60; ++step) {
        const ChunkIndex chunk = rng.below(chunks);
        if (rng.below(4) == 0) {
          feed.set_munro(tree, chunk / width);
          model.set_munro(chunk / width);
        }
        std::vector<ClaimedHash> claims = feed.uncles(chunk);
        const std::uint64_t lost = rng.below(3) == 0 ? rng.next_u64() : 0;
        std::erase_if(claims, [&](const ClaimedHash& claim) {
          return (lost >> claim.bin.height() & 1) != 0;
        });
        const Octets payload = feed.chunk(rng.below(10) == 0 ? rng.below(chunks) : chunk);
        REQUIRE(tree.verify(chunk, payload, claims) == model.verify(chunk, payload, claims));
      }
      REQUIRE(model.agrees(tree, chunks / width));
      tree.check_invariants();
    }
  }
}

}  // namespace ppspp
