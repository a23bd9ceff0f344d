#include "discovery/local_discovery.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "lan.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

using Type = LocalMessage::Type;

TEST_SUITE("discovery/local_discovery") {
  TEST_CASE("who joins a swarm knows within a third of a second who is in it, and connects") {
    Lan lan(seed());
    auto& seeder = lan.add_node();
    auto& sleeper = lan.add_node();
    auto& getter = lan.add_node();
    auto& stranger = lan.add_node();
    seeder.discovery.set_part(swarm_id(1), Part::complete, lan.now());
    sleeper.discovery.set_part(swarm_id(1), Part::sleeps, lan.now());
    stranger.discovery.set_part(swarm_id(2), Part::misses, lan.now());
    lan.run(kSecond * 30);
    CHECK(lan.count(Type::query, seeder) == LocalDiscovery::kQuestionsOfComplete);
    CHECK(lan.count(Type::query, sleeper) == 0);
    CHECK(lan.count(Type::answer) == 0);
    getter.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    lan.run(kSecond / 3);
    CHECK(getter.knows(swarm_id(1), seeder));
    CHECK(getter.knows(swarm_id(1), sleeper));
    CHECK(getter.found.size() == 2);
    CHECK(seeder.found.empty());  // who asks, connects
    CHECK(sleeper.found.empty());
    CHECK(stranger.found.empty());
  }

  TEST_CASE("who comes first is found by who comes later, also by a seeder") {
    Lan lan(seed());
    auto& getter = lan.add_node();
    auto& seeder = lan.add_node();
    getter.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    lan.run(kSecond * 600);
    const auto asked = lan.count(Type::query);
    CHECK(asked >= 10);
    CHECK(asked <= 30);  // 1, 2, 4, ... 60 s
    seeder.discovery.set_part(swarm_id(1), Part::complete, lan.now());
    lan.run(kSecond / 3);
    CHECK(seeder.knows(swarm_id(1), getter));
  }

  TEST_CASE("those who all have everything leave each other alone") {
    Lan lan(seed());
    for (int i = 0; i < 10; ++i) {
      lan.add_node().discovery.set_part(swarm_id(1), Part::complete, lan.now());
    }
    lan.run(kSecond * 100);
    CHECK(lan.count(Type::answer) == 0);
    for (const auto& node : lan.nodes) CHECK(node->found.empty());
  }

  TEST_CASE("one question serves all who look for the same, and a crowd does not answer it all") {
    Lan lan(seed());
    for (int i = 0; i < 200; ++i) {
      lan.add_node().discovery.set_part(swarm_id(1), Part::sleeps, lan.now());
    }
    auto& first = lan.add_node();
    auto& second = lan.add_node();
    second.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    lan.run(kSecond * 105);
    const auto before = second.found.size();
    const auto answers = lan.count(Type::answer);
    first.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    lan.run(kSecond / 3);
    CHECK(first.found.size() >= LocalDiscovery::kEnoughAnswers);
    // What is on its way when the eighth is heard comes as well.
    CHECK(lan.count(Type::answer) - answers <= 40);
    CHECK(before >= LocalDiscovery::kEnoughAnswers);
    CHECK(second.found.size() > before);
  }

  TEST_CASE("thousands of swarms are asked for in few datagrams, and sleeping ones cost none") {
    Lan lan(seed());
    auto& host = lan.add_node();
    auto& getter = lan.add_node();
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      host.discovery.set_part(swarm_id(i), Part::sleeps, lan.now());
    }
    lan.run(kSecond * 10);
    CHECK(lan.sent.empty());
    CHECK(host.discovery.deadline() == kNever);
    for (std::uint64_t i = 0; i < 2'000; ++i) {
      getter.discovery.set_part(swarm_id(i), Part::misses, lan.now());
    }
    lan.run(kSecond);
    CHECK(lan.count(Type::query) <= 2'000 / LocalMessage::kMaxSwarms + 100 + 40);
    lan.run(kSecond * 60);
    CHECK(lan.count(Type::query) <= 100 + 40 * 61);
    for (std::uint64_t i = 0; i < 2'000; ++i) REQUIRE(getter.knows(swarm_id(i), host));
  }

  TEST_CASE("what is removed is neither asked for nor answered") {
    Lan lan(seed());
    auto& a = lan.add_node();
    auto& b = lan.add_node();
    a.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    b.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    a.discovery.remove(swarm_id(1));
    lan.run(kSecond * 10);
    CHECK(lan.count(Type::query, a) == 0);
    CHECK(lan.count(Type::answer) == 0);
    CHECK(a.discovery.swarms() == 0);
    CHECK(a.discovery.deadline() == kNever);
    b.discovery.remove(swarm_id(2));  // never was there
    CHECK(b.discovery.swarms() == 1);
  }

  TEST_CASE("who has completed asks no more") {
    Lan lan(seed());
    auto& a = lan.add_node();
    a.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    lan.run(kSecond * 3);
    const auto asked = lan.count(Type::query);
    a.discovery.set_part(swarm_id(1), Part::complete, lan.now());
    lan.run(kSecond * 200);
    CHECK(lan.count(Type::query) == asked);
    a.discovery.ask_again(swarm_id(1), lan.now());
    lan.run(kSecond * 200);
    CHECK(lan.count(Type::query) == asked + LocalDiscovery::kQuestionsOfComplete);
  }

  TEST_CASE("without a link nothing is asked; when one comes it is, at once") {
    Lan lan(seed());
    auto& seeder = lan.add_node();
    auto& getter = lan.add_node();
    const LocalLink link = Lan::link(getter);
    getter.discovery.set_links({}, lan.now());
    CHECK(getter.discovery.links().empty());
    seeder.discovery.set_part(swarm_id(1), Part::sleeps, lan.now());
    getter.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    lan.run(kSecond * 500);
    CHECK(lan.sent.empty());
    CHECK(getter.discovery.deadline() == kNever);
    getter.discovery.set_links({link}, lan.now());
    lan.run(kSecond / 3);
    CHECK(getter.knows(swarm_id(1), seeder));
    // The same links again are nothing new.
    const auto asked = lan.count(Type::query);
    getter.discovery.set_links({link}, lan.now());
    lan.run(kSecond / 5);
    CHECK(lan.count(Type::query) == asked);
  }

  TEST_CASE("an answer to a question on a link that has gone is not sent") {
    Rng random(seed());
    Lan lan(seed());
    auto& asker = lan.add_node();
    auto& host = lan.add_node();
    host.discovery.set_part(swarm_id(1), Part::sleeps, lan.now());
    asker.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    while (lan.count(Type::query) == 0) lan.run(Microseconds(1'000));
    lan.run(Microseconds(2'000));
    REQUIRE(host.discovery.deadline() != kNever);
    host.discovery.set_links({}, lan.now());
    CHECK(host.discovery.deadline() == kNever);
  }

  TEST_CASE("a peer with several addresses is met at one of them at a time") {
    // Two links between the same two: what goes out on either arrives there.
    Rng random(seed());
    LocalDiscovery host(random);
    LocalDiscovery getter(random);
    const auto links = [](std::uint32_t last, std::uint16_t port) {
      return std::vector<LocalLink>{
          {1, TransportAddress::v4(0x0a010000 + last, port), {*Network::parse("10.1.0.0/16")}},
          {2, TransportAddress::v4(0x0a020000 + last, port), {*Network::parse("10.2.0.0/16")}}};
    };
    TimePoint now(kSecond);
    host.set_links(links(1, 6'001), now);
    getter.set_links(links(2, 6'002), now);
    host.set_part(swarm_id(1), Part::sleeps, now);
    getter.set_part(swarm_id(1), Part::misses, now);
    std::vector<LocalDiscovery::Found> found;
    const auto exchange = [&](LocalDiscovery& from, LocalDiscovery& to) {
      std::array<std::byte, LocalMessage::kMaxSize> buffer;
      while (const auto transmit = from.poll_transmit(buffer, now)) {
        to.handle_datagram(std::span(buffer).first(transmit->size), transmit->link.address,
                           transmit->link.interface, now);
      }
      while (auto f = to.poll_found()) found.push_back(*std::move(f));
    };
    const auto run = [&](Microseconds duration) {
      for (const TimePoint end = now + duration; now < end; now += Microseconds(5'000)) {
        exchange(getter, host);
        exchange(host, getter);
      }
    };
    run(kSecond * 5);
    REQUIRE(found.size() == 1);
    CHECK(host.counters().answers_out >= 2);
    run(kSecond * 600);  // now and then one of them is named again
    CHECK(found.size() <= 30);
  }

  TEST_CASE(
      "whoever misses something finds somebody, whatever is lost and whoever comes and goes") {
    for (std::uint64_t run = 0; run < 20; ++run) {
      Rng random(seed() + run);
      CAPTURE(seed() + run);
      Lan lan(random.next_u64());
      lan.loss = 0.3;
      for (int i = 0; i < 12; ++i) lan.add_node();
      for (int step = 0; step < 60; ++step) {
        auto& node = *lan.nodes.at(random.below(lan.nodes.size()));
        const SwarmId id = swarm_id(random.below(4));
        switch (random.below(6)) {
          case 0:
            node.discovery.remove(id);
            break;
          case 1:
            node.discovery.set_links({}, lan.now());
            break;
          case 2:
            node.discovery.ask_again(id, lan.now());
            break;
          default:
            node.discovery.set_part(id, static_cast<Part>(random.below(3)), lan.now());
        }
        lan.run(Microseconds(static_cast<std::int64_t>(random.below(3'000'000))));
      }
      for (const auto& node : lan.nodes) node->discovery.set_links({Lan::link(*node)}, lan.now());
      for (const auto& node : lan.nodes) node->found.clear();
      auto& last = *lan.nodes.front();
      last.discovery.remove(swarm_id(1));
      lan.nodes.back()->discovery.set_part(swarm_id(1), Part::complete, lan.now());
      last.discovery.set_part(swarm_id(1), Part::misses, lan.now());
      lan.run(kSecond * 130);
      CHECK(!last.found.empty());
      for (const auto& node : lan.nodes) {
        for (const auto& found : node->found) CHECK(found.peer != node->address);
      }
    }
  }
}

}  // namespace
}  // namespace ppspp::test
