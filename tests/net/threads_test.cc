// What one thread does, several do: transfers with helpers that check what is received.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/udp.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "net/node_world.h"

using namespace ppspp;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

using asio::ip::udp;

constexpr unsigned kThreads = 3;

// Threads of the process that check what is received.
std::size_t helpers() {
  std::size_t count = 0;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    if (name == "ppspp-check") ++count;
  }
  return count;
}

using test::into;

// Between a leecher and its seeder, damaging some of what the latter sends.
class Path {
 public:
  Path(asio::io_context& io, const TransportAddress& seeder)
      : front_(io, {asio::ip::address_v4::loopback(), 0}),
        back_(io, {asio::ip::address_v4::loopback(), 0}) {
    for (udp::socket* socket : {&front_, &back_}) {
      socket->set_option(asio::socket_base::receive_buffer_size(4 << 20));
      socket->set_option(asio::socket_base::send_buffer_size(4 << 20));
    }
    back_.connect({asio::ip::address_v4::loopback(), seeder.port()});
    hear_leecher();
    hear_seeder();
  }
  std::string address() const {
    return "127.0.0.1:" + std::to_string(front_.local_endpoint().port());
  }
  std::size_t damaged() const { return damaged_; }

 private:
  void hear_leecher() {
    front_.async_receive_from(asio::buffer(up_), leecher_,
                              [this](const error_code& error, std::size_t size) {
                                if (error == asio::error::operation_aborted) return;
                                error_code ignored;
                                back_.send(asio::buffer(up_, size), 0, ignored);
                                hear_leecher();
                              });
  }
  // The last octets of large datagrams are a chunk's.
  void hear_seeder() {
    back_.async_receive(asio::buffer(down_), [this](const error_code& error, std::size_t size) {
      if (error == asio::error::operation_aborted) return;
      if (size > 600 && random_.below(50) == 0) {
        down_[size - 1 - random_.below(500)] ^= 0x20;
        ++damaged_;
      }
      error_code ignored;
      front_.send_to(asio::buffer(down_, size), leecher_, 0, ignored);
      hear_seeder();
    });
  }

  udp::socket front_;
  udp::socket back_;
  udp::endpoint leecher_;
  std::array<char, 65'536> up_ = {};
  std::array<char, 65'536> down_ = {};
  Rng random_{test::seed()};
  std::size_t damaged_ = 0;
};

// The whole of it.
Swarm fetch(test::NodeWorld& world, Node& leecher, const SwarmUrl& url,
            const std::string& content) {
  auto swarm = leecher.join(url, into(world.directory / "copy"));
  REQUIRE(swarm);
  const auto complete = std::make_shared<bool>(false);  // the handler lives as long as the swarm
  swarm->on_complete([complete] { *complete = true; });
  REQUIRE(world.run_until([&] { return *complete; }, 60s));
  CHECK(world.read("copy") == content);
  return *std::move(swarm);
}

}  // namespace

TEST_SUITE("net/threads") {
  TEST_CASE("chunks of all sizes arrive, checked by three threads") {
    for (const std::uint32_t chunk_size : {512U, 1'024U, 1'400U, 8'192U, 60'000U}) {
      CAPTURE(chunk_size);
      test::NodeWorld world;
      Node seeder = world.open(kThreads);
      Node leecher = world.open(kThreads);
      const std::string content = world.write("content", 12'345'678);
      SeedOptions options;
      options.metadata.chunk_size = chunk_size;
      const SwarmUrl url = world.seed(seeder, "content", options);
      const Swarm swarm = fetch(world, leecher, url, content);
      CHECK(swarm.status().chunks_rejected == 0);
      CHECK(swarm.status().downloaded_bytes == content.size());
      CHECK(helpers() <= kThreads - 1);  // the seeder needs none
    }
    CHECK(helpers() == 0);
  }

  TEST_CASE("damaged chunks in between are refused, and all arrives") {
    for (const std::uint32_t chunk_size : {1'024U, 8'192U}) {
      CAPTURE(chunk_size);
      test::NodeWorld world;
      Node seeder = world.open();
      Node leecher = world.open(kThreads);
      const std::string content = world.write("content", 6'000'000);
      SeedOptions options;
      options.metadata.chunk_size = chunk_size;
      SwarmUrl url = world.seed(seeder, "content", options);
      Path path(world.io, seeder.local_addresses().front());
      url.peers = {path.address()};
      const Swarm swarm = fetch(world, leecher, url, content);
      const SwarmStatus status = swarm.status();
      CHECK(path.damaged() > 0);
      CHECK(status.chunks_rejected > 0);
      CHECK(status.chunks_rejected <= path.damaged());
    }
  }

  TEST_CASE("a swarm is left, and a node goes, in the midst of it") {
    test::NodeWorld world;
    Node seeder = world.open(kThreads);
    const std::string content = world.write("content", 8'000'000);
    const SwarmUrl url = world.seed(seeder, "content");
    Rng random(test::seed());
    for (int round = 0; round < 12; ++round) {
      CAPTURE(round);
      std::optional<Node> leecher = world.open(kThreads);
      const std::string name = "copy" + std::to_string(round);
      auto swarm = leecher->join(url, into(world.directory / name));
      REQUIRE(swarm);
      const std::uint64_t enough = 100'000 + random.below(7'000'000);
      REQUIRE(world.run_until([&] { return swarm->status().verified_bytes >= enough; }));
      if (round % 3 != 0) swarm->leave();
      if (round % 3 == 1) {
        auto again = leecher->join(url, into(world.directory / (name + "b")));
        REQUIRE(again);
        bool complete = false;
        again->on_complete([&] { complete = true; });
        REQUIRE(world.run_until([&] { return complete; }));
        CHECK(world.read(name + "b") == content);
      }
      leecher.reset();
      CHECK(helpers() == 0);
    }
  }

  TEST_CASE("little is not worth waking a thread for") {
    test::NodeWorld world;
    Node seeder = world.open(kThreads);
    Node leecher = world.open(kThreads);
    const std::string content = world.write("content", 30'000);
    const SwarmUrl url = world.seed(seeder, "content");
    const Swarm swarm = fetch(world, leecher, url, content);
    CHECK(helpers() == 0);
  }

  TEST_CASE("a feed whose chunks are signed one by one is checked by all threads (6.1.1)") {
    for (const auto algorithm :
         {SignatureAlgorithm::ed25519, SignatureAlgorithm::ecdsap256sha256}) {
      CAPTURE(to_string(algorithm));
      test::NodeWorld world;
      Node source = world.open();
      Node viewer = world.open(kThreads);
      FeedOptions options;
      options.metadata.integrity = IntegrityMethod::sign_all;
      auto feed = source.feed(*SigningKey::generate(algorithm), options);
      REQUIRE(feed);
      const std::string content = world.write("content", 3'000'000);
      REQUIRE(feed->append(asio::buffer(content)));
      SwarmUrl url = feed->swarm().url();
      url.peers = {source.local_addresses().front().to_string()};
      JoinOptions from_oldest;
      from_oldest.live.tune_in = TuneIn::oldest;
      auto swarm = viewer.join(url, from_oldest);
      REQUIRE(swarm);
      std::string got;
      std::array<char, 50'000> buffer = {};
      std::optional<error_code> ended;
      std::function<void()> read = [&] {
        swarm->reader().async_read_some(asio::buffer(buffer),
                                        [&](const error_code& error, std::size_t size) {
                                          got.append(buffer.data(), size);
                                          if (error) return void(ended = error);
                                          read();
                                        });
      };
      read();
      REQUIRE(world.run_until([&] { return got.size() > 1'000'000; }, 40s));
      feed->end();
      REQUIRE(world.run_until([&] { return ended.has_value(); }, 40s));
      CHECK(*ended == asio::error::eof);
      CHECK(content.ends_with(got));
      CHECK(swarm->status().live->signatures_rejected == 0);
      CHECK(helpers() == kThreads - 1);
    }
  }
}
