// What proves the size of a content that nobody vouches for (RFC 7574, 5.6.2).
#include "integrity/size_claim.h"

#include <doctest/doctest.h>

#include "bins/peaks.h"
#include "integrity/reference.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using test::Octets;
using test::Reference;

// As from a sender to a receiver that has nothing.
std::vector<ClaimedHash> hashes_for(const Reference& truth, ChunkIndex chunk) {
  std::vector<ClaimedHash> claims = truth.peak_claims();
  const auto knows = [](ChunkRange) { return false; };
  for (const Bin bin : needed_uncles(chunk, truth.chunk_count(), knows)) {
    claims.push_back(truth.claim(bin));
  }
  return claims;
}

// As from a sender that believes the receiver to have `other`.
std::vector<ClaimedHash> hashes_beyond(const Reference& truth, ChunkIndex chunk, ChunkIndex other) {
  std::vector<ClaimedHash> claims;
  const auto knows = [other](ChunkRange range) { return range.contains(other); };
  for (const Bin bin : needed_uncles(chunk, truth.chunk_count(), knows)) {
    claims.push_back(truth.claim(bin));
  }
  return claims;
}

Verdict add(SizeClaim& claim, const Reference& truth, ChunkIndex chunk,
            const std::vector<ClaimedHash>& hashes) {
  return claim.add(chunk, truth.chunk(chunk), hashes);
}

}  // namespace

TEST_SUITE("integrity/size claim") {
  TEST_CASE("any chunk and the last one prove any size, with the fewest hashes (#117 #118)") {
    Rng rng(test::seed());
    for (int round = 0; round < 200; ++round) {
      const Reference truth = test::random_reference(rng);
      const std::uint64_t count = truth.chunk_count();
      CAPTURE(count);
      CAPTURE(truth.content().size());
      if (count == 1) continue;
      SizeClaim claim(truth.metadata(false));
      const ChunkIndex first = rng.below(count - 1);
      REQUIRE(add(claim, truth, first, hashes_for(truth, first)) == Verdict::verified);
      CHECK(!claim.proved());
      CHECK(claim.is_genuine(first));
      CHECK(claim.wanted(count - 1));
      REQUIRE(add(claim, truth, count - 1, hashes_beyond(truth, count - 1, first)) ==
              Verdict::verified);
      REQUIRE(claim.proved());
      CHECK(claim.chunk_count() == count);
      CHECK(claim.length() == truth.content().size());
      // The verifier can do with what the claim has kept.
      test::GuardedMemory memory(count, truth.function());
      ContentVerifier verifier(truth.metadata(false));
      const auto kept = claim.hashes();
      CHECK(kept.size() <= 200);
      verifier.start(count, memory.span(), kept);
      CHECK(verifier.tree().peaks_known());
      CHECK(verifier.verify(first, truth.chunk(first), kept) == Verdict::verified);
      CHECK(verifier.verify(count - 1, truth.chunk(count - 1), kept) == Verdict::verified);
    }
  }

  TEST_CASE("the last chunk may come first; alone it proves the size only if it is full") {
    Rng rng(test::seed());
    for (int round = 0; round < 200; ++round) {
      const Reference truth = test::random_reference(rng);
      const std::uint64_t count = truth.chunk_count();
      CAPTURE(truth.content().size());
      if (count == 1) continue;
      SizeClaim claim(truth.metadata(false));
      REQUIRE(add(claim, truth, count - 1, hashes_for(truth, count - 1)) == Verdict::verified);
      const bool full = truth.content().size() % truth.chunk_size() == 0;
      CHECK(claim.proved() == full);
      CHECK(claim.is_genuine(count - 1) == full);
      if (full) continue;
      const ChunkIndex other = rng.below(count - 1);
      REQUIRE(claim.wanted(other));
      CHECK(add(claim, truth, other, hashes_beyond(truth, other, count - 1)) == Verdict::verified);
      CHECK(claim.proved());
      CHECK(claim.length() == truth.content().size());
    }
  }

  TEST_CASE("an only chunk of any size is enough, but not one of two hashes") {
    for (const std::size_t size : {1UL, 32UL, 63UL, 64UL, 65UL, 1'023UL, 1'024UL}) {
      CAPTURE(size);
      const Reference truth(test::counting_content(size), 1'024, HashFunction::sha256);
      SizeClaim claim(truth.metadata(false));
      const Verdict verdict = add(claim, truth, 0, truth.peak_claims());
      CHECK(verdict == (size == 64 ? Verdict::wrong : Verdict::verified));
      CHECK(claim.proved() == (size != 64));
      if (claim.proved()) CHECK(claim.length() == size);
    }
  }

  TEST_CASE("an only chunk needs no INTEGRITY message, since its hash is the root (8.16)") {
    Rng rng(test::seed());
    int seen = 0;
    for (int round = 0; round < 500; ++round) {
      const Reference truth = test::random_reference(rng);
      SizeClaim claim(truth.metadata(false));
      const Verdict verdict = add(claim, truth, 0, {});
      if (truth.chunk_count() != 1) {
        CHECK(verdict == Verdict::missing_hash);
      } else if (truth.content().size() != 2 * digest_size(truth.metadata(false).hash)) {
        CHECK(verdict == Verdict::verified);
        CHECK(claim.proved());
        CHECK(claim.length() == truth.content().size());
        ++seen;
      }
    }
    CHECK(seen > 0);
  }

  TEST_CASE("five chunks claimed as six are disproved by whatever is the sixth") {
    Rng rng(test::seed());
    const Reference five(test::counting_content(5 * 512), 512, HashFunction::sha1);
    const std::vector<ClaimedHash> hashes = {five.claim(Bin{3}), five.claim(Bin{9}),
                                             five.claim(Bin{5}), five.claim(Bin{2}),
                                             five.claim(Bin{8}), five.claim(Bin{10})};
    SizeClaim claim(five.metadata(false));
    REQUIRE(claim.add(0, five.chunk(0), hashes) == Verdict::verified);
    CHECK(claim.chunk_count() == 6);
    CHECK(claim.is_genuine(0));
    CHECK(!claim.proved());
    CHECK(claim.add(5, five.chunk(4), hashes) == Verdict::wrong);
    CHECK(claim.add(5, test::random_content(512, rng), hashes) == Verdict::wrong);
    CHECK(claim.add(5, test::random_content(1, rng), hashes) == Verdict::wrong);
    CHECK(claim.add(5, {}, hashes) == Verdict::wrong);
    CHECK(claim.add(6, five.chunk(4), hashes) == Verdict::wrong);
    CHECK(claim.add(1, five.chunk(1), hashes) == Verdict::missing_hash);  // of no use
    CHECK(!claim.proved());
    claim.clear();
    CHECK(add(claim, five, 0, hashes_for(five, 0)) == Verdict::verified);
    CHECK(claim.chunk_count() == 5);
  }

  TEST_CASE("a claim whose chunk does not verify is forgotten at once") {
    const Reference truth(test::counting_content(8 * 512), 512, HashFunction::sha256);
    SizeClaim claim(truth.metadata(false));
    std::vector<ClaimedHash> hashes = hashes_for(truth, 0);
    CHECK(claim.add(0, truth.chunk(1), hashes) == Verdict::wrong);
    CHECK(claim.chunk_count() == 0);
    hashes.pop_back();
    CHECK(claim.add(0, truth.chunk(0), hashes) == Verdict::missing_hash);
    CHECK(claim.chunk_count() == 0);
    CHECK(claim.add(0, truth.chunk(0), {}) == Verdict::missing_hash);
    CHECK(claim.hashes().empty());
    hashes = hashes_for(truth, 0);
    hashes[0].bin = Bin::node(2, 0);  // the root, as the peak of four
    CHECK(claim.add(0, truth.chunk(0), hashes) == Verdict::wrong);
    CHECK(claim.chunk_count() == 0);
  }

  TEST_CASE("peaks are found behind hashes that came ahead of them") {
    const Reference truth(test::counting_content(7 * 512), 512, HashFunction::sha256);
    std::vector<ClaimedHash> hashes = {truth.claim(Bin{5}), truth.claim(Bin{3}),
                                       truth.claim(Bin{2})};
    for (const ClaimedHash& hash : hashes_for(truth, 0)) hashes.push_back(hash);
    SizeClaim claim(truth.metadata(false));
    CHECK(add(claim, truth, 0, hashes) == Verdict::verified);
    CHECK(claim.chunk_count() == 7);
  }
}

}  // namespace ppspp
