#include "discovery/local_messages.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "lan.h"
#include "support/seed.h"

namespace ppspp {
namespace {

LocalMessage random_message(Rng& random) {
  LocalMessage message;
  const bool answer = random.below(2) == 1;
  message.type = answer ? LocalMessage::Type::answer : LocalMessage::Type::query;
  message.complete = !answer && random.below(2) == 1;
  message.instance = random.next_u64();
  message.port = answer ? static_cast<std::uint16_t>(1 + random.below(65'535)) : 0;
  for (std::byte& octet : message.nonce) octet = static_cast<std::byte>(random.next_u64());
  message.count = 1 + random.below(LocalMessage::kMaxSwarms);
  for (auto& entry : std::span(message.entries).first(message.count)) {
    for (std::byte& octet : entry.tag) octet = static_cast<std::byte>(random.next_u64());
    if (!answer) continue;
    for (std::byte& octet : entry.proof) octet = static_cast<std::byte>(random.next_u64());
  }
  return message;
}

bool same(const LocalMessage& a, const LocalMessage& b) {
  return a.type == b.type && a.complete == b.complete && a.instance == b.instance &&
         a.nonce == b.nonce && a.port == b.port &&
         std::equal(
             a.swarms().begin(), a.swarms().end(), b.swarms().begin(), b.swarms().end(),
             [](const auto& x, const auto& y) { return x.tag == y.tag && x.proof == y.proof; });
}

TEST_SUITE("discovery/local_messages") {
  TEST_CASE("what was written is read, and nothing that is shorter or longer") {
    Rng random(test::seed());
    for (int i = 0; i < 500; ++i) {
      const LocalMessage message = random_message(random);
      std::vector<std::byte> octets(LocalMessage::kMaxSize);
      octets.resize(write_local_message(message, octets));
      const auto read = read_local_message(octets);
      REQUIRE(read);
      CHECK(same(*read, message));
      for (std::size_t size = 0; size < octets.size(); ++size) {
        REQUIRE(!read_local_message(std::span(octets).first(size)));
      }
      octets.push_back(std::byte{0});
      CHECK(!read_local_message(octets));
    }
  }

  TEST_CASE("other protocols, versions, types and counts are not read") {
    Rng random(test::seed());
    const LocalMessage message = random_message(random);
    std::vector<std::byte> octets(LocalMessage::kMaxSize);
    octets.resize(write_local_message(message, octets));
    for (const auto& [place, value] :
         {std::pair{0, 0}, {3, 1}, {4, 0}, {4, 2}, {5, 0}, {5, 3}, {7, 0}, {7, 33}, {7, 255}}) {
      CAPTURE(place);
      CAPTURE(value);
      auto wrong = octets;
      wrong.at(static_cast<std::size_t>(place)) = static_cast<std::byte>(value);
      CHECK(!read_local_message(wrong));
    }
  }

  TEST_CASE("the largest message fits an Ethernet frame of IPv6") {
    CHECK(LocalMessage::kMaxSize <= 1500 - 40 - 8);
  }

  TEST_CASE("a proof holds for one swarm, question, address and port") {
    LocalSecrets secrets;
    const auto address = TransportAddress::v4(0x0a000001, 6778);
    const LocalNonce nonce = {std::byte{1}};
    const auto proof = secrets.proof(test::swarm_id(1), nonce, address);
    CHECK(proof == secrets.proof(test::swarm_id(1), nonce, address));
    CHECK(proof != secrets.proof(test::swarm_id(2), nonce, address));
    CHECK(proof != secrets.proof(test::swarm_id(1), LocalNonce{}, address));
    CHECK(proof != secrets.proof(test::swarm_id(1), nonce, TransportAddress::v4(0x0a000002, 6778)));
    CHECK(proof != secrets.proof(test::swarm_id(1), nonce, TransportAddress::v4(0x0a000001, 6779)));
    CHECK(secrets.tag(test::swarm_id(1)) != secrets.tag(test::swarm_id(2)));
  }
}

}  // namespace
}  // namespace ppspp
