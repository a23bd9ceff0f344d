#include <doctest/doctest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "net/node_world.h"
#include "ppspp/ppspp.h"
#include "ppspp/random_source.h"
#include "support/seed.h"

using namespace ppspp;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

using World = test::NodeWorld;

using test::into;

}  // namespace

TEST_SUITE("net/node") {
  TEST_CASE("what one node seeds, another gets: the same octets, on disk when it says complete") {
    for (const std::size_t size : {1u, 1024u, 1025u, 3'000'000u}) {
      CAPTURE(size);
      World world;
      Node seeder = world.open();
      Node leecher = world.open();
      const std::string content = world.write("content", size);
      const SwarmUrl url = world.seed(seeder, "content");
      CHECK(url.metadata.content_length == size);
      CHECK(url.display_name == "content");

      bool complete = false;
      bool first = false;
      auto swarm = leecher.join(url, into(world.directory / "copy"));
      REQUIRE(swarm);
      swarm->on_first_byte([&] { first = true; });
      swarm->on_complete([&] { complete = true; });
      REQUIRE(world.run_until([&] { return complete; }));
      CHECK(first);
      CHECK(world.read("copy") == content);
      CHECK(!fs::exists(world.directory / "copy.ppspp"));
      const SwarmStatus status = swarm->status();
      CHECK(status.complete);
      CHECK(status.downloaded_bytes == size);
      CHECK(status.peers_seen == 1);
    }
  }

  TEST_CASE("without `len` the size is detected (5.6)") {
    World world;
    Node seeder = world.open();
    Node leecher = world.open();
    const std::string content = world.write("content", 300'001);
    SwarmUrl url = world.seed(seeder, "content");
    url.metadata.content_length.reset();
    bool complete = false;
    auto swarm = leecher.join(url, into(world.directory / "copy"));
    swarm->on_complete([&] { complete = true; });
    REQUIRE(world.run_until([&] { return complete; }));
    CHECK(world.read("copy") == content);
    CHECK(swarm->url().metadata.content_length == 300'001);
  }

  TEST_CASE("a reader gets the content in order, and eof at its end") {
    World world;
    Node seeder = world.open();
    Node leecher = world.open();
    const std::string content = world.write("content", 1'500'000);
    auto swarm = leecher.join(world.seed(seeder, "content"));
    REQUIRE(swarm);
    std::string read;
    std::optional<error_code> end;
    asio::async_read(swarm->reader(), asio::dynamic_buffer(read),
                     [&](const error_code& error, std::size_t) { end = error; });
    REQUIRE(world.run_until([&] { return end.has_value(); }));
    CHECK(*end == asio::error::eof);
    CHECK(read == content);
  }

  TEST_CASE("a reader can begin elsewhere") {
    World world;
    Node seeder = world.open();
    Node leecher = world.open();
    const std::string content = world.write("content", 800'000);
    auto swarm = leecher.join(world.seed(seeder, "content"));
    REQUIRE(swarm->reader().seek(700'000));
    std::string read;
    std::optional<error_code> end;
    asio::async_read(swarm->reader(), asio::dynamic_buffer(read),
                     [&](const error_code& error, std::size_t) { end = error; });
    REQUIRE(world.run_until([&] { return end.has_value(); }));
    CHECK(read == content.substr(700'000));
    CHECK(!swarm->reader().seek(800'001));
  }

  TEST_CASE("with no swarm left, run() returns") {
    World world;
    Node seeder = world.open();
    Node leecher = world.open();
    world.write("content", 100'000);
    const SwarmUrl url = world.seed(seeder, "content");
    auto swarm = leecher.join(url, into(world.directory / "copy"));
    bool complete = false;
    swarm->on_complete([&] {
      complete = true;
      swarm->leave();
      seeder = world.open();  // the old one leaves its swarm
    });
    CHECK(world.runs_out());
    CHECK(complete);
    CHECK(swarm->left());
    CHECK(swarm->status().complete);  // as it was
  }

  TEST_CASE("after leave() operations say so, and a read under way ends") {
    World world;
    Node node = world.open();
    SwarmUrl url;
    url.metadata.id = SwarmId(std::vector<std::byte>(32, std::byte{7}));
    auto swarm = node.join(url);
    REQUIRE(swarm);
    std::optional<error_code> under_way;
    std::optional<error_code> later;
    char buffer[10];
    swarm->reader().async_read_some(asio::buffer(buffer),
                                    [&](const error_code& e, std::size_t) { under_way = e; });
    CHECK(node.join(url).error().code == Errc::exists);
    swarm->leave();
    swarm->leave();
    swarm->reader().async_read_some(asio::buffer(buffer),
                                    [&](const error_code& e, std::size_t) { later = e; });
    CHECK(!under_way);  // never from within a call
    CHECK(swarm->reader().seek(0).error().code == Errc::left);
    CHECK(swarm->add_peer("127.0.0.1:1").error().code == Errc::left);
    CHECK(world.runs_out());
    CHECK(*under_way == asio::error::operation_aborted);
    CHECK(*later == asio::error::operation_aborted);
    CHECK(node.join(url));  // again, since it was left
  }

  TEST_CASE("a handler may destroy the node and the swarm") {
    World world;
    Node seeder = world.open();
    std::optional<Node> leecher(world.open());
    world.write("content", 50'000);
    std::optional<Swarm> swarm(
        *leecher->join(world.seed(seeder, "content"), into(world.directory / "copy")));
    bool complete = false;
    swarm->on_complete([&] {
      complete = true;
      leecher.reset();
      swarm.reset();
    });
    CHECK(world.run_until([&] { return complete; }));
    world.run_until([] { return false; }, 1s);
  }

  TEST_CASE("hashing ends with the node") {
    World world;
    std::optional<Node> node(world.open());
    world.write("content", 20'000'000);
    std::optional<Errc> outcome;
    node->async_seed(world.directory / "content", {}, [&](Result<Swarm> swarm) {
      outcome = swarm ? std::nullopt : std::optional(swarm.error().code);
    });
    node.reset();
    CHECK(world.runs_out());
    CHECK(outcome == Errc::left);
  }

  TEST_CASE("what cannot be seeded or joined is an error for the user") {
    World world;
    Node node = world.open();
    std::optional<Errc> missing;
    node.async_seed(world.directory / "missing", {},
                    [&](Result<Swarm> swarm) { missing = swarm.error().code; });
    CHECK(world.runs_out());
    CHECK(missing == Errc::not_found);

    SwarmUrl url;
    url.metadata.id = SwarmId(std::vector<std::byte>(32, std::byte{7}));
    url.metadata.content_length = 1'000;
    world.write("other", 10);
    std::optional<Errc> in_the_way;
    auto swarm = node.join(url, into(world.directory / "other"));
    swarm->on_error([&](const Error& error) { in_the_way = error.code; });
    CHECK(world.runs_out());
    CHECK(in_the_way == Errc::exists);
    CHECK(swarm->left());

    url.metadata.live = true;
    CHECK(!node.join(url));
  }

  TEST_CASE("a file that is already the content is complete at once") {
    World world;
    Node seeder = world.open();
    Node other = world.open();
    world.write("content", 70'000);
    const SwarmUrl url = world.seed(seeder, "content");
    fs::copy_file(world.directory / "content", world.directory / "copy");
    auto swarm = other.join(url, into(world.directory / "copy"));
    bool complete = false;
    swarm->on_complete([&] { complete = true; });
    REQUIRE(world.run_until([&] { return complete; }));
    CHECK(swarm->status().downloaded_bytes == 0);
  }

  TEST_CASE("a download goes on where it was left") {
    World world;
    Node seeder = world.open();
    Node leecher = world.open();
    const std::string content = world.write("content", 4'000'000);
    const SwarmUrl url = world.seed(seeder, "content");
    leecher.set_limits(std::nullopt, 1'000'000);
    auto first = leecher.join(url, into(world.directory / "copy"));
    REQUIRE(world.run_until([&] { return first->status().verified_bytes >= 500'000; }));
    first->leave();
    const std::uint64_t had = first->status().verified_bytes;
    REQUIRE(had < content.size());
    leecher = world.open();
    auto second = leecher.join(url, into(world.directory / "copy"));
    bool complete = false;
    second->on_complete([&] { complete = true; });
    REQUIRE(world.run_until([&] { return complete; }));
    CHECK(world.read("copy") == content);
    CHECK(second->status().downloaded_bytes <= content.size() - had);
  }
}
