// Membership certificates in swarms on the Internet (RFC 7574, 3.10.1, 8.13, 12.2.2).
#include <doctest/doctest.h>

#include <array>

#include "crypto/membership_certificate.h"
#include "sim/authority.h"
#include "sim/run_options.h"
#include "sim/swarm_run.h"
#include "wire/datagram.h"

namespace ppspp::sim {
namespace {

// Eight peers, of which the tracker names one to each.
RunOptions few_are_named(std::uint64_t certified) {
  RunOptions options;
  options.seed = 5;
  SwarmSpec spec;
  spec.length = 400'000;
  spec.certified = certified;
  options.swarms.push_back(spec);
  options.nodes = 8;
  options.neighbours = 1;
  options.pex = true;
  options.rate_min = options.rate_max = 20'000;
  options.fault_seconds = 60;
  return options;
}

}  // namespace

TEST_SUITE("sim/certificates") {
  TEST_CASE("peers on the Internet are told of others by certificates alone (3.10.1 #174)") {
    const RunResult certified = SwarmRun(few_are_named(600)).run();
    CAPTURE(certified.text);
    CHECK(certified.code == 0);
    CHECK(certified.certificates >= 8);
    const RunResult bare = SwarmRun(few_are_named(0)).run();
    CHECK(bare.code == 0);
    CHECK(bare.certificates == 0);
  }

  TEST_CASE("certificates that expire are told as long as they hold (12.2.2)") {
    const RunResult result = SwarmRun(few_are_named(30)).run();
    CAPTURE(result.text);
    CHECK(result.code == 0);
    CHECK(result.certificates >= 8);
  }

  TEST_CASE(
      "peers find each other beside some that tell certificates that do not hold (12.2.2 #185)") {
    RunOptions options = few_are_named(600);
    options.enemies = 6;
    options.enemy_kinds = "gossip";
    const RunResult result = SwarmRun(options).run();
    CAPTURE(result.text);
    CHECK(result.code == 0);
    CHECK(result.certificates >= 8);
  }

  TEST_CASE("a checker finds certificates that must not be told (8.13, 12.2.2)") {
    World world(1);
    NodeOptions node;
    node.clock = SimClock(0, kSomeDay, 0);
    for (int i = 0; i < 8; ++i) world.add_node(node);
    SwarmMetadata metadata;
    metadata.authority = authority_key();
    std::vector<std::unique_ptr<Content>> contents;
    contents.push_back(std::make_unique<Content>(10'000, 1, metadata, true));
    Checker checker(world, contents, [](NodeId, std::size_t) { return nullptr; });
    checker.set_pex(true, false);
    std::vector<std::byte> octets(2'000);
    const auto tell = [&](std::span<const std::byte> der) {
      ByteWriter out(octets);
      write_channel(out, {9});
      write_pex_res(out, PexResCert{der});
      return checker.check_sent(0, world.address(1), out.written());
    };
    const auto certificate = [&](NodeId peer, std::uint64_t seconds = 60) {
      return certify(contents[0]->metadata().id, world.address(peer), world.time(), seconds);
    };
    const auto hear = [&](NodeId peer) {
      checker.note_received(0, world.address(peer), std::vector<std::byte>(1'000));
    };
    for (int i = 0; i < 10; ++i) hear(1);
    const Handshake hello{{9}, handshake_options(contents[0]->metadata(), 0, true, false)};
    ByteWriter first(octets);
    write_channel(first, {0});
    write_handshake(first, hello);
    REQUIRE_FALSE(checker.check_sent(1, world.address(0), first.written()));

    CHECK_FALSE(tell(certificate(0)));  // its own
    CHECK(checker.certificates_told() == 0);
    CHECK(tell(certificate(2)));  // not heard
    hear(2);
    CHECK_FALSE(tell(certificate(2)));
    CHECK(checker.certificates_told() == 2);
    CHECK(tell(certificate(1)));  // to itself
    auto forged = certificate(2);
    forged[forged.size() - 3] ^= std::byte{1};
    CHECK(tell(forged));
    CHECK(tell(certify(SwarmId(authority_key()), world.address(2), world.time(), 60)));
    for (NodeId peer = 3; peer < 6; ++peer) {
      hear(peer);
      CHECK_FALSE(tell(certificate(peer)));
    }
    hear(6);
    CHECK(tell(certificate(6)));  // the fifth within ten seconds
    const auto soon_over = certificate(2, 15);
    world.run_until(world.time() + 20 * kSecond);
    CHECK(tell(soon_over));
    CHECK_FALSE(tell(certificate(2)));
    checker.set_pex(false, false);
    CHECK(tell(certificate(2)));
  }
}

}  // namespace ppspp::sim
