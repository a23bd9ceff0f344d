// A live feed through the public interface: published, read, ended, recorded.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <vector>

#include "net/node_world.h"

using namespace ppspp;
using namespace std::chrono_literals;
using test::NodeWorld;

namespace {

// Appends a part of the content every ten milliseconds, then ends the feed.
class Pump {
 public:
  Pump(asio::io_context& io, LiveFeed feed, std::string content, std::size_t step)
      : timer_(io), feed_(std::move(feed)), content_(std::move(content)), step_(step) {
    turn();
  }

 private:
  void turn() {
    const std::size_t size = std::min(step_, content_.size() - at_);
    if (size == 0) return feed_.end();
    const auto appended = feed_.append(asio::buffer(content_.data() + at_, size));
    REQUIRE_MESSAGE(appended, (appended ? "" : appended.error().context));
    at_ += size;
    timer_.expires_after(10ms);
    timer_.async_wait([this](const error_code& error) {
      if (!error) turn();
    });
  }

  asio::steady_timer timer_;
  LiveFeed feed_;
  std::string content_;
  std::size_t step_;
  std::size_t at_ = 0;
};

// Reads to the end of the feed.
struct Reading {
  explicit Reading(Swarm s) : swarm(std::move(s)) { read(); }

  void read() {
    swarm.reader().async_read_some(asio::buffer(buffer),
                                   [this](const error_code& error, std::size_t size) {
                                     if (!begun) start = swarm.reader().position() - size;
                                     begun = true;
                                     got.append(buffer.data(), size);
                                     if (error) return void(ended = error);
                                     read();
                                   });
  }

  Swarm swarm;
  std::array<char, 10'000> buffer = {};
  std::string got;
  std::uint64_t start = 0;
  bool begun = false;
  std::optional<error_code> ended;
};

SwarmUrl url_of(const Node& node, const LiveFeed& feed) {
  SwarmUrl url = feed.swarm().url();
  url.peers = {node.local_addresses().front().to_string()};
  return url;
}

SigningKey fresh_key() {
  return *SigningKey::generate(SignatureAlgorithm::ecdsap256sha256);
}

}  // namespace

TEST_SUITE("net/live") {
  TEST_CASE("what is appended is read, to the end, over a relay as well") {
    NodeWorld world;
    Node source = world.open();
    Node relay = world.open();
    Node viewer = world.open();
    const std::string content = world.write("content", 1'500'123);
    auto feed = source.feed(fresh_key(), {});
    REQUIRE(feed);
    const SwarmUrl url = url_of(source, *feed);
    CHECK(url.metadata.live);

    Reading near(*relay.join(url));
    // It is there when the feed begins, however slow the machine is.
    REQUIRE(world.run_until([&] { return near.swarm.status().channels > 0; }));
    Pump pump(world.io, *feed, content, 10'000);
    SwarmUrl of_relay = url;
    of_relay.peers = {relay.local_addresses().front().to_string()};
    Reading far(*viewer.join(of_relay));
    bool delivered = false;
    feed->on_delivered([&] { delivered = true; });
    REQUIRE(world.run_until([&] { return near.ended && far.ended && delivered; }));
    for (const Reading* reading : {&near, &far}) {
      CHECK(*reading->ended == asio::error::eof);
      CHECK(reading->start + reading->got.size() == content.size());
      CHECK(content.compare(reading->start, std::string::npos, reading->got) == 0);
      CHECK(reading->swarm.status().live->ended);
      CHECK(reading->swarm.status().live->chunks_skipped == 0);
    }
    CHECK(near.start == 0);
    CHECK(feed->append(asio::buffer("late", 4)).error().code == Errc::left);
  }

  TEST_CASE("a recording is a static swarm when the feed has ended (6.1.2.1)") {
    NodeWorld world;
    Node source = world.open();
    Node leecher = world.open();
    const std::string content = world.write("content", 700'001);
    FeedOptions options;
    options.record = world.directory / "recording";
    options.display_name = "evening.ts";
    auto feed = source.feed(fresh_key(), options);
    REQUIRE(feed);
    Pump pump(world.io, *feed, content, 20'000);
    bool delivered = false;
    feed->on_delivered([&] { delivered = true; });
    REQUIRE(world.run_until([&] { return delivered; }));

    std::optional<Result<Swarm>> seeded;
    source.async_seed_recording(*feed, [&](Result<Swarm> swarm) { seeded = std::move(swarm); });
    REQUIRE(world.run_until([&] { return seeded.has_value(); }));
    REQUIRE_MESSAGE(*seeded, (*seeded ? "" : seeded->error().context));
    SwarmUrl url = (*seeded)->url();
    CHECK_FALSE(url.metadata.live);
    CHECK(url.metadata.content_length == content.size());
    CHECK(world.read("recording") == content);

    url.peers = {source.local_addresses().front().to_string()};
    JoinOptions join;
    join.output = world.directory / "copy";
    auto copy = leecher.join(url, join);
    REQUIRE(copy);
    bool complete = false;
    copy->on_complete([&] { complete = true; });
    REQUIRE(world.run_until([&] { return complete; }));
    CHECK(world.read("copy") == content);
  }

  TEST_CASE("a recording never overwrites a file that is there, unless it is told to") {
    NodeWorld world;
    Node source = world.open();
    const std::string precious = world.write("recording", 1'000);
    FeedOptions options;
    options.record = world.directory / "recording";
    const auto refused = source.feed(fresh_key(), options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::exists);
    CHECK(world.read("recording") == precious);
    options.force = true;
    CHECK(source.feed(fresh_key(), options));
  }

  TEST_CASE("leaving in the middle lets everything come to rest") {
    NodeWorld world;
    Node source = world.open();
    Node viewer = world.open();
    FeedOptions options;
    options.record = world.directory / "recording";
    auto feed = source.feed(fresh_key(), options);
    REQUIRE(feed);
    auto swarm = viewer.join(url_of(source, *feed));
    REQUIRE(swarm);
    const std::string content(300'000, 'x');
    REQUIRE(feed->append(asio::buffer(content)));
    Reading reading(*swarm);
    REQUIRE(world.run_until([&] { return reading.got.size() > 10'000; }));
    swarm->leave();
    CHECK(world.run_until([&] { return reading.ended.has_value(); }));
    CHECK(*reading.ended == asio::error::operation_aborted);
    feed->swarm().leave();
    CHECK(feed->append(asio::buffer(content)).error().code == Errc::left);
    CHECK(world.runs_out());
  }

  TEST_CASE("chunk numbers go on where another run with the key stopped (decision 28)") {
    NodeWorld world;
    const auto path = world.directory / "key";
    ChunkIndex first = 0;
    for (int run = 0; run < 2; ++run) {
      Node source = world.open();
      auto key = open_key_file(path);
      REQUIRE(key);
      CHECK(key->created == (run == 0));
      auto numbers = FeedNumbers::open(path);
      REQUIRE(numbers);
      CHECK((numbers->first() > first) == (run > 0));
      CHECK((numbers->chunks_per_signature() == 0) == (run == 0));
      first = numbers->first();
      FeedOptions options;
      options.live.first_chunk = first;
      options.numbers = std::make_shared<FeedNumbers>(*std::move(numbers));
      auto feed = source.feed(std::move(key->key), options);
      REQUIRE(feed);
      const std::string content(300'000, 'x');
      REQUIRE(feed->append(asio::buffer(content)));
      Node viewer = world.open();
      Reading reading(*viewer.join(url_of(source, *feed)));
      REQUIRE(world.run_until([&] { return reading.got.size() > 10'000; }));
      CHECK(reading.start >= first * 1'024);
      reading.swarm.leave();
      REQUIRE(world.run_until([&] { return reading.ended.has_value(); }));
    }
  }
}
