#include "tracker/address_checks.h"

#include <doctest/doctest.h>

#include "base/bytes.h"
#include "channel/handshake_check.h"
#include "tracker/tracker_service.h"
#include "wire/datagram.h"

namespace ppspp::tracker {
namespace {

using std::chrono::milliseconds;

TimePoint at(std::int64_t count) {
  return TimePoint(milliseconds(count));
}
TransportAddress peer(std::uint16_t port = 6778) {
  return TransportAddress::v4(0xc0000201, port);
}
SwarmMetadata swarm() {
  SwarmMetadata metadata;
  metadata.id = SwarmId(std::vector<std::byte>(32, std::byte{7}));
  return metadata;
}

struct World {
  Rng random{1};
  CheckLimits limits{.max_pending = 100, .datagrams_per_second = 1'000};
  AddressChecks checks{random, limits};

  std::vector<AddressChecks::Datagram> sent(TimePoint now) {
    std::vector<AddressChecks::Datagram> all;
    while (auto datagram = checks.poll_transmit(now)) all.push_back(std::move(*datagram));
    return all;
  }
};

// What a peer of the swarm says to a handshake (3.1.1(2)); nothing: it does not like it.
std::optional<std::vector<std::byte>> answer(const AddressChecks::Datagram& datagram,
                                             const SwarmMetadata& metadata,
                                             std::uint32_t channel = 99) {
  const auto first = read_handshake(datagram.octets);
  REQUIRE(first);
  CHECK(destination(datagram.octets)->value == 0);
  CHECK(first->rest.empty());
  if (!check_handshake(first->handshake.options, metadata, true)) return std::nullopt;
  std::vector<std::byte> octets(200);
  ByteWriter out(octets);
  write_channel(out, first->handshake.source);
  write_handshake(out, {ChannelId{channel}, handshake_options(metadata, 0, false, false)});
  REQUIRE(out.ok());
  octets.resize(out.size());
  return octets;
}

TEST_SUITE("tracker_server/address_checks") {
  TEST_CASE("a peer that answers the handshake is where it says (RFC 7574, 3.1.1(3), 12.2.2)") {
    World world;
    REQUIRE(world.checks.begin(5, peer(), swarm(), at(0)));
    CHECK(world.checks.deadline() == at(0));
    const auto sent = world.sent(at(0));
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].to == peer());
    CHECK(sent[0].octets.size() < 120);  // 12.1: little is sent to who has not asked
    const auto reply = answer(sent[0], swarm());
    REQUIRE(reply);
    world.checks.handle_datagram(peer(), *reply);
    const auto outcome = world.checks.poll_outcome();
    REQUIRE(outcome);
    CHECK(outcome->subject == 5);
    CHECK(outcome->address == peer());
    CHECK(outcome->answered);
    CHECK(world.checks.pending() == 0);
    CHECK(world.sent(at(60'000)).empty());  // and nothing more is said to it
    CHECK(world.checks.deadline() == kNever);
  }

  TEST_CASE("answers from elsewhere, with another channel ID or without a handshake do not count") {
    World world;
    REQUIRE(world.checks.begin(5, peer(), swarm(), at(0)));
    const auto sent = world.sent(at(0));
    const auto reply = *answer(sent.at(0), swarm());
    world.checks.handle_datagram(peer(6779), reply);
    world.checks.handle_datagram(TransportAddress::v4(0xc0000202, 6778), reply);
    for (std::size_t i = 0; i < 4; ++i) {
      auto other = reply;
      other[i] ^= std::byte{1};
      world.checks.handle_datagram(peer(), other);
    }
    for (std::size_t size = 0; size < reply.size(); ++size) {
      world.checks.handle_datagram(peer(), std::span(reply).first(size));
    }
    world.checks.handle_datagram(peer(), *answer(sent.at(0), swarm(), 0));  // it closes
    CHECK_FALSE(world.checks.poll_outcome());
    CHECK(world.checks.strays() == 7 + reply.size());
    world.checks.handle_datagram(peer(), reply);
    CHECK(world.checks.poll_outcome()->answered);
  }

  TEST_CASE("who does not answer gets three datagrams, and is not where it says") {
    World world;
    REQUIRE(world.checks.begin(5, peer(), swarm(), at(0)));
    CHECK(world.checks.begin(5, peer(), swarm(), at(0)));  // is being checked
    std::size_t sent = 0;
    std::int64_t time = 0;
    for (; world.checks.pending() > 0 && time < 60'000; time += 100) {
      sent += world.sent(at(time)).size();
    }
    CHECK(sent == AddressChecks::kAttempts);
    CHECK(time <= 10'000);
    const auto outcome = world.checks.poll_outcome();
    REQUIRE(outcome);
    CHECK_FALSE(outcome->answered);
  }

  TEST_CASE("an answer nobody could have sent before the handshake left is no answer") {
    World world;
    REQUIRE(world.checks.begin(5, peer(), swarm(), at(0)));
    Rng same(1);
    const auto channel = static_cast<std::uint32_t>(same.next_u64());
    std::vector<std::byte> octets(200);
    ByteWriter out(octets);
    write_channel(out, ChannelId{channel});
    write_handshake(out, {ChannelId{9}, handshake_options(swarm(), 0, false, false)});
    octets.resize(out.size());
    world.checks.handle_datagram(peer(), octets);
    CHECK_FALSE(world.checks.poll_outcome());
  }

  TEST_CASE("datagrams leave at a limited rate, and so many checks are under way at most") {
    World world;
    std::size_t begun = 0;
    for (std::uint16_t port = 1; port <= 1'000; ++port) {
      if (world.checks.begin(port, peer(port), swarm(), at(0))) ++begun;
    }
    CHECK(begun == 100);
    World slow{.limits = {.max_pending = 1'000, .datagrams_per_second = 50}};
    for (std::uint16_t port = 1; port <= 500; ++port) {
      REQUIRE(slow.checks.begin(port, peer(port), swarm(), at(0)));
    }
    std::size_t sent = 0;
    for (std::int64_t time = 0; time <= 1'000; time += 10) sent += slow.sent(at(time)).size();
    CHECK(sent >= 45);
    CHECK(sent <= 60);
    CHECK(slow.checks.deadline() > at(1'000));
  }

  TEST_CASE("the handshake is what the peer's swarm asks for") {
    struct Case {
      std::size_t id_size;
      const char* options;
      SwarmMetadata expected;
    };
    SwarmMetadata sha1 = swarm();
    sha1.id = SwarmId(std::vector<std::byte>(20, std::byte{7}));
    sha1.hash = HashFunction::sha1;
    SwarmMetadata large = swarm();
    large.chunk_size = 8192;
    large.addressing = ChunkAddressing::bin32;
    for (const Case& each : {Case{32, "", swarm()}, Case{20, "", sha1},
                             Case{32, "cs=8192&cam=bin32&len=100", large}}) {
      const SwarmId id(std::vector<std::byte>(each.id_size, std::byte{7}));
      const auto metadata = metadata_of(id, each.options);
      REQUIRE(metadata);
      World world;
      REQUIRE(world.checks.begin(1, peer(), *metadata, at(0)));
      CHECK(answer(world.sent(at(0)).at(0), each.expected));
    }
    CHECK_FALSE(metadata_of(swarm().id, "cs=nonsense"));
    CHECK_FALSE(metadata_of(SwarmId(std::vector<std::byte>(3, std::byte{7})), ""));
  }
}

}  // namespace
}  // namespace ppspp::tracker
