// Two nodes on the loopback interface, for tests of the public interface.
#pragma once

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "ppspp/ppspp.h"
#include "ppspp/random_source.h"
#include "support/seed.h"
#include "support/temporary_directory.h"

namespace ppspp::test {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

inline node::JoinOptions into(const fs::path& path) {
  node::JoinOptions options;
  options.output = path;
  return options;
}

// Nodes that run in one io_context, and a directory that is removed in the end.
struct NodeWorld {
  Node open(unsigned threads = 0) {
    NodeOptions options;
    options.threads = threads;
    options.listen = {TransportAddress::v4(0x7f000001, 0)};
    options.discovery = {.local = false, .pex = false};  // who meets whom is the test's business
    return *Node::open(io, options);
  }

  std::string write(const std::string& name, std::size_t size) {
    Rng random(test::seed());
    std::string content(size, '\0');
    for (char& octet : content) octet = static_cast<char>(random.next_u64());
    std::ofstream(directory / name, std::ios::binary) << content;
    return content;
  }

  std::string read(const std::string& name) const {
    std::ifstream file(directory / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // Seeds a file, and returns the URL that names the node as a peer.
  SwarmUrl seed(Node& node, const std::string& name, SeedOptions options = {}) {
    std::optional<Result<Swarm>> seeded;
    node.async_seed(directory / name, std::move(options),
                    [&](Result<Swarm> swarm) { seeded = std::move(swarm); });
    REQUIRE(run_until([&] { return seeded.has_value(); }));
    REQUIRE(*seeded);
    SwarmUrl url = (*seeded)->url();
    url.peers = {node.local_addresses().front().to_string()};
    return url;
  }

  template <typename Condition>
  bool run_until(Condition condition, std::chrono::seconds limit = 20s) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      io.restart();
      io.run_one_for(50ms);
    }
    return condition();
  }

  bool runs_out() {
    io.restart();
    io.run_for(10s);
    return io.stopped();
  }

  asio::io_context io;
  test::TemporaryDirectory directory;
};

}  // namespace ppspp::test
