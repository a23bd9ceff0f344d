#include "crypto/hasher.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crypto/multi_buffer.h"
#include "ppspp/random_source.h"
#include "support/hex.h"
#include "support/seed.h"

namespace ppspp {
namespace {

std::vector<std::byte> octets_of(const std::string& text) {
  std::vector<std::byte> octets;
  for (const char c : text) octets.push_back(static_cast<std::byte>(c));
  return octets;
}

std::vector<std::byte> random_octets(std::size_t size, Rng& rng) {
  std::vector<std::byte> octets(size);
  for (std::byte& octet : octets) octet = static_cast<std::byte>(rng.next_u64());
  return octets;
}

// `count` is for pieces of no length.
std::vector<const std::byte*> pieces_of(std::span<const std::byte> data, std::size_t size,
                                        std::optional<std::size_t> count = {}) {
  std::vector<const std::byte*> pieces(count ? *count : data.size() / size);
  for (std::size_t i = 0; i < pieces.size(); ++i) pieces[i] = data.data() + i * size;
  return pieces;
}

void check_each(Hasher& hasher, std::span<const std::byte* const> messages, std::size_t size,
                std::span<const std::byte> out) {
  REQUIRE(out.size() == messages.size() * hasher.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    CAPTURE(i);
    const auto got = out.subspan(i * hasher.size(), hasher.size());
    CHECK(hasher.hash({messages[i], size}) == Digest(got));
  }
}

const std::string kTwoBlocks56 = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
const std::string kTwoBlocks112 =
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
    "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";

struct Vector {
  HashFunction function;
  const char* abc;
  const char* two_blocks;
  const char* million;
};

// FIPS 180 example values.
const Vector kVectors[] = {
    {HashFunction::sha1, "a9993e364706816aba3e25717850c26c9cd0d89d",
     "84983e441c3bd26ebaae4aa1f95129e5e54670f1", "34aa973cd4c4daa4f61eeb2bdbad27316534016f"},
    {HashFunction::sha224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
     "75388b16512776cc5dba5da1fd890150b0c6455cb4f58b1952522525",
     "20794655980c91d8bbb4c1ea97618a4bf03f42581948b2ee4ee7ad67"},
    {HashFunction::sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    {HashFunction::sha384,
     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
     "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
     "09330c33f71147e83d192fc782cd1b4753111b173b3b05d2"
     "2fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039",
     "9d0e1809716474cb086e834e310a4a1ced149e9c00f24852"
     "7972cec5704c2a5b07b8b3dc38ecc4ebae97ddd87f3d8985"},
    {HashFunction::sha512,
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
     "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
     "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
     "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
     "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b"},
};

}  // namespace

TEST_SUITE("crypto/hasher") {
  TEST_CASE("every function of Table 5 gives the standard's values (7.6)") {
    for (const Vector& vector : kVectors) {
      CAPTURE(to_string(vector.function));
      Hasher hasher(vector.function);
      const bool wide = hasher.size() > 32;
      CHECK(hasher.hash(octets_of("abc")).to_hex() == vector.abc);
      CHECK(hasher.hash(octets_of(wide ? kTwoBlocks112 : kTwoBlocks56)).to_hex() ==
            vector.two_blocks);
      CHECK(hasher.hash(octets_of(std::string(1'000'000, 'a'))).to_hex() == vector.million);
    }
  }

  TEST_CASE("the empty message has a hash, and it is not the empty hash") {
    Hasher hasher(HashFunction::sha1);
    CHECK(hasher.hash({}).to_hex() == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    CHECK(!hasher.hash({}).is_zero());
  }

  TEST_CASE("a Hasher is good for many messages, and can be moved") {
    Hasher first(HashFunction::sha256);
    const Digest abc = first.hash(octets_of("abc"));
    Hasher second = std::move(first);
    CHECK(second.hash(octets_of("abcd")) != abc);
    CHECK(second.hash(octets_of("abc")) == abc);
    second = Hasher(HashFunction::sha512);
    CHECK(second.size() == 64);
    CHECK(second.hash(octets_of("abc")).to_hex() == kVectors[4].abc);
  }

  TEST_CASE("a pair's hash is that of the two hashes in a row, also in the place of one (5.1)") {
    for (const HashFunction function : kHashFunctions) {
      Hasher hasher(function);
      const Digest left = hasher.hash(octets_of("left"));
      const Digest right = hasher.hash(octets_of("right"));
      std::vector<std::byte> both(left.octets().begin(), left.octets().end());
      both.insert(both.end(), right.octets().begin(), right.octets().end());
      const Digest expected = hasher.hash(both);
      CHECK(hasher.hash_pair(left, right) == expected);
      std::byte* const first = both.data();
      hasher.hash_pair(first, first + hasher.size(), first);
      CHECK(Digest(std::span(both).first(hasher.size())) == expected);
    }
  }

  TEST_CASE("many messages at once have the hashes that each has alone") {
    Rng rng(test::seed());
    LazyMultiBuffer together;
    for (const HashFunction function : kHashFunctions) {
      Hasher hasher(function);
      for (const std::size_t message_size : {1u, 64u, 119u, 1024u, 1400u}) {
        const std::size_t count = 1 + rng.next_u64() % 150;
        const auto data = random_octets(message_size * count, rng);
        std::vector<std::byte> out(count * hasher.size());
        hasher.hash_many(std::span<const std::byte>(data), message_size, out, &together);
        check_each(hasher, pieces_of(data, message_size), message_size, out);
      }
    }
  }

  TEST_CASE("messages of any size are hashed at once, the longest as well") {
    Rng rng(3);
    Hasher hasher(HashFunction::sha256);
    LazyMultiBuffer together;
    for (const std::size_t message_size : {std::size_t{0}, MultiBuffer::kMaxMessage,
                                           MultiBuffer::kMaxMessage + 1, std::size_t{100'000}}) {
      const auto data = random_octets(message_size * 20, rng);
      std::vector<std::byte> out(20 * hasher.size());
      hasher.hash_many(std::span<const std::byte>(data), message_size, out, &together);
      check_each(hasher, pieces_of(data, message_size, 20), message_size, out);
    }
  }

  // What this processor does not have is not tested here, and not used here.
  TEST_CASE("every way to hash messages side by side gives the same hashes") {
    Rng rng(test::seed());
    for (const auto width : MultiBuffer::kWidths) {
      const auto multi = MultiBuffer::make(width);
      if (!multi) {
        MESSAGE("not here: ", std::string(to_string(width)));
        continue;
      }
      CAPTURE(std::string(to_string(width)));
      for (const HashFunction function : kHashFunctions) {
        Hasher hasher(function);
        CHECK(multi->lanes(function).worth <= multi->lanes(function).count);
        for (int round = 0; round < 40; ++round) {
          const std::size_t message_size = 1 + rng.next_u64() % (round % 8 == 0 ? 65'000 : 2'000);
          const std::size_t count = 1 + rng.next_u64() % (round % 8 == 0 ? 20 : 140);
          CAPTURE(message_size);
          const auto data = random_octets(message_size * count, rng);
          auto pieces = pieces_of(data, message_size);
          std::ranges::reverse(pieces);  // anywhere in memory
          std::vector<std::byte> out(count * hasher.size());
          multi->hash(function, pieces, message_size, out.data());
          check_each(hasher, pieces, message_size, out);
        }
      }
    }
  }
}

TEST_SUITE("crypto/digest") {
  TEST_CASE("digests compare by length and octets, and show as hex") {
    const auto octets = test::hex("00ff10");
    CHECK(Digest(octets).to_hex() == "00ff10");
    CHECK(Digest(octets) == Digest(octets));
    CHECK(Digest(octets) != Digest(test::hex("00ff11")));
    CHECK(Digest::zero(20) != Digest::zero(32));
    CHECK(Digest::zero(20) == Digest(std::vector<std::byte>(20)));
    CHECK(Digest::zero(32).is_zero());
    CHECK(!Digest(octets).is_zero());
    CHECK(Digest().size() == 0);
  }
}

}  // namespace ppspp
