// Sending and receiving on threads of the port's own.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/active_node.h"
#include "net/node_world.h"
#include "net/port_pair.h"

using namespace ppspp;
using namespace std::chrono_literals;
using test::in_private_network;
using test::NodeWorld;
using test::octets;
using test::Pair;
using test::TestPort;
using test::with_lanes;

namespace {

std::vector<std::byte> numbered(std::uint32_t first, std::size_t count, std::size_t size) {
  std::vector<std::byte> train(count * size);
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = static_cast<std::uint32_t>(first + i);
    std::memcpy(train.data() + i * size, &number, sizeof number);
  }
  return train;
}

std::uint32_t number_of(const test::Arrived& datagram) {
  std::uint32_t number = 0;
  std::memcpy(&number, datagram.bytes.data(), sizeof number);
  return number;
}

void check_in_order(const std::vector<test::Arrived>& arrived) {
  for (std::uint32_t i = 0; i < arrived.size(); ++i) REQUIRE(number_of(arrived[i]) == i);
}

UdpOptions datagram_by_datagram() {  // 16 of them fill a batch
  UdpOptions options = with_lanes();
  options.coalesce = options.segment = false;
  return options;
}

// A node all of whose datagrams take the way over lanes.
std::unique_ptr<ActiveNode> open_with_lanes(NodeWorld& world) {
  NodeOptions options;
  options.discovery = {.local = false, .pex = false};
  const std::array listen = {TransportAddress::v4(0x7f000001, 0)};
  return std::make_unique<ActiveNode>(world.io, *UdpPort::open(world.io, listen, with_lanes()),
                                      options);
}

SwarmUrl seed(NodeWorld& world, ActiveNode& node, const std::string& name) {
  std::optional<Result<Swarm>> seeded;
  node.seed(world.directory / name, {},
            ActiveNode::SeedDone([&](Result<Swarm> swarm) { seeded = std::move(swarm); },
                                 world.io.get_executor()));
  REQUIRE(world.run_until([&] { return seeded.has_value(); }));
  REQUIRE(*seeded);
  SwarmUrl url = (*seeded)->url();
  url.peers = {node.driver().port().local_addresses().front().to_string()};
  return url;
}

using test::into;

}  // namespace

TEST_SUITE("net/lanes") {
  TEST_CASE("datagrams to one peer leave in order, those of the lane and those beside it") {
    UdpOptions options = with_lanes();
    options.lane_from = 5'000;
    Pair pair(options);
    Rng random(test::seed());
    std::uint32_t sent = 0;
    for (int round = 0; round < 400; ++round) {
      for (std::uint64_t trains = 1 + random.next_u64() % 4; trains > 0; --trains) {
        REQUIRE(pair.a.eventually([&] { return !pair.a.port->queue().full(); }));
        const std::size_t count = 1 + random.next_u64() % 8;
        const std::size_t size = 100 + random.next_u64() % 900;
        pair.a.queue(pair.b.address(), numbered(sent, count, size), size);
        sent += static_cast<std::uint32_t>(count);
      }
      static_cast<void>(pair.a.port->send(pair.a.report));
      if (round % 10 == 0) REQUIRE(pair.b.wait_for(sent));  // its buffer is not to run over
    }
    REQUIRE(pair.b.wait_for(sent));
    check_in_order(pair.b.arrived);
  }

  TEST_CASE("what the lane has leaves when the port is stopped") {
    Pair pair(with_lanes());
    for (std::uint32_t i = 0; i < SendQueue::kTrains; ++i) {
      pair.a.queue(pair.b.address(), numbered(i * 10, 10, 1'000), 1'000);
    }
    CHECK(pair.a.port->send(pair.a.report) == SendQueue::Status::done);
    pair.a.port->stop();
    CHECK(pair.a.port->counters().datagrams_out == SendQueue::kTrains * 10);
    REQUIRE(pair.b.wait_for(SendQueue::kTrains * 10));
    check_in_order(pair.b.arrived);
  }

  TEST_CASE("a stopped port begins again, with its lanes") {
    Pair pair(datagram_by_datagram());
    for (std::uint32_t round = 0; round < 3; ++round) {
      pair.a.send(pair.b.address(), numbered(round * 40, 40, 1'000), 1'000);
      REQUIRE(pair.b.wait_for(40 * (round + 1)));
      pair.a.port->stop();
      pair.b.port->stop();
      pair.a.start();
      pair.b.start();
    }
    check_in_order(pair.b.arrived);
  }

  TEST_CASE("a port with a full socket may go, and does not wait for it") {
    in_private_network("mtu 1500", [] {
      if (std::system("tc qdisc add dev lo root tbf rate 8kbit burst 4kb latency 100s") != 0)
        return;
      UdpOptions options = with_lanes();
      options.buffer_size = 8'192;
      for (const bool stop_first : {true, false}) {
        Pair pair;
        TestPort slow(pair.io, pair.listen, options);
        for (unsigned i = 0; i < SendQueue::kTrains; ++i) {
          slow.queue(pair.b.address(), octets(10 * 1'000, i), 1'000);
        }
        CHECK(slow.port->send(slow.report) == SendQueue::Status::done);  // the lane waits now
        slow.queue(pair.b.address(), octets(100, 1), 100);
        CHECK(slow.port->send(slow.report) == SendQueue::Status::would_block);
        if (stop_first) slow.port->stop();
        slow.port.reset();
        pair.io.poll();
      }
    });
  }

  TEST_CASE("what waits behind a full batch arrives in order, and what comes later too") {
    Pair pair(datagram_by_datagram());
    std::uint32_t sent = 0;
    for (const std::uint32_t count : {300u, 16u, 1u, 32u, 17u, 3u}) {
      for (std::uint32_t i = 0; i < count; ++i) {
        REQUIRE(pair.a.eventually([&] { return !pair.a.port->queue().full(); }));
        pair.a.queue(pair.b.address(), numbered(sent++, 1, 500), 500);
        static_cast<void>(pair.a.port->send(pair.a.report));
      }
      REQUIRE(pair.b.wait_for(sent));
      CHECK(pair.b.port->counters().datagrams_in == sent);
    }
    check_in_order(pair.b.arrived);
  }

  TEST_CASE("a port that stops or goes with a batch read ahead is not called again") {
    for (const bool destroy : {false, true}) {
      Pair pair;
      auto port = *UdpPort::open(pair.io, pair.listen, datagram_by_datagram());
      const TransportAddress address = port->local_addresses().front();
      int calls = 0;
      const auto read_once = [&](UdpPort::Version version) {
        ++calls;
        CHECK(port->receive(version).size() == ReceiveBatch::kMessages);
        port->stop();
      };
      for (std::uint32_t i = 0; i < 100; ++i) {
        pair.a.send(address, numbered(i, 1, 500), 500);
      }
      port->start(read_once, [] {});
      REQUIRE(pair.a.eventually([&] { return calls > 0; }));
      if (destroy) port.reset();
      pair.io.poll();
      CHECK(calls == 1);
    }
  }

  TEST_CASE("sockets that were handed over have lanes as well") {
    Pair pair;
    const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in any = {};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0);
    auto port = *UdpPort::adopt(pair.io, std::array{fd}, with_lanes());
    port->start([](UdpPort::Version) {}, [] {});
    const auto bytes = octets(1'000, 1);
    std::memcpy(port->queue().buffer().data(), bytes.data(), bytes.size());
    port->queue().push({pair.b.address(), bytes.size(), bytes.size(), false});
    CHECK(port->send({}) == SendQueue::Status::done);
    REQUIRE(pair.b.wait_for(1));
    CHECK(pair.b.arrived[0].bytes == bytes);
    CHECK(pair.b.arrived[0].from == port->local_addresses().front());
  }

  TEST_CASE("a transfer all of whose datagrams take the lanes is the same content") {
    NodeWorld world;
    const std::string content = world.write("content", 5'000'001);
    auto seeder = open_with_lanes(world);
    auto leecher = open_with_lanes(world);
    auto swarm = leecher->join(seed(world, *seeder, "content"), into(world.directory / "copy"));
    REQUIRE(swarm);
    REQUIRE(world.run_until([&] { return swarm->status().complete; }));
    CHECK(world.read("copy") == content);
    const UdpCounters udp = seeder->statistics().udp;
    CHECK(udp.datagrams_out >= seeder->statistics().counters.datagrams_out / 2);
    CHECK(udp.send_errors == 0);
  }

  TEST_CASE("nodes may go in the middle of a transfer") {
    NodeWorld world;
    world.write("content", 30'000'000);
    for (const bool seeder_first : {false, true}) {
      auto seeder = open_with_lanes(world);
      auto leecher = open_with_lanes(world);
      const auto path = world.directory / (seeder_first ? "copy1" : "copy2");
      auto swarm = leecher->join(seed(world, *seeder, "content"), into(path));
      REQUIRE(swarm);
      REQUIRE(world.run_until([&] { return swarm->status().downloaded_bytes > 0; }));
      swarm = tl::unexpected(Error{});
      (seeder_first ? seeder : leecher).reset();
      world.io.poll();
      (seeder_first ? leecher : seeder).reset();
      CHECK(world.runs_out());
    }
  }

  TEST_CASE("with several threads a node gets what another one seeds") {
    NodeWorld world;
    const std::string content = world.write("content", 20'000'000);
    NodeOptions options;
    options.listen = {TransportAddress::v4(0x7f000001, 0)};
    options.discovery = {.local = false, .pex = false};
    options.threads = 3;
    Node seeder = *Node::open(world.io, options);
    Node leecher = *Node::open(world.io, options);
    auto swarm = leecher.join(world.seed(seeder, "content"), into(world.directory / "copy"));
    REQUIRE(swarm);
    REQUIRE(world.run_until([&] { return swarm->status().complete; }));
    CHECK(world.read("copy") == content);
  }
}
