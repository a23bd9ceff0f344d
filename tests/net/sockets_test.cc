// Sockets that a service manager hands over, and what else a node can be told.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <vector>

#include "net/node_world.h"

using namespace ppspp;
using namespace std::chrono_literals;
using test::NodeWorld;

namespace {

int make_socket(int family, int type, bool only_v6 = true) {
  const int fd = ::socket(family, type, 0);
  REQUIRE(fd >= 0);
  const int value = only_v6 ? 1 : 0;
  if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, sizeof value);
  return fd;
}

int bound(int family, int type = SOCK_DGRAM, bool only_v6 = true) {
  const int fd = make_socket(family, type, only_v6);
  if (family == AF_INET) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  } else {
    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    if (only_v6) address.sin6_addr = in6addr_loopback;
    REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  return fd;
}

bool is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

Result<Node> open_with(asio::io_context& io, std::vector<int> sockets) {
  NodeOptions options;
  options.listen = {TransportAddress::v4(0x7f000001, 1)};  // of no meaning beside sockets
  options.sockets = std::move(sockets);
  options.discovery.local = false;
  return Node::open(io, options);
}

void check_refused(asio::io_context& io, const std::vector<int>& sockets, const char* why) {
  CAPTURE(why);
  const auto node = open_with(io, sockets);
  REQUIRE(!node);
  CHECK(node.error().code == Errc::invalid_argument);
  CHECK(node.error().context.find(why) != std::string::npos);
  for (const int fd : sockets) CHECK_FALSE(is_open(fd));
}

}  // namespace

TEST_SUITE("net/sockets") {
  TEST_CASE("a node works on sockets that were handed over, and closes them in the end") {
    NodeWorld world;
    const int v4 = bound(AF_INET);
    const int v6 = bound(AF_INET6);
    {
      auto seeder = open_with(world.io, {v6, v4});
      REQUIRE(seeder);
      CHECK(seeder->local_addresses().size() == 2);
      CHECK((fcntl(v4, F_GETFL) & O_NONBLOCK) != 0);
      CHECK((fcntl(v4, F_GETFD) & FD_CLOEXEC) != 0);
      const std::string content = world.write("content", 300'000);
      SwarmUrl url = world.seed(*seeder, "content");
      for (const TransportAddress& address : seeder->local_addresses()) {
        CAPTURE(address.to_string());
        NodeOptions options;
        options.discovery.local = false;
        options.listen = {address.is_v4() ? TransportAddress::v4(0x7f000001, 0)
                                          : *TransportAddress::parse("[::1]:0")};
        auto leecher = Node::open(world.io, options);
        REQUIRE(leecher);
        url.peers = {address.to_string()};
        JoinOptions how;
        how.output = world.directory / (address.is_v4() ? "copy4" : "copy6");
        auto swarm = leecher->join(url, how);
        bool complete = false;
        swarm->on_complete([&] { complete = true; });
        REQUIRE(world.run_until([&] { return complete; }));
        CHECK(world.read(how.output.filename()) == content);
      }
    }
    CHECK_FALSE(is_open(v4));
    CHECK_FALSE(is_open(v6));
  }

  TEST_CASE("sockets of the wrong kind are refused, with what is wrong, and closed") {
    asio::io_context io;
    check_refused(io, {bound(AF_INET, SOCK_STREAM)}, "no UDP socket");
    check_refused(io, {make_socket(AF_UNIX, SOCK_DGRAM)}, "no UDP socket");
    check_refused(io, {make_socket(AF_INET, SOCK_DGRAM)}, "not bound");
    check_refused(io, {bound(AF_INET6, SOCK_DGRAM, false)}, "both IP versions");
    check_refused(io, {bound(AF_INET), bound(AF_INET)}, "one for each");
    check_refused(io, {bound(AF_INET), bound(AF_INET, SOCK_STREAM)}, "no UDP socket");
    const int file = open("/dev/null", O_RDONLY);
    check_refused(io, {file}, "no UDP socket");
    CHECK(!open_with(io, {12'345}));
  }

  TEST_CASE("who is banned gets nothing, and is served when the ban is lifted") {
    NodeWorld world;
    Node seeder = world.open();
    Node leecher = world.open();
    world.write("content", 300'000);
    const SwarmUrl url = world.seed(seeder, "content");
    const Network loopback = *Network::parse("127.0.0.0/8");
    seeder.ban(loopback);
    REQUIRE(seeder.bans().size() == 1);
    CHECK(seeder.bans().front().network == loopback);
    auto swarm = leecher.join(url);
    bool complete = false;
    swarm->on_complete([&] { complete = true; });
    CHECK_FALSE(world.run_until([&] { return complete; }, 1s));
    CHECK(seeder.counters().handshakes_forbidden > 0);
    CHECK(seeder.unban(loopback));
    CHECK_FALSE(seeder.unban(loopback));
    swarm->add_peer(seeder.local_addresses().front());
    CHECK(world.run_until([&] { return complete; }));

    seeder.set_address_rules({.allow = {}, .deny = {loopback}});
    CHECK(world.run_until([&] { return seeder.find(url.metadata.id)->channels().empty(); }));
  }

  TEST_CASE("limits of a swarm hold, can be read back, and are lifted") {
    NodeWorld world;
    Node seeder = world.open();
    Node leecher = world.open();
    world.write("content", 2'000'000);
    const SwarmUrl url = world.seed(seeder, "content");
    JoinOptions options;
    options.limits.total.download = 200'000;
    options.limits.weight = 300;
    auto swarm = leecher.join(url, options);
    REQUIRE(swarm);
    CHECK(swarm->limits() == options.limits);
    bool complete = false;
    swarm->on_complete([&] { complete = true; });
    CHECK_FALSE(world.run_until([&] { return complete; }, 2s));
    CHECK(swarm->status().downloaded_bytes < 1'000'000);
    swarm->set_limits({});
    CHECK(swarm->limits() == SwarmLimits{});
    CHECK(world.run_until([&] { return complete; }));
  }

  TEST_CASE("statistics count what was done") {
    NodeWorld world;
    Node seeder = world.open();
    Node leecher = world.open();
    world.write("content", 1'000'000);
    const SwarmUrl url = world.seed(seeder, "content");
    JoinOptions options;
    options.output = world.directory / "copy";
    auto swarm = leecher.join(url, options);
    const auto reader = swarm->open_reader();
    bool complete = false;
    swarm->on_complete([&] { complete = true; });
    REQUIRE(world.run_until([&] { return complete; }));
    const NodeStatistics seeding = seeder.statistics();
    const NodeStatistics fetching = leecher.statistics();
    CHECK(seeding.swarms == 1);
    CHECK(seeding.sleeping == 0);
    CHECK(seeding.endpoint.swarms == 1);
    CHECK(seeding.endpoint.static_swarms.bytes_out >= 1'000'000);
    CHECK(fetching.endpoint.static_swarms.bytes_in == 1'000'000);
    CHECK(fetching.readers == 1);
    CHECK(fetching.turns > 0);
    CHECK(fetching.udp.datagrams_in > 0);
    CHECK(fetching.counters.bytes_in >= 1'000'000);
    CHECK(seeding.store_reads.samples > 0);
    CHECK(seeding.store_writes.samples == 0);
    CHECK(fetching.store_writes.samples > 0);
    CHECK(fetching.store_writes.sum > Microseconds(0));
    CHECK(leecher.find(url.metadata.id));
    swarm->leave();
    CHECK_FALSE(leecher.find(url.metadata.id));
    CHECK(leecher.statistics().endpoint.static_swarms.bytes_in == 1'000'000);
    CHECK(leecher.statistics().swarms == 0);
  }

  TEST_CASE("a publisher reads its own feed: what is signed from now on") {
    NodeWorld world;
    Node node = world.open();
    auto key = SigningKey::generate(SignatureAlgorithm::ed25519);
    FeedOptions options;
    options.metadata.chunks_per_signature = 4;
    options.limits.weight = 7;
    auto feed = node.feed(*std::move(key), options);
    REQUIRE(feed);
    CHECK(feed->swarm().limits().weight == 7);
    const std::string content = world.write("content", 100 * 4'096);
    REQUIRE(feed->append(asio::buffer(content.data(), 200'000)));
    world.run_until([] { return false; }, 1s);
    const auto reader = feed->swarm().open_reader();
    std::string octets;
    std::string buffer(10'000, '\0');
    std::uint64_t begin = 0;
    bool ended = false;
    const std::function<void()> read = [&] {
      reader->async_read_some(asio::buffer(buffer), [&](const error_code& e, std::size_t size) {
        if (octets.empty()) begin = reader->position() - size;
        octets.append(buffer.data(), size);
        if (e) {
          CHECK(e == asio::error::eof);
          ended = true;
        } else {
          read();
        }
      });
    };
    read();
    REQUIRE(feed->append(asio::buffer(content.data() + 200'000, content.size() - 200'000)));
    feed->end();
    REQUIRE(world.run_until([&] { return ended; }));
    CHECK(begin > 100'000);
    CHECK(octets == content.substr(begin));
  }
}
