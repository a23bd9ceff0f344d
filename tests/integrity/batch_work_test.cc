// Work of a receive batch in parts: whoever computes them, and in whatever order.
#include "integrity/batch_work.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "ppspp/random_source.h"
#include "ppspp/signing_key.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

std::vector<std::byte> random_octets(Rng& random, std::size_t size) {
  std::vector<std::byte> octets(size);
  for (std::byte& octet : octets) octet = static_cast<std::byte>(random.next_u64());
  return octets;
}

// All parts, by as many threads as there are lanes.
void compute_all(BatchWork& work) {
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> threads;
  for (std::size_t lane = 0; lane < work.lanes(); ++lane) {
    threads.emplace_back([&, lane] {
      for (std::size_t part = next++; part < work.parts(); part = next++) work.compute(part, lane);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

struct Chunks {
  HashFunction function = HashFunction::sha256;
  std::size_t size = 0;
  std::vector<std::vector<std::byte>> payloads;
  std::vector<std::uint32_t> places;
};

// Of signatures under one key, some of which are wrong.
struct Signatures {
  explicit Signatures(SignatureAlgorithm algorithm) : key(*SigningKey::generate(algorithm)) {}

  void make(Rng& random, std::size_t count, std::size_t wrong_of_ten) {
    for (std::size_t i = 0; i < count; ++i) {
      messages.push_back(random_octets(random, 24 + 512));
      std::vector<std::byte> signature(key.signature_size());
      REQUIRE(key.sign(messages.back(), signature));
      right.push_back(random.below(10) >= wrong_of_ten);
      if (!right.back()) signature[signature.size() / 2] ^= std::byte{4};
      signatures.push_back(signature);
    }
  }
  std::span<const std::byte> front(std::size_t i) const { return std::span(messages[i]).first(24); }
  void gather(BatchWork& work, const std::vector<std::uint32_t>& account_of,
              const std::vector<std::uint32_t>& chances) {
    while (keys.size() < work.lanes()) keys.push_back(*VerifyingKey::from_dnskey(key.dnskey()));
    work.begin_signatures();
    for (const std::uint32_t each : chances) work.add_account(each);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      BatchWork::Signature what{.account = account_of[i],
                                .content = std::span(messages[i]).subspan(24),
                                .signature = signatures[i]};
      std::ranges::copy(front(i), what.front.begin());
      what.front_size = 24;
      numbers.push_back(work.add_signature(what));
    }
    work.end_signatures(keys);
  }

  SigningKey key;
  std::vector<VerifyingKey> keys;
  std::vector<std::vector<std::byte>> messages;
  std::vector<std::vector<std::byte>> signatures;
  std::vector<bool> right;
  std::vector<std::uint32_t> numbers;
};

}  // namespace

TEST_SUITE("integrity/batch_work") {
  TEST_CASE("hashes of any chunks are right, whoever computes how many of them") {
    Rng random(seed());
    BatchWork work;
    for (int round = 0; round < 40; ++round) {
      work.clear();
      work.set_lanes(1 + random.below(4));
      std::vector<Chunks> all(1 + random.below(3));
      for (Chunks& chunks : all) {
        chunks.function = kHashFunctions[random.below(std::size(kHashFunctions))];
        chunks.size = random.below(4) == 0 ? 1 + random.below(65'000) : 512 + random.below(1'024);
        const std::size_t count = 1 + random.below(1'000'000 / chunks.size + 1);
        for (std::size_t i = 0; i < count; ++i) {
          chunks.payloads.push_back(random_octets(random, chunks.size));
        }
        work.begin_chunks(chunks.function, chunks.size);
        for (const auto& payload : chunks.payloads) {
          chunks.places.push_back(work.add_chunk(payload.data()));
        }
        work.end_chunks();
      }
      if (random.below(2) == 0) {
        compute_all(work);
      } else {
        for (std::size_t i = random.below(work.parts() + 1); i > 0; --i) {
          work.compute(random.below(work.parts()), random.below(work.lanes()));
        }
      }
      work.finish_hashes();
      for (const Chunks& chunks : all) {
        const Hasher hasher(chunks.function);
        for (std::size_t i = 0; i < chunks.payloads.size(); ++i) {
          const Digest right = hasher.hash(chunks.payloads[i]);
          const std::byte* const hash = work.hash(chunks.places[i]);
          REQUIRE(std::ranges::equal(std::span(hash, hasher.size()), right.octets()));
        }
      }
    }
  }

  TEST_CASE("a full batch of chunks is enough for several, and a few are one part") {
    const std::vector<std::byte> octets(65'000);
    for (const std::size_t size : {512UL, 1'024UL, 8'192UL, 60'000UL}) {
      CAPTURE(size);
      BatchWork work;
      work.set_lanes(2);
      work.begin_chunks(HashFunction::sha256, size);
      for (std::size_t i = 0; i < (std::size_t{1} << 20) / size; ++i) work.add_chunk(octets.data());
      work.end_chunks();
      CHECK(work.parts() >= (size < 60'000 ? 4 : 2));
      CHECK(work.parts() <= 32);
      work.clear();
      CHECK(work.parts() == 0);
      work.begin_chunks(HashFunction::sha256, size);
      work.add_chunk(octets.data());
      work.end_chunks();
      CHECK(work.parts() == 1);
    }
  }

  TEST_CASE("signatures of every algorithm are told apart, on several threads at once") {
    Rng random(seed());
    for (const auto algorithm :
         {SignatureAlgorithm::ed25519, SignatureAlgorithm::ecdsap256sha256,
          SignatureAlgorithm::ecdsap384sha384, SignatureAlgorithm::rsasha256}) {
      CAPTURE(to_string(algorithm));
      Signatures some(algorithm);
      some.make(random, 40, 3);
      BatchWork work;
      work.set_lanes(3);
      some.gather(work, std::vector<std::uint32_t>(40, 0), {1'000});
      CHECK(work.parts() >= 2);
      compute_all(work);
      for (std::size_t i = 0; i < 40; ++i) {
        const auto verdict = work.genuine(some.numbers[i], some.front(i), some.signatures[i]);
        REQUIRE(verdict);
        CHECK(*verdict == some.right[i]);
        // A verdict is that of one signature, of what it was said to be of.
        auto other = some.signatures[i];
        other[0] ^= std::byte{1};
        CHECK_FALSE(work.genuine(some.numbers[i], some.front(i), other));
        auto front = std::vector(some.front(i).begin(), some.front(i).end());
        front[23] ^= std::byte{1};
        CHECK_FALSE(work.genuine(some.numbers[i], front, some.signatures[i]));
      }
      CHECK_FALSE(work.genuine(BatchWork::kNone, some.front(0), some.signatures[0]));
    }
  }

  TEST_CASE("no more wrong signatures are computed than there are chances (12.6.5)") {
    Rng random(seed());
    for (int round = 0; round < 20; ++round) {
      const std::vector<std::uint32_t> chances = {static_cast<std::uint32_t>(random.below(40)),
                                                  static_cast<std::uint32_t>(random.below(6)), 5};
      Signatures some(SignatureAlgorithm::ed25519);
      some.make(random, 100, 9);
      std::vector<std::uint32_t> account_of;
      for (int i = 0; i < 100; ++i)
        account_of.push_back(static_cast<std::uint32_t>(random.below(3)));
      BatchWork work;
      work.set_lanes(1 + random.below(8));
      some.gather(work, account_of, chances);
      compute_all(work);
      std::vector<std::uint32_t> wrong(3);
      for (std::size_t i = 0; i < 100; ++i) {
        const auto verdict = work.genuine(some.numbers[i], some.front(i), some.signatures[i]);
        if (verdict) CHECK(*verdict == some.right[i]);
        if (verdict && !*verdict) ++wrong[account_of[i]];
        if (chances[account_of[i]] == 0) CHECK_FALSE(verdict);
      }
      for (std::size_t account = 0; account < 3; ++account) {
        CHECK(wrong[account] <= chances[account]);
      }
    }
  }

  TEST_CASE("parts that are not there, or were computed, are nothing") {
    BatchWork work;
    work.compute(0, 0);
    work.finish_hashes();
    CHECK(work.parts() == 0);
    const std::vector<std::byte> octets(100);
    work.begin_chunks(HashFunction::sha256, 100);
    const std::uint32_t place = work.add_chunk(octets.data());
    work.end_chunks();
    work.compute(0, 7);  // there is no such lane
    work.compute(0, 0);
    work.compute(0, 0);
    work.compute(1, 0);
    const Digest right = Hasher(HashFunction::sha256).hash(octets);
    CHECK(std::ranges::equal(std::span(work.hash(place), right.size()), right.octets()));
  }
}

}  // namespace ppspp::test
