// UDP ports on the loopback interface, for tests of what sockets do.
#pragma once

#include <doctest/doctest.h>
#include <sched.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "net/udp_port.h"

namespace ppspp::test {

using namespace std::chrono_literals;

inline std::vector<std::byte> octets(std::size_t size, unsigned salt) {
  std::vector<std::byte> result(size);
  for (std::size_t i = 0; i < size; ++i) result[i] = static_cast<std::byte>(i * 31 + salt);
  return result;
}

inline TransportAddress loopback(UdpPort::Version version) {
  if (version == UdpPort::Version::v4) return TransportAddress::v4(0x7f000001, 0);
  return TransportAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 0);
}

struct Arrived {
  std::vector<std::byte> bytes;
  TransportAddress from;
};

// A port on the loopback interface that keeps what arrives.
struct TestPort {
  TestPort(boost::asio::io_context& io_context, std::span<const TransportAddress> listen,
           const UdpOptions& options)
      : io(io_context), port(*UdpPort::open(io_context, listen, options)) {
    start();
  }

  void start() {
    port->start([this](UdpPort::Version version) { read(version); },
                [this] { static_cast<void>(port->send(report)); });
  }

  void read(UdpPort::Version version) {
    for (const auto& datagram : port->receive(version)) {
      arrived.push_back({{datagram.bytes.begin(), datagram.bytes.end()}, datagram.from});
    }
  }

  void queue(const TransportAddress& to, std::span<const std::byte> bytes, std::size_t segment,
             bool probe = false) {
    std::memcpy(port->queue().buffer().data(), bytes.data(), bytes.size());
    port->queue().push({to, bytes.size(), segment, probe});
  }

  void send(const TransportAddress& to, std::span<const std::byte> bytes, std::size_t segment,
            bool probe = false) {
    queue(to, bytes, segment, probe);
    static_cast<void>(port->send(report));
  }

  template <typename Condition>
  bool eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + 5s;
    while (!condition() && std::chrono::steady_clock::now() < deadline) io.run_one_for(10ms);
    return condition();
  }

  bool wait_for(std::size_t count) {
    eventually([&] { return arrived.size() >= count; });
    return arrived.size() == count;
  }

  TransportAddress address() const { return port->local_addresses().front(); }

  boost::asio::io_context& io;
  std::unique_ptr<UdpPort> port;
  std::vector<Arrived> arrived;
  std::vector<std::size_t> too_big;
  SendQueue::TooBig report = [this](const TransportAddress&, std::size_t size) {
    too_big.push_back(size);
  };
};

struct Pair {
  explicit Pair(const UdpOptions& options = {}, UdpPort::Version v = UdpPort::Version::v4)
      : version(v), listen{loopback(v)}, a(io, listen, options), b(io, listen, options) {}
  boost::asio::io_context io;
  UdpPort::Version version;
  std::vector<TransportAddress> listen;
  TestPort a;
  TestPort b;
};

inline UdpOptions variant(unsigned bits) {
  UdpOptions options;
  options.receive_many = (bits & 1) != 0;
  options.send_many = (bits & 2) != 0;
  options.coalesce = (bits & 4) != 0;
  options.segment = (bits & 8) != 0;
  return options;
}

inline void check_train(const std::vector<Arrived>& arrived, std::span<const std::byte> train,
                        std::size_t segment) {
  std::size_t offset = 0;
  for (const Arrived& datagram : arrived) {
    const auto expected = train.subspan(offset, std::min(segment, train.size() - offset));
    REQUIRE(
        std::equal(datagram.bytes.begin(), datagram.bytes.end(), expected.begin(), expected.end()));
    offset += expected.size();
  }
  CHECK(offset == train.size());
}

// Runs `body` in a network of its own, whose loopback interface is up with these settings; not at
// all where we may not make one.
inline void in_private_network(const std::string& settings, const std::function<void()>& body) {
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) return;
    if (std::system(("ip link set lo up " + settings).c_str()) == 0) body();
  }).join();
}

// All that is sent, and what waits behind a full batch, takes the way over threads of the port's
// own.
inline UdpOptions with_lanes(UdpOptions options = {}) {
  options.send_lane = options.receive_lane = true;
  options.lane_from = 1;
  return options;
}

// Runs the test case twice: sent and received in the test's thread, and by lanes.
inline UdpOptions both_ways() {
  UdpOptions options;
  SUBCASE("in one thread") {}
  SUBCASE("by lanes") {
    options = with_lanes();
  }
  return options;
}

}  // namespace ppspp::test
