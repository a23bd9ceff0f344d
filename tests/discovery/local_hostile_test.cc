// What a host on the same network can do that means ill.
#include <doctest/doctest.h>

#include <algorithm>

#include "lan.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

using Type = LocalMessage::Type;

struct Enemy {
  TransportAddress address = TransportAddress::v4(0x0a01f001, 6'779);

  static std::vector<std::byte> octets(const LocalMessage& message) {
    std::vector<std::byte> result(LocalMessage::kMaxSize);
    result.resize(write_local_message(message, result));
    return result;
  }
};

// The newest question on the network.
LocalMessage heard_question(Lan& lan) {
  const auto before = lan.count(Type::query);
  while (lan.count(Type::query) == before) lan.run(Microseconds(1'000));
  return lan.sent.back().message;
}

LocalMessage answer_to(const LocalMessage& query, std::uint16_t port) {
  LocalMessage answer;
  answer.type = Type::answer;
  answer.instance = 4711;
  answer.nonce = query.nonce;
  answer.port = port;
  answer.count = 1;
  answer.entries[0].tag = query.entries[0].tag;
  return answer;
}

TEST_SUITE("discovery/local_hostile") {
  TEST_CASE("who listens does not learn the ID of a swarm") {
    Lan lan(seed());
    lan.add_node().discovery.set_part(swarm_id(1), Part::sleeps, lan.now());
    lan.add_node().discovery.set_part(swarm_id(1), Part::misses, lan.now());
    lan.run(kSecond * 10);
    REQUIRE(lan.count(Type::answer) > 0);
    const SwarmId id = swarm_id(1);
    for (const auto& packet : lan.sent) {
      for (std::size_t at = 0; at + 4 <= id.size(); ++at) {
        const auto part = id.octets().subspan(at, 4);
        CHECK(std::search(packet.octets.begin(), packet.octets.end(), part.begin(), part.end()) ==
              packet.octets.end());
      }
    }
  }

  TEST_CASE("who does not know the ID is not believed, and so is never told it by a handshake") {
    Lan lan(seed());
    auto& getter = lan.add_node();
    getter.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    const auto question = heard_question(lan);
    const Enemy enemy;
    lan.inject(enemy.address, Enemy::octets(answer_to(question, 666)));
    lan.run(kSecond / 10);
    CHECK(getter.found.empty());
    CHECK(getter.discovery.counters().unproven == 1);
  }

  TEST_CASE("the answer of another is of no use to an enemy: elsewhere, with its port, or later") {
    Lan lan(seed());
    auto& getter = lan.add_node();
    auto& host = lan.add_node();
    host.discovery.set_part(swarm_id(1), Part::sleeps, lan.now());
    getter.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    lan.run(kSecond / 3);
    REQUIRE(getter.found.size() == 1);
    const auto answer = *std::find_if(lan.sent.begin(), lan.sent.end(), [](const Lan::Packet& p) {
      return p.message.type == Type::answer;
    });
    const Enemy enemy;
    lan.inject(enemy.address, answer.octets);
    LocalMessage changed = answer.message;
    changed.port = 666;
    lan.inject(host.address, Enemy::octets(changed));
    changed = answer.message;
    changed.nonce[3] ^= std::byte{1};
    lan.inject(host.address, Enemy::octets(changed));
    lan.run(kSecond / 10);
    CHECK(getter.discovery.counters().unproven == 3);
    host.discovery.remove(swarm_id(1));
    lan.run(kSecond * 100);
    lan.inject(host.address, answer.octets);
    lan.run(kSecond / 10);
    CHECK(getter.discovery.counters().unproven == 4);
    CHECK(getter.found.size() == 1);
  }

  TEST_CASE("a question from elsewhere than the network of the link is nothing") {
    Lan lan(seed());
    auto& host = lan.add_node();
    host.discovery.set_part(swarm_id(1), Part::sleeps, lan.now());
    LocalMessage question;
    question.count = 1;
    question.entries[0].tag = LocalSecrets().tag(swarm_id(1));
    const auto octets = Enemy::octets(question);
    host.discovery.handle_datagram(octets, TransportAddress::v4(0x08080808, 53), 1, lan.now());
    host.discovery.handle_datagram(octets, TransportAddress::v4(0x0a010009, 53), 2, lan.now());
    host.discovery.handle_datagram(octets, TransportAddress{}, 1, lan.now());
    CHECK(host.discovery.counters().invalid == 3);
    CHECK(host.discovery.deadline() == kNever);
    host.discovery.handle_datagram(octets, TransportAddress::v4(0x0a010009, 53), 1, lan.now());
    CHECK(host.discovery.deadline() != kNever);
  }

  TEST_CASE("false answers do not keep true ones from being given") {
    Lan lan(seed());
    auto& getter = lan.add_node();
    auto& host = lan.add_node();
    host.discovery.set_part(swarm_id(1), Part::sleeps, lan.now());
    getter.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    const auto question = heard_question(lan);
    for (std::uint16_t i = 0; i < 100; ++i) {
      auto answer = answer_to(question, static_cast<std::uint16_t>(i + 1));
      answer.instance = i;
      lan.inject(TransportAddress::v4(0x0a01f000U + i, 6'779), Enemy::octets(answer));
    }
    lan.run(kSecond / 3);
    CHECK(getter.knows(swarm_id(1), host));
    CHECK(getter.found.size() == 1);
  }

  TEST_CASE("a host that floods with questions is answered some, and others all the same") {
    Lan lan(seed());
    auto& host = lan.add_node();
    for (std::uint64_t i = 0; i < 500; ++i) {
      host.discovery.set_part(swarm_id(i), Part::sleeps, lan.now());
    }
    const Enemy enemy;
    Rng random(seed());
    LocalSecrets secrets;
    const auto flood = [&](int seconds) {
      for (int step = 0; step < seconds * 100; ++step) {
        for (int i = 0; i < 20; ++i) {
          LocalMessage question;
          question.instance = 4711;
          question.count = LocalMessage::kMaxSwarms;
          const std::uint64_t numbers[] = {random.next_u64(), random.next_u64()};
          std::copy_n(std::as_bytes(std::span(numbers)).begin(), 16, question.nonce.begin());
          for (auto& entry : question.entries) entry.tag = secrets.tag(swarm_id(random.below(500)));
          lan.inject(enemy.address, Enemy::octets(question));
        }
        lan.run(Microseconds(10'000));
      }
    };
    flood(10);
    CHECK(lan.count(Type::answer, host) <= 40 + 10 * 10 + 1);
    CHECK(host.discovery.counters().over_limit >= 19'000);
    auto& getter = lan.add_node();
    getter.discovery.set_part(swarm_id(7), Part::misses, lan.now());
    flood(1);
    CHECK(getter.knows(swarm_id(7), host));
  }

  TEST_CASE("one who knows the ID cannot name more peers than fit, nor again and again") {
    Lan lan(seed());
    auto& getter = lan.add_node();
    getter.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    LocalSecrets secrets;
    const TimePoint begin = lan.now();
    for (int round = 0; round < 5; ++round) {
      const auto question = heard_question(lan);
      for (std::uint32_t i = 0; i < 500; ++i) {
        const auto address = TransportAddress::v4(0x0a01f001, static_cast<std::uint16_t>(i + 1));
        auto answer = answer_to(question, address.port());
        answer.instance = static_cast<std::uint64_t>(round) << 32 | i;
        answer.entries[0].proof = secrets.proof(swarm_id(1), question.nonce, address);
        lan.inject(address, Enemy::octets(answer));
      }
      lan.run(kSecond / 20);
    }
    const auto minutes = (lan.now() - begin) / LocalDiscovery::kFoundElsewhere;
    CHECK(getter.found.size() >= LocalDiscovery::kMaxFoundPerSwarm);
    CHECK(getter.found.size() <=
          LocalDiscovery::kMaxFoundPerSwarm * static_cast<std::size_t>(minutes + 1));
  }

  TEST_CASE("no octets do harm") {
    Rng random(seed());
    Lan lan(seed());
    auto& node = lan.add_node();
    for (std::uint64_t i = 0; i < 10; ++i) {
      node.discovery.set_part(swarm_id(i), Part::misses, lan.now());
    }
    const auto question = Enemy::octets(heard_question(lan));
    for (int i = 0; i < 20'000; ++i) {
      auto octets = question;
      octets.resize(random.below(octets.size() + 20));
      for (std::uint64_t n = random.below(4); n > 0 && !octets.empty(); --n) {
        octets.at(random.below(octets.size())) = static_cast<std::byte>(random.next_u64());
      }
      lan.inject(
          TransportAddress::v4(0x0a010000U + static_cast<std::uint32_t>(random.below(300)), 6'779),
          octets);
    }
    lan.run(kSecond * 10);
    CHECK(node.found.empty());
    CHECK(node.discovery.counters().answers_out <= 100 + 40 * 10);
  }
}

}  // namespace
}  // namespace ppspp::test
