// Peaks that peers claim, true and made up: size detection (RFC 7574, section 5.6.2), and what it
// does not prove.
#include <doctest/doctest.h>

#include <vector>

#include "bins/peaks.h"
#include "integrity/content_verifier.h"
#include "integrity/reference.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using test::GuardedMemory;
using test::Octets;
using test::Reference;

Octets both_children(const Reference& reference, Bin parent) {
  const Digest& left = reference.node(parent.left());
  const Digest& right = reference.node(parent.right());
  Octets both(left.octets().begin(), left.octets().end());
  both.insert(both.end(), right.octets().begin(), right.octets().end());
  return both;
}

}  // namespace

TEST_SUITE("integrity/check_peaks") {
  TEST_CASE("true peaks tell the number of chunks, for any number (5.6.2 #117)") {
    Rng rng(test::seed());
    for (int round = 0; round < 60; ++round) {
      const Reference reference = test::random_reference(rng);
      ContentVerifier verifier(reference.metadata(round % 2 == 0));
      CHECK(verifier.check_peaks(reference.peak_claims()) == reference.chunk_count());
      CHECK(!verifier.has_tree());
    }
  }

  TEST_CASE("the uncles of the first chunk may follow the peaks (5.6.2 #116)") {
    Rng rng(test::seed());
    for (int round = 0; round < 60; ++round) {
      const Reference reference = test::random_reference(rng);
      const std::uint64_t count = reference.chunk_count();
      ContentVerifier verifier(reference.metadata(false));
      std::vector<ClaimedHash> claims = reference.peak_claims();
      const auto knows = [](ChunkRange) { return false; };
      for (const Bin bin : needed_uncles(rng.below(count), count, knows)) {
        claims.push_back(reference.claim(bin));
      }
      CHECK(verifier.check_peaks(claims) == count);
    }
  }

  TEST_CASE("peaks out of order, incomplete, or with a wrong bit are no peaks") {
    const Reference reference(test::counting_content(7162), 1024, HashFunction::sha256);
    ContentVerifier verifier(reference.metadata(false));
    const std::vector<ClaimedHash> peaks = reference.peak_claims();
    CHECK(!verifier.check_peaks({}));
    CHECK(!verifier.check_peaks(std::span(peaks).first(2)));
    CHECK(!verifier.check_peaks(std::span(peaks).last(2)));
    CHECK(!verifier.check_peaks(std::vector{peaks[1], peaks[0], peaks[2]}));
    CHECK(!verifier.check_peaks(std::vector{peaks[0], peaks[0], peaks[1], peaks[2]}));
    for (std::size_t i = 0; i < peaks.size(); ++i) {
      for (std::size_t bit = 0; bit < 256; ++bit) {
        Octets changed(peaks[i].hash.begin(), peaks[i].hash.end());
        changed[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
        std::vector<ClaimedHash> claims = peaks;
        claims[i].hash = changed;
        REQUIRE(!verifier.check_peaks(claims));
      }
    }
  }

  TEST_CASE("hashes of a wrong length, empty hashes and impossible bins are no peaks") {
    const Reference reference(test::counting_content(4096), 1024, HashFunction::sha256);
    ContentVerifier verifier(reference.metadata(false));
    const auto root = reference.root().octets();
    const Octets longer(65, std::byte{1});
    const Octets empty(32);
    CHECK(verifier.check_peaks(std::vector{ClaimedHash{Bin{3}, root}}) == 4);
    CHECK(!verifier.check_peaks(std::vector{ClaimedHash{Bin{3}, root.first(31)}}));
    CHECK(!verifier.check_peaks(std::vector{ClaimedHash{Bin{3}, longer}}));
    CHECK(!verifier.check_peaks(std::vector{ClaimedHash{Bin{3}, empty}}));
    CHECK(!verifier.check_peaks(std::vector{ClaimedHash{Bin{11}, root}}));
    CHECK(!verifier.check_peaks(std::vector{ClaimedHash{Bin::none(), root}}));
    // More chunks than 32-bit chunk ranges can name.
    CHECK(!verifier.check_peaks(std::vector{ClaimedHash{Bin::all(), root}}));
    CHECK(!verifier.check_peaks(std::vector{ClaimedHash{Bin::node(40, 0), root}}));
  }

  TEST_CASE("a long row of leaves is no list of peaks, and does no harm") {
    const Reference reference(test::counting_content(100 * 512), 512, HashFunction::sha256);
    ContentVerifier verifier(reference.metadata(false));
    std::vector<ClaimedHash> claims;
    for (ChunkIndex chunk = 0; chunk < 100; ++chunk) {
      claims.push_back(reference.claim(Bin::leaf(chunk)));
    }
    CHECK(!verifier.check_peaks(claims));
  }

  TEST_CASE("the second peak of six chunks cannot be halved") {
    const Reference reference(test::counting_content(6 * 1024), 1024, HashFunction::sha256);
    ContentVerifier verifier(reference.metadata(false));
    CHECK(verifier.check_peaks(std::vector{reference.claim(Bin{3}), reference.claim(Bin{9})}) == 6);
    CHECK(!verifier.check_peaks(std::vector{reference.claim(Bin{3}), reference.claim(Bin{8})}));
  }
}

TEST_SUITE("integrity/hostile claims") {
  TEST_CASE("the root as the peak of another power of two passes only without a known length") {
    const Reference reference(test::counting_content(8192), 1024, HashFunction::sha256);
    ContentVerifier unknown(reference.metadata(false));
    ContentVerifier known(reference.metadata(true));
    for (const int height : {0, 1, 2, 3, 4, 20}) {
      CAPTURE(height);
      const std::vector<ClaimedHash> claim = {{Bin::node(height, 0), reference.root().octets()}};
      CHECK(unknown.check_peaks(claim) == std::uint64_t{1} << height);
      CHECK(known.check_peaks(claim).has_value() == (height == 3));
    }
  }

  TEST_CASE("under a false height no chunk of full size verifies, and a true claim replaces it") {
    Rng rng(test::seed());
    const Reference reference(test::counting_content(8192), 1024, HashFunction::sha256);
    ContentVerifier verifier(reference.metadata(false));
    GuardedMemory small(4, HashFunction::sha256);
    verifier.start(4, small.span());
    for (ChunkIndex chunk = 0; chunk < 4; ++chunk) {
      const std::vector<ClaimedHash> uncles = {reference.claim(Bin{3}), reference.claim(Bin{11}),
                                               reference.claim(Bin{1}), reference.claim(Bin{5})};
      CHECK(verifier.verify(chunk, reference.chunk(chunk), uncles) != Verdict::verified);
      const Octets other = test::random_content(1024, rng);
      CHECK(verifier.verify(chunk, other, uncles) != Verdict::verified);
    }
    // Two hashes in a row are a node of the tree, but no chunk of full size.
    const std::vector<ClaimedHash> uncles = {{Bin{5}, reference.node(Bin{11}).octets()},
                                             {Bin{2}, reference.node(Bin{5}).octets()}};
    CHECK(verifier.verify(0, both_children(reference, Bin{1}), uncles) == Verdict::wrong);
    CHECK(verifier.tree().node(Bin{0})[0] == std::byte{0});

    GuardedMemory true_size(8, HashFunction::sha256);
    verifier.start(8, true_size.span(), reference.peak_claims());
    const std::vector<ClaimedHash> needed = {reference.claim(Bin{11}), reference.claim(Bin{5}),
                                             reference.claim(Bin{2})};
    CHECK(verifier.verify(0, reference.chunk(0), needed) == Verdict::verified);
    CHECK(small.guards_intact());
  }

  TEST_CASE("two hashes in a row are no file of one chunk, for every hash function") {
    for (const HashFunction function : kHashFunctions) {
      CAPTURE(to_string(function));
      const Reference reference(test::counting_content(2048), 1024, function);
      ContentVerifier verifier(reference.metadata(false));
      CHECK(verifier.check_peaks(std::vector{ClaimedHash{Bin{0}, reference.root().octets()}}) == 1);
      GuardedMemory memory(1, function);
      verifier.start(1, memory.span());
      CHECK(verifier.verify(0, both_children(reference, Bin{1}), {}) == Verdict::wrong);
    }
  }

  TEST_CASE("a file of one chunk may be two hashes long if the metadata say so") {
    const Reference reference(test::counting_content(64), 1024, HashFunction::sha256);
    GuardedMemory memory(1, HashFunction::sha256);
    for (const bool with_length : {false, true}) {
      ContentVerifier verifier(reference.metadata(with_length));
      verifier.start(1, memory.span());
      CHECK((verifier.verify(0, reference.chunk(0), {}) == Verdict::verified) == with_length);
    }
  }

  TEST_CASE("half empty nodes pass as peaks of more chunks, never of fewer") {
    for (std::uint64_t count = 17; count <= 32; ++count) {
      CAPTURE(count);
      const Reference reference(test::counting_content(count * 512), 512, HashFunction::sha1);
      ContentVerifier verifier(reference.metadata(false));
      for (std::uint64_t claimed = 17; claimed < count; ++claimed) {
        std::vector<ClaimedHash> claims;
        for (const Bin peak : peaks(claimed)) claims.push_back(reference.claim(peak));
        REQUIRE(!verifier.check_peaks(claims));
      }
    }
    const Reference five(test::counting_content(5 * 512), 512, HashFunction::sha1);
    ContentVerifier verifier(five.metadata(false));
    CHECK(verifier.check_peaks(std::vector{five.claim(Bin{3}), five.claim(Bin{9})}) == 6);
  }

  TEST_CASE("what disproves five chunks claimed as six is that the sixth cannot be had") {
    Rng rng(test::seed());
    const Reference five(test::counting_content(5 * 512), 512, HashFunction::sha1);
    ContentVerifier verifier(five.metadata(false));
    GuardedMemory memory(6, HashFunction::sha1);
    verifier.start(6, memory.span(), std::vector{five.claim(Bin{3}), five.claim(Bin{9})});
    const std::vector<ClaimedHash> uncles = {five.claim(Bin{5}), five.claim(Bin{2}),
                                             five.claim(Bin{8}), five.claim(Bin{10})};
    CHECK(verifier.verify(0, five.chunk(0), uncles) == Verdict::verified);
    CHECK(verifier.verify(4, five.chunk(4), uncles) == Verdict::wrong);
    CHECK(verifier.verify(5, test::random_content(512, rng), uncles) == Verdict::wrong);
    CHECK(verifier.verify(5, five.chunk(4), uncles) == Verdict::wrong);
  }

  TEST_CASE("a chunk beyond the end has no place in the tree") {
    const Reference reference(test::counting_content(7162), 1024, HashFunction::sha256);
    ContentVerifier verifier(reference.metadata(false));
    GuardedMemory memory(7, HashFunction::sha256);
    verifier.start(7, memory.span(), reference.peak_claims());
    for (const ChunkIndex chunk : {ChunkIndex{7}, ChunkIndex{8}, kMaxChunks - 1, ~ChunkIndex{0}}) {
      CHECK(verifier.verify(chunk, reference.chunk(0), {}) == Verdict::wrong);
    }
    CHECK(memory.guards_intact());
  }

  TEST_CASE("an empty hash is no sibling, also where it makes the root (5.6.1 #119)") {
    // Seven chunks, claimed as eight: the root is right, and node 14 is empty in the true tree.
    const Reference reference(test::counting_content(7168), 1024, HashFunction::sha256);
    ContentVerifier verifier(reference.metadata(false));
    const std::vector<ClaimedHash> claim = {{Bin{7}, reference.root().octets()}};
    REQUIRE(verifier.check_peaks(claim) == 8);
    GuardedMemory memory(8, HashFunction::sha256);
    verifier.start(8, memory.span(), claim);
    const Octets before = memory.copy();
    const std::vector<ClaimedHash> uncles = {reference.claim(Bin{3}), reference.claim(Bin{9}),
                                             reference.claim(Bin{14})};
    CHECK(verifier.verify(6, reference.chunk(6), uncles) == Verdict::wrong);
    CHECK(memory.copy() == before);
  }

  TEST_CASE("peaks of another content or size are not taken into a tree") {
    const Reference reference(test::counting_content(7168), 1024, HashFunction::sha256);
    ContentVerifier verifier(reference.metadata(false));
    CHECK(!verifier.accept_peaks(reference.peak_claims()));  // no tree yet
    GuardedMemory memory(7, HashFunction::sha256);
    verifier.start(7, memory.span());
    const std::vector<ClaimedHash> other_size = {{Bin{7}, reference.root().octets()}};
    CHECK(!verifier.accept_peaks(other_size));
    const Reference other(test::counting_content(7167), 1024, HashFunction::sha256);
    CHECK(!verifier.accept_peaks(other.peak_claims()));
    CHECK(memory.copy() == Octets(13 * 32));
    CHECK(verifier.accept_peaks(reference.peak_claims()));
    CHECK(verifier.accept_peaks(reference.peak_claims()));  // repeated until acknowledged
    CHECK(*verifier.tree().root() == reference.root());
  }
}

}  // namespace ppspp
