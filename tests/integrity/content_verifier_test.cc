#include "integrity/content_verifier.h"

#include <doctest/doctest.h>

#include <set>
#include <vector>

#include "integrity/reference.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using test::GuardedMemory;
using test::Octets;
using test::Reference;

// A receiver that has the peaks, and notes which chunks it has.
class Receiver {
 public:
  explicit Receiver(const Reference& reference)
      : reference_(reference),
        memory_(reference.chunk_count(), reference.function()),
        verifier_(reference.metadata()),
        has_(reference.chunk_count()) {
    verifier_.start(reference.chunk_count(), memory_.span(), reference.peak_claims());
  }

  // The hashes that a sender adds who believes that the receiver has exactly the noted chunks.
  std::vector<ClaimedHash> needed(ChunkIndex chunk) const {
    const auto knows = [this](ChunkRange range) {
      for (ChunkIndex i = range.begin; i < range.end; ++i) {
        if (has_[i]) return true;
      }
      return false;
    };
    std::vector<ClaimedHash> hashes;
    for (const Bin bin : needed_uncles(chunk, reference_.chunk_count(), knows)) {
      hashes.push_back(reference_.claim(bin));
    }
    return hashes;
  }

  Verdict accept(ChunkIndex chunk, std::span<const ClaimedHash> hashes) {
    const Verdict verdict = verifier_.verify(chunk, reference_.chunk(chunk), hashes);
    if (verdict == Verdict::verified) has_[chunk] = true;
    return verdict;
  }
  Verdict accept(ChunkIndex chunk) { return accept(chunk, needed(chunk)); }

  // The same for all chunks of a node, at once.
  Verdict accept_all(Bin node, std::span<const ClaimedHash> hashes) {
    const Verdict verdict = verifier_.verify_all(node, leaf_hashes(node), hashes);
    for (ChunkIndex i = node.first_chunk(); i < node.chunks().end; ++i) {
      if (verdict == Verdict::verified) has_[i] = true;
    }
    return verdict;
  }
  Octets leaf_hashes(Bin node) const {
    Octets hashes;
    for (ChunkIndex i = node.first_chunk(); i < node.chunks().end; ++i) {
      const auto hash = reference_.node(Bin::leaf(i)).octets();
      hashes.insert(hashes.end(), hash.begin(), hash.end());
    }
    return hashes;
  }

  ContentVerifier& verifier() { return verifier_; }
  GuardedMemory& memory() { return memory_; }

 private:
  const Reference& reference_;
  GuardedMemory memory_;
  ContentVerifier verifier_;
  std::vector<bool> has_;
};

}  // namespace

TEST_SUITE("integrity/content_verifier") {
  TEST_CASE("chunks in any order verify with exactly the needed hashes (5.3 #101, 5.4 #106)") {
    Rng rng(test::seed());
    for (int round = 0; round < 60; ++round) {
      const Reference reference = test::random_reference(rng);
      CAPTURE(reference.chunk_count());
      CAPTURE(to_string(reference.function()));
      Receiver receiver(reference);
      for (const ChunkIndex chunk : test::shuffled(reference.chunk_count(), rng)) {
        CAPTURE(chunk);
        REQUIRE(receiver.accept(chunk) == Verdict::verified);
      }
      // What was kept is the whole true tree.
      CHECK(receiver.memory().copy() == reference.memory());
      CHECK(receiver.memory().guards_intact());
    }
  }

  TEST_CASE("the chunks of a node verify at once as they do one by one, on random nodes (5.3)") {
    Rng rng(test::seed());
    int nodes = 0;
    for (int round = 0; round < 60; ++round) {
      const Reference reference = test::random_reference(rng);
      Receiver receiver(reference);
      const std::uint64_t full = reference.content().size() / reference.chunk_size();
      for (int step = 0; step < 10 && full > 1; ++step) {
        const ChunkIndex first = rng.below(full - 1);
        const Bin node =
            first_bin_of({first, std::min(full, first + (ChunkIndex{1} << rng.below(9)))});
        CAPTURE(node.number());
        const Verdict verdict = receiver.accept_all(node, receiver.needed(first));
        const Verdict one_by_one = receiver.accept(first);
        REQUIRE(one_by_one == Verdict::verified);
        REQUIRE(verdict == Verdict::verified);
        for (const ChunkIndex chunk : {node.first_chunk(), node.chunks().end - 1}) {
          REQUIRE(receiver.verifier().matches(chunk, reference.chunk(chunk)));
        }
        nodes += node.height() > 0 ? 1 : 0;
      }
      for (const ChunkIndex chunk : test::shuffled(reference.chunk_count(), rng)) {
        REQUIRE(receiver.accept(chunk) == Verdict::verified);
      }
      CHECK(receiver.memory().copy() == reference.memory());
      CHECK(receiver.memory().guards_intact());
    }
    CHECK(nodes > 50);
  }

  TEST_CASE(
      "one wrong bit in any chunk of a node, or in its proof, leaves nothing behind (5.2 #92)") {
    Rng rng(test::seed());
    const Reference reference(test::random_content(64 * 512, rng), 512, HashFunction::sha256);
    Receiver receiver(reference);
    const Octets before = receiver.memory().copy();
    const Bin node = bin_of({16, 32});
    const std::vector<ClaimedHash> proof = receiver.needed(16);
    Octets leaves = receiver.leaf_hashes(node);
    for (std::size_t bit = 0; bit < leaves.size() * 8; ++bit) {
      leaves[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
      REQUIRE(receiver.verifier().verify_all(node, leaves, proof) == Verdict::wrong);
      leaves[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    }
    for (std::size_t i = 0; i < proof.size(); ++i) {
      Octets changed(proof[i].hash.begin(), proof[i].hash.end());
      std::vector<ClaimedHash> claims = proof;
      claims[i].hash = changed;
      changed[rng.below(changed.size())] ^= std::byte{1};
      // Below the node nothing is asked of the proof, and something is computed above it.
      const bool above = !node.contains(claims[i].bin);
      const Verdict expected = above ? Verdict::wrong : Verdict::verified;
      Receiver other(reference);
      CHECK(other.verifier().verify_all(node, leaves, claims) == expected);
    }
    std::vector<ClaimedHash> some = proof;
    std::erase_if(some, [&](const ClaimedHash& claim) { return claim.bin == node.sibling(); });
    REQUIRE(some.size() + 1 == proof.size());
    CHECK(receiver.verifier().verify_all(node, leaves, some) == Verdict::missing_hash);
    CHECK(receiver.memory().copy() == before);
    REQUIRE(receiver.verifier().verify_all(node, leaves, proof) == Verdict::verified);
    // Known above: no proof is needed, and what is not there below is wrong.
    leaves.back() ^= std::byte{1};
    CHECK(receiver.verifier().verify_all(node, leaves, {}) == Verdict::wrong);
    CHECK(receiver.memory().guards_intact());
  }

  TEST_CASE("a short last chunk, or one beyond the end, belongs to no node of full chunks") {
    Rng rng(test::seed());
    const Reference reference(test::random_content(7 * 512 + 40, rng), 512, HashFunction::sha256);
    Receiver receiver(reference);
    CHECK(receiver.accept_all(bin_of({4, 8}), receiver.needed(4)) == Verdict::wrong);
    const Octets none(4 * 32);
    CHECK(receiver.verifier().verify_all(bin_of({8, 12}), none, {}) == Verdict::missing_hash);
    CHECK(receiver.accept_all(bin_of({4, 6}), receiver.needed(4)) == Verdict::verified);
  }

  TEST_CASE("what a chunk proved is kept: its path and the siblings, no more (5.3 #102)") {
    const Reference reference(test::counting_content(8192), 1024, HashFunction::sha256);
    Receiver receiver(reference);
    std::vector<ClaimedHash> hashes = receiver.needed(0);
    hashes.push_back(reference.claim(Bin{9}));  // true, but not on the path
    REQUIRE(receiver.accept(0, hashes) == Verdict::verified);
    const std::set<std::uint64_t> kept = {7, 3, 11, 1, 5, 0, 2};
    for (std::uint64_t number = 0; number < 15; ++number) {
      CAPTURE(number);
      CHECK(receiver.verifier().tree().is_known(Bin{number}) == kept.contains(number));
    }
  }

  TEST_CASE("without any one of the needed hashes the chunk is dropped, no fault (5.3 #99)") {
    Rng rng(test::seed());
    for (int round = 0; round < 30; ++round) {
      const Reference reference = test::random_reference(rng);
      Receiver receiver(reference);
      for (const ChunkIndex chunk : test::shuffled(reference.chunk_count(), rng)) {
        const std::vector<ClaimedHash> all = receiver.needed(chunk);
        const Octets before = receiver.memory().copy();
        for (std::size_t missing = 0; missing < all.size(); ++missing) {
          std::vector<ClaimedHash> some = all;
          some.erase(some.begin() + static_cast<long>(missing));
          REQUIRE(receiver.accept(chunk, some) == Verdict::missing_hash);
        }
        CHECK(receiver.memory().copy() == before);
        REQUIRE(receiver.accept(chunk, all) == Verdict::verified);
      }
    }
  }

  TEST_CASE("a chunk that is known verifies again without hashes, and a changed one is wrong") {
    const Reference reference(test::counting_content(7162), 1024, HashFunction::sha256);
    Receiver receiver(reference);
    REQUIRE(receiver.accept(2) == Verdict::verified);
    CHECK(receiver.accept(2, {}) == Verdict::verified);
    CHECK(receiver.verifier().verify(2, reference.chunk(1), {}) == Verdict::wrong);
    CHECK(receiver.verifier().matches(2, reference.chunk(2)));
    CHECK(!receiver.verifier().matches(2, reference.chunk(1)));
    CHECK(!receiver.verifier().matches(0, reference.chunk(0)));  // not known
  }

  TEST_CASE("every single wrong bit is found, and leaves nothing behind (5.2 #92)") {
    Rng rng(test::seed());
    const Reference reference(test::random_content(6 * 512 + 40, rng), 512, HashFunction::sha1);
    Receiver receiver(reference);
    REQUIRE(receiver.accept(1) == Verdict::verified);
    const Octets before = receiver.memory().copy();
    for (const ChunkIndex chunk : {ChunkIndex{2}, ChunkIndex{4}, ChunkIndex{6}}) {
      CAPTURE(chunk);
      const std::vector<ClaimedHash> hashes = receiver.needed(chunk);
      Octets payload(reference.chunk(chunk).begin(), reference.chunk(chunk).end());
      for (std::size_t bit = 0; bit < payload.size() * 8; ++bit) {
        payload[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
        REQUIRE(receiver.verifier().verify(chunk, payload, hashes) == Verdict::wrong);
        payload[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
      }
      for (std::size_t i = 0; i < hashes.size(); ++i) {
        Octets changed(hashes[i].hash.begin(), hashes[i].hash.end());
        std::vector<ClaimedHash> claims = hashes;
        claims[i].hash = changed;
        for (std::size_t bit = 0; bit < changed.size() * 8; ++bit) {
          changed[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
          REQUIRE(receiver.verifier().verify(chunk, payload, claims) == Verdict::wrong);
          changed[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
        }
      }
      CHECK(receiver.memory().copy() == before);
    }
    CHECK(receiver.memory().guards_intact());
  }

  TEST_CASE("every length but the right one is wrong") {
    const Reference reference(test::counting_content(1024 + 300), 512, HashFunction::sha256);
    Receiver receiver(reference);
    Octets longer(reference.content().begin(), reference.content().end());
    longer.resize(2048);
    for (std::size_t size = 0; size <= 600; ++size) {
      for (const ChunkIndex chunk : {ChunkIndex{0}, ChunkIndex{2}}) {
        const auto payload = std::span<const std::byte>(longer).subspan(chunk * 512, size);
        const bool right = size == reference.chunk(chunk).size();
        const Verdict verdict = receiver.verifier().verify(chunk, payload, receiver.needed(chunk));
        REQUIRE((verdict == Verdict::verified) == right);
      }
    }
  }

  TEST_CASE("hashes and chunks of a whole train in one list verify (5.4 #110)") {
    Rng rng(test::seed());
    const Reference reference(test::random_content(200 * 512, rng), 512, HashFunction::sha256);
    for (const bool reversed : {false, true}) {
      Receiver receiver(reference);
      std::vector<ClaimedHash> claims = reference.peak_claims();  // repeated, hence ignored
      for (ChunkIndex chunk = 64; chunk < 128; ++chunk) {
        const auto knows = [&](ChunkRange range) { return range.intersects({64, chunk}); };
        for (const Bin bin : needed_uncles(chunk, 200, knows)) {
          claims.push_back(reference.claim(bin));
        }
      }
      if (reversed) std::ranges::reverse(claims);
      for (ChunkIndex chunk = 64; chunk < 128; ++chunk) {
        REQUIRE(receiver.accept(chunk, claims) == Verdict::verified);
      }
    }
  }

  TEST_CASE("claims of a wrong length, for no node, or twice do no harm") {
    const Reference reference(test::counting_content(4096), 1024, HashFunction::sha256);
    Receiver receiver(reference);
    const ClaimedHash sibling = reference.claim(Bin{2});
    const ClaimedHash uncle = reference.claim(Bin{5});
    const std::vector<ClaimedHash> claims = {{Bin::none(), sibling.hash},
                                             {Bin::all(), sibling.hash},
                                             {Bin{2}, sibling.hash.first(31)},
                                             uncle,
                                             {Bin{3}, sibling.hash},
                                             uncle,
                                             sibling};
    CHECK(receiver.accept(0, std::span(claims).first(4)) == Verdict::missing_hash);
    CHECK(receiver.accept(0, claims) == Verdict::verified);
  }

  TEST_CASE("a single chunk is its own tree (5.6.1)") {
    const Reference reference(test::counting_content(12), 1024, HashFunction::sha256);
    Receiver receiver(reference);
    CHECK(receiver.accept(0, {}) == Verdict::verified);
    CHECK(receiver.verifier().verify(0, reference.chunk(0).first(11), {}) == Verdict::wrong);
    CHECK(receiver.verifier().verify(1, reference.chunk(0), {}) == Verdict::wrong);
  }

  TEST_CASE("before the size and the peaks are known, hashes are missing") {
    const Reference reference(test::counting_content(7162), 1024, HashFunction::sha256);
    ContentVerifier verifier(reference.metadata());
    CHECK(!verifier.has_tree());
    CHECK(verifier.verify(6, reference.chunk(6), {}) == Verdict::missing_hash);
    GuardedMemory memory(7, HashFunction::sha256);
    verifier.start(7, memory.span());
    REQUIRE(verifier.has_tree());
    CHECK(verifier.verify(6, reference.chunk(6), {}) == Verdict::missing_hash);
    CHECK(memory.copy() == Octets(13 * 32));
    CHECK(verifier.accept_peaks(reference.peak_claims()));
    CHECK(verifier.verify(6, reference.chunk(6), {}) == Verdict::verified);
  }

  TEST_CASE("an earlier run's memory is taken up where it hangs together") {
    const Reference reference(test::counting_content(7162), 1024, HashFunction::sha256);
    GuardedMemory memory(7, HashFunction::sha256);
    std::ranges::copy(reference.memory(), memory.span().begin());
    memory.span()[0] ^= std::byte{1};
    ContentVerifier verifier(reference.metadata());
    verifier.start(7, memory.span());
    REQUIRE(verifier.tree().check(reference.root().octets()));
    CHECK(verifier.verify(3, reference.chunk(3), {}) == Verdict::verified);
    CHECK(verifier.verify(0, reference.chunk(0), {}) == Verdict::missing_hash);
    const std::vector<ClaimedHash> sibling = {reference.claim(Bin{2})};
    CHECK(verifier.verify(0, reference.chunk(0), sibling) == Verdict::verified);
  }

  TEST_CASE("without integrity protection everything is taken for genuine (errata 4880)") {
    SwarmMetadata metadata;
    metadata.integrity = IntegrityMethod::none;
    metadata.id = SwarmId(Octets(32, std::byte{1}));
    metadata.content_length = 5000;
    ContentVerifier verifier(metadata);
    const Octets anything(1024, std::byte{9});
    CHECK(verifier.verify(3, anything, {}) == Verdict::verified);
    CHECK(verifier.matches(3, anything));
    CHECK(!verifier.has_tree());
  }
}

}  // namespace ppspp
