#include "discovery/dns_sd.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "lan.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

LocalTag tag_of(std::uint64_t number) {
  return LocalSecrets().tag(swarm_id(number));
}

LocalDiscovery::Service service(const SwarmId& swarm, std::uint64_t instance,
                                const TransportAddress& peer) {
  return {swarm, instance, LocalSecrets().service_proof(swarm, instance, peer), peer, 1};
}

std::span<const std::byte> octets(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST_SUITE("discovery/dns_sd") {
  TEST_CASE("names are labels of DNS, and are read as they were written") {
    ServiceName name{0x0123456789abcdefULL, tag_of(1), 1};
    for (name.attempt = 1; name.attempt <= ServiceName::kMaxAttempt; ++name.attempt) {
      const std::string text = write_service_name(name);
      CHECK(text.size() <= 63);
      CHECK(read_service_name(text) == name);
      CHECK(write_service_host(name.instance, name.attempt).size() <= 63);
    }
    name.attempt = 1;
    CHECK(write_service_name(name).starts_with("0123456789abcdef-"));
    CHECK(write_service_host(name.instance, 1) == "ppspp-0123456789abcdef");
    CHECK(write_service_host(name.instance, 2) == "ppspp-0123456789abcdef-2");
    const std::string subtype = write_service_subtype(name.tag);
    CHECK(subtype.starts_with("_"));
    CHECK(subtype.ends_with("._sub._ppspp._udp"));
    CHECK(subtype.find('.') <= 63);
  }

  TEST_CASE("neither a name nor a subtype tells the ID of a swarm") {
    const SwarmId id = swarm_id(7);
    const std::string said =
        write_service_name({1, tag_of(7), 1}) + write_service_subtype(tag_of(7));
    for (std::size_t at = 0; at + 8 <= id.to_hex().size(); ++at) {
      const std::string part = id.to_hex().substr(at, 8);
      if (part != "00000000") CHECK(said.find(part) == std::string::npos);
    }
  }

  TEST_CASE("other names are not read") {
    const std::string good = write_service_name({1, tag_of(1), 1});
    for (const std::string& text :
         {std::string(), std::string("office printer"), good + "-1", good + "-5", good + "-x",
          good + "-22", good.substr(1), "0" + good, "+" + good.substr(1), "-" + good.substr(1),
          "A" + good.substr(1), good.substr(0, 16) + "_" + good.substr(17), std::string(63, '-'),
          std::string(good.size(), '\0')}) {
      CAPTURE(text);
      CHECK_FALSE(read_service_name(text));
    }
  }

  TEST_CASE("a proof is read of the one string of a TXT record that is one") {
    const std::string value(16, '\x80');
    const auto proof = read_service_text(octets("p=" + value));
    REQUIRE(proof);
    CHECK(std::all_of(proof->begin(), proof->end(),
                      [](std::byte b) { return b == std::byte{0x80}; }));
    for (const std::string& text : {std::string(), "p=" + value.substr(1), "p=" + value + "x",
                                    "q=" + value, "p:" + value, std::string(18, '=')}) {
      CHECK_FALSE(read_service_text(octets(text)));
    }
  }

  TEST_CASE("who is named by a service is found, if it proves to know the ID, and is a neighbour") {
    Lan lan(seed());
    auto& getter = lan.add_node();
    auto& seeder = lan.add_node();
    getter.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    getter.discovery.set_part(swarm_id(2), Part::complete, lan.now());
    const auto told = [&](const LocalDiscovery::Service& s) {
      const auto before = getter.discovery.counters().found;
      getter.discovery.handle_service(s, lan.now());
      return getter.discovery.counters().found - before;
    };
    const auto peer = TransportAddress::v4(0x0a010063, 7000);
    const auto good = service(swarm_id(1), 77, peer);
    auto wrong = good;
    wrong.proof[3] ^= std::byte{1};
    CHECK(told(wrong) == 0);
    wrong = good;
    wrong.instance = 78;
    CHECK(told(wrong) == 0);
    wrong = good;
    wrong.peer = TransportAddress::v4(0x0a010063, 7001);
    CHECK(told(wrong) == 0);
    CHECK(getter.discovery.counters().unproven == 3);
    CHECK(told(service(swarm_id(1), 77, TransportAddress::v4(0x08080808, 7000))) == 0);
    CHECK(told(service(swarm_id(1), 77, TransportAddress::v4(0x0a010063, 0))) == 0);
    wrong = good;
    wrong.interface = 2;
    CHECK(told(wrong) == 0);
    CHECK(getter.discovery.counters().invalid == 3);
    CHECK(told(service(swarm_id(1), getter.discovery.instance(), peer)) == 0);
    CHECK(told(service(swarm_id(2), 77, peer)) == 0);  // who misses something finds us
    CHECK(told(service(swarm_id(3), 77, peer)) == 0);
    CHECK(told(good) == 1);
    CHECK(told(good) == 0);  // not twice in ten seconds
    // The same one is not met at a second address as well, by whatever means.
    CHECK(told(service(swarm_id(1), 77, TransportAddress::v4(0x0a010064, 7000))) == 0);
    CHECK(told(service(swarm_id(1), seeder.discovery.instance(), seeder.address)) == 1);
    lan.run(kSecond * 11);
    CHECK(told(good) == 1);
    CHECK(getter.knows(swarm_id(1), seeder));
  }

  TEST_CASE("services that are all different fill no more than the table of a swarm") {
    Lan lan(seed());
    auto& getter = lan.add_node();
    getter.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    for (std::uint64_t i = 1; i <= 1'000; ++i) {
      const auto peer = TransportAddress::v4(0x0a010063, static_cast<std::uint16_t>(i));
      getter.discovery.handle_service(service(swarm_id(1), i, peer), lan.now());
    }
    CHECK(getter.discovery.counters().found == LocalDiscovery::kMaxFoundPerSwarm);
  }

  TEST_CASE("with another way to find peers less is asked, and more again when that ends") {
    using Questions = LocalDiscovery::Questions;
    Lan lan(seed());
    auto& usual = lan.add_node();
    auto& rare = lan.add_node();
    auto& none = lan.add_node();
    const auto asked = [&](const Lan::Node& node) {
      return lan.count(LocalMessage::Type::query, node);
    };
    rare.discovery.set_questions(Questions::rare, lan.now());
    none.discovery.set_questions(Questions::none, lan.now());
    for (std::uint64_t i = 1; i <= 3; ++i) {
      lan.nodes.at(i - 1)->discovery.set_part(swarm_id(i), Part::misses, lan.now());
    }
    lan.run(kSecond * 1'000);
    CHECK(asked(usual) >= 15);
    CHECK(asked(rare) >= 4);  // 4, 8, ... 240 s
    CHECK(asked(rare) <= asked(usual) * 2 / 3);
    CHECK(asked(none) == 0);
    CHECK(none.discovery.deadline() == kNever);
    const auto before = asked(rare);
    rare.discovery.set_questions(Questions::usual, lan.now());
    none.discovery.set_questions(Questions::rare, lan.now());
    lan.run(kSecond * 6);
    CHECK(asked(rare) - before >= 2);
    CHECK(asked(none) >= 1);
  }

  TEST_CASE("who is not to ask still answers") {
    Lan lan(seed());
    auto& seeder = lan.add_node();
    auto& getter = lan.add_node();
    seeder.discovery.set_questions(LocalDiscovery::Questions::none, lan.now());
    seeder.discovery.set_part(swarm_id(1), Part::complete, lan.now());
    getter.discovery.set_part(swarm_id(1), Part::misses, lan.now());
    lan.run(kSecond / 3);
    CHECK(getter.knows(swarm_id(1), seeder));
  }

  TEST_CASE("each interface is named once for each IP version, and a bounded number of them") {
    const auto link = [](std::uint32_t interface, const char* address) {
      return LocalLink{interface, TransportAddress::parse(address).value(), {}};
    };
    const auto chosen = service_links({link(1, "10.0.0.1:1"), link(1, "10.0.0.1:2"),
                                       link(1, "[fe80::1]:1"), link(2, "10.1.0.1:1")});
    REQUIRE(chosen.size() == 3);
    CHECK(chosen[0].address.port() == 1);
    std::vector<LocalLink> many;
    for (std::uint32_t i = 0; i < 100; ++i) many.push_back(link(i, "10.0.0.1:1"));
    CHECK(service_links(many).size() == kMaxServiceLinks);
  }

  TEST_CASE("what is published is what is in use, and never more than the bound") {
    ServiceChoice choice;
    for (std::uint64_t i = 0; i < 5'000; ++i) {
      CHECK(choice.set_part(swarm_id(i), Part::sleeps) == (i < ServiceChoice::kMaxPublished));
    }
    const auto sleeping = choice.published();
    REQUIRE(sleeping.size() == ServiceChoice::kMaxPublished);
    CHECK(sleeping.front() == swarm_id(0));
    CHECK(choice.browsed().empty());
    for (std::uint64_t i = 4'000; i < 4'050; ++i) {
      CHECK(choice.set_part(swarm_id(i), i % 2 == 0 ? Part::misses : Part::complete));
      CHECK_FALSE(choice.set_part(swarm_id(i), i % 2 == 0 ? Part::misses : Part::complete));
    }
    const auto mixed = choice.published();
    REQUIRE(mixed.size() == ServiceChoice::kMaxPublished);
    CHECK(mixed[0] == swarm_id(4'048));
    CHECK(mixed[24] == swarm_id(4'000));
    CHECK(mixed[25] == swarm_id(4'049));
    CHECK(mixed[50] == swarm_id(0));
    CHECK(choice.note_used(swarm_id(4'900)));
    CHECK(choice.published()[25] == swarm_id(4'900));
    CHECK(choice.published().size() == ServiceChoice::kMaxPublished);
    CHECK(choice.browsed().size() == 25);
    for (std::uint64_t i = 0; i < 100; ++i) choice.set_part(swarm_id(i), Part::misses);
    CHECK(choice.browsed().size() == ServiceChoice::kMaxBrowsed);
    CHECK(choice.browsed().front() == swarm_id(99));
    CHECK(choice.note_used(swarm_id(4'500)));
    CHECK_FALSE(choice.note_used(swarm_id(99)));
    CHECK_FALSE(choice.note_used(swarm_id(10'000)));
    CHECK(choice.remove(swarm_id(99)));
    CHECK_FALSE(choice.remove(swarm_id(99)));
    CHECK(choice.browsed().front() == swarm_id(98));
    for (std::uint64_t i = 0; i < 5'000; ++i) choice.remove(swarm_id(i));
    CHECK(choice.size() == 0);
    CHECK(choice.published().empty());
  }
}

}  // namespace
}  // namespace ppspp::test
