#include "net/udp_port.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <vector>

#include "net/clock.h"
#include "net/port_pair.h"
#include "net/socket_address.h"

using namespace ppspp;
using namespace std::chrono_literals;
using test::both_ways;
using test::check_train;
using test::in_private_network;
using test::octets;
using test::Pair;
using test::TestPort;
using test::variant;
using test::with_lanes;

TEST_SUITE("net/udp_port") {
  TEST_CASE("a train arrives as its datagrams, whatever the kernel can or is let do") {
    for (unsigned bits = 0; bits < 32; ++bits) {
      CAPTURE(bits);
      Pair pair(bits < 16 ? variant(bits) : with_lanes(variant(bits)));
      const auto train = octets(45 * 1100 + 300, bits);
      pair.a.send(pair.b.address(), train, 1100);
      REQUIRE(pair.b.wait_for(46));
      check_train(pair.b.arrived, train, 1100);
      CHECK(pair.b.arrived.front().from == pair.a.address());
      CHECK(pair.a.eventually([&] { return pair.a.port->counters().datagrams_out == 46; }));
      CHECK(pair.b.port->counters().datagrams_in == 46);
    }
  }

  TEST_CASE("the same over IPv6") {
    for (const unsigned bits : {0u, 15u, 16u, 31u}) {
      CAPTURE(bits);
      Pair pair(bits < 16 ? variant(bits) : with_lanes(variant(bits)), UdpPort::Version::v6);
      const auto train = octets(30 * 1400 + 7, bits);
      pair.a.send(pair.b.address(), train, 1400);
      REQUIRE(pair.b.wait_for(31));
      check_train(pair.b.arrived, train, 1400);
      CHECK(pair.b.arrived.front().from == pair.a.address());
    }
  }

  TEST_CASE("a train takes one system call where the kernel segments, and batches where not") {
    Pair pair;
    if (!pair.a.port->segments(pair.version)) return;
    const auto train = octets(60 * 1000, 1);
    pair.a.send(pair.b.address(), train, 1000);
    CHECK(pair.a.port->counters().send_calls == 1);

    UdpOptions options;
    options.segment = false;
    Pair batched(options);
    batched.a.send(batched.b.address(), train, 1000);
    CHECK(batched.a.port->counters().send_calls == 1);
    options.send_many = false;
    Pair single(options);
    single.a.send(single.b.address(), train, 1000);
    CHECK(single.b.wait_for(60));
  }

  TEST_CASE("several trains to several peers leave in few calls, each to its own") {
    Pair pair(both_ways());
    TestPort c(pair.io, pair.listen, {});
    for (unsigned i = 0; i < SendQueue::kTrains; ++i) {
      pair.a.queue(i % 2 == 0 ? pair.b.address() : c.address(), octets(500 + i, i), 500 + i);
    }
    CHECK(pair.a.port->queue().full());
    static_cast<void>(pair.a.port->send(pair.a.report));
    CHECK(pair.a.port->queue().empty());
    REQUIRE(pair.b.wait_for(SendQueue::kTrains / 2));
    REQUIRE(c.wait_for(SendQueue::kTrains / 2));
    for (unsigned i = 0; i < SendQueue::kTrains; ++i) {
      CHECK((i % 2 == 0 ? pair.b : c).arrived[i / 2].bytes == octets(500 + i, i));
    }
    CHECK(pair.a.eventually([&] { return pair.a.port->counters().send_calls == 1; }));
  }

  TEST_CASE("trains beyond the kernel's limits of 64 segments and 65,507 octets are cut") {
    Pair pair(both_ways());
    const auto many = octets(200 * 100, 3);
    pair.a.send(pair.b.address(), many, 100);
    REQUIRE(pair.b.wait_for(200));
    check_train(pair.b.arrived, many, 100);

    pair.b.arrived.clear();
    const auto big = octets(65'536, 4);
    pair.a.send(pair.b.address(), big, 8'192);
    REQUIRE(pair.b.wait_for(8));
    check_train(pair.b.arrived, big, 8'192);
  }

  TEST_CASE("the largest datagram of IPv4 goes through, fragmented where it has to be") {
    for (const bool many : {true, false}) {
      UdpOptions options;
      options.receive_many = options.send_many = many;
      Pair pair(options);
      const auto datagram = octets(65'507, 5);
      pair.a.send(pair.b.address(), datagram, datagram.size());
      REQUIRE(pair.b.wait_for(1));
      CHECK(pair.b.arrived[0].bytes == datagram);
    }
  }

  TEST_CASE("a datagram that cannot be sent is reported with its size, and the next one goes") {
    Pair pair(both_ways());
    pair.a.queue(pair.b.address(), octets(65'520, 6), 65'520);
    pair.a.queue(pair.b.address(), octets(100, 7), 100);
    static_cast<void>(pair.a.port->send(pair.a.report));
    REQUIRE(pair.b.wait_for(1));
    CHECK(pair.b.arrived[0].bytes == octets(100, 7));
    CHECK(pair.a.eventually([&] { return !pair.a.too_big.empty(); }));
    CHECK(pair.a.too_big == std::vector<std::size_t>{65'520});
    CHECK(pair.a.port->counters().too_big == 1);
  }

  TEST_CASE("a path probe is not fragmented, and what follows it may be") {
    Pair pair(both_ways(), UdpPort::Version::v6);
    // The loopback interface carries 65,536 octets, less 48 for the headers; UDP could name more.
    const auto oversized = octets(65'500, 8);
    pair.a.queue(pair.b.address(), oversized, oversized.size(), true);
    pair.a.queue(pair.b.address(), oversized, oversized.size(), false);
    static_cast<void>(pair.a.port->send(pair.a.report));
    REQUIRE(pair.b.wait_for(1));
    CHECK(pair.b.arrived[0].bytes == oversized);
    CHECK(pair.a.eventually([&] { return !pair.a.too_big.empty(); }));
    CHECK(pair.a.too_big == std::vector<std::size_t>{65'500});
  }

  TEST_CASE("segments that the path's first link cannot carry are sent one by one, in fragments") {
    const UdpOptions options = both_ways();
    in_private_network("mtu 1300", [&options] {
      for (const auto version : {UdpPort::Version::v4, UdpPort::Version::v6}) {
        Pair pair(options, version);
        if (!pair.a.port->segments(version)) continue;
        const auto train = octets(40 * 1400, 9);
        pair.a.send(pair.b.address(), train, 1400);
        REQUIRE(pair.b.wait_for(40));
        check_train(pair.b.arrived, train, 1400);
        CHECK(pair.a.eventually([&] { return pair.a.port->counters().trains_split == 1; }));
        CHECK(pair.a.too_big.empty());
        CHECK(pair.a.port->segments(version));  // other paths may well be better
      }
    });
  }

  TEST_CASE("a refused or unreachable address does not stop the port") {
    Pair pair(both_ways());
    pair.a.queue(TransportAddress::v4(0x7f000001, 0), octets(50, 1), 50);  // no such port
    pair.a.queue(TransportAddress::v6({0x20, 1}, 9), octets(50, 2), 50);   // no IPv6 socket
    pair.a.queue(TransportAddress::v4(0x7f000001, 1), octets(50, 3), 50);  // nobody there
    pair.a.queue(pair.b.address(), octets(50, 4), 50);
    static_cast<void>(pair.a.port->send(pair.a.report));
    REQUIRE(pair.b.wait_for(1));
    CHECK(pair.a.eventually([&] { return pair.a.port->counters().send_errors == 2; }));
    CHECK(pair.a.port->queue().empty());
  }

  TEST_CASE("what the socket does not take stays in order and leaves when it does") {
    UdpOptions options = both_ways();
    in_private_network("mtu 1500", [&options] {
      // 1 MB/s, and a queue that holds a second of it: the sender's buffer fills instead.
      if (std::system("tc qdisc add dev lo root tbf rate 8mbit burst 4kb latency 1s") != 0) return;
      options.buffer_size = 8'192;
      Pair pair;
      TestPort slow(pair.io, pair.listen, options);
      for (unsigned i = 0; i < SendQueue::kTrains; ++i) {
        slow.queue(pair.b.address(), octets(10 * 1'000, i), 1'000);
      }
      static_cast<void>(slow.port->send(slow.report));
      if (!options.send_lane) CHECK(!slow.port->queue().empty());
      REQUIRE(pair.b.wait_for(SendQueue::kTrains * 10));
      CHECK(slow.eventually([&] { return slow.port->counters().would_block > 0; }));
      CHECK(slow.port->queue().empty());
      for (unsigned i = 0; i < SendQueue::kTrains; ++i) {
        const auto train = octets(10 * 1'000, i);
        CHECK(
            std::equal(train.begin(), train.begin() + 1'000, pair.b.arrived[i * 10].bytes.begin()));
      }
    });
  }

  TEST_CASE("[::] means both IP versions, under one number also when it is any") {
    boost::asio::io_context io;
    const std::vector<TransportAddress> any = {TransportAddress{}};
    auto port = UdpPort::open(io, any);
    REQUIRE(port);
    const auto addresses = (*port)->local_addresses();
    CHECK(addresses.front().port() != 0);
    for (const auto& address : addresses) CHECK(address.port() == addresses.front().port());
    CHECK(addresses.back().is_v4());
  }

  TEST_CASE("a port that is taken, and two addresses of one version, are errors that say so") {
    Pair pair;
    const std::vector<TransportAddress> taken = {pair.a.address()};
    const auto second = UdpPort::open(pair.io, taken);
    REQUIRE(!second);
    CHECK(second.error().code == Errc::exists);
    CHECK(second.error().context.find(pair.a.address().to_string()) != std::string::npos);

    const std::vector<TransportAddress> twice = {TransportAddress::v4(0, 1),
                                                 TransportAddress::v4(0, 2)};
    CHECK(UdpPort::open(pair.io, twice).error().code == Errc::invalid_argument);
  }

  TEST_CASE("a stopped port gives the io_context nothing to do, and may be gone when it runs") {
    Pair pair;
    pair.io.poll();
    pair.a.port->stop();
    pair.b.port.reset();
    CHECK(pair.io.run_for(5s) <= 2);
    CHECK(pair.io.stopped());
  }

  TEST_CASE("addresses survive the way to the system's form and back") {
    for (const auto* text : {"192.0.2.1:6778", "[2001:db8::1]:1", "[fe80::1%2]:65535"}) {
      const auto address = *TransportAddress::parse(text);
      sockaddr_storage storage = {};
      to_sockaddr(address, storage);
      CHECK(from_sockaddr(storage) == address);
    }
  }

  TEST_CASE("the wall time is carried on by the monotonic clock (RFC 7574, 8.6)") {
    const Now first = read_clocks();
    const Now second = read_clocks();
    CHECK(second.monotonic >= first.monotonic);
    CHECK(second.wall.microseconds - first.wall.microseconds ==
          static_cast<std::uint64_t>((second.monotonic - first.monotonic).count()));
    const auto system = std::chrono::duration_cast<Microseconds>(
                            std::chrono::system_clock::now().time_since_epoch())
                            .count();
    CHECK(std::abs(system - static_cast<std::int64_t>(second.wall.microseconds)) < 60'000'000);
  }
}
