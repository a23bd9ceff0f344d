// Many readers of one swarm: positions and windows of their own, one download.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "net/node_world.h"

using namespace ppspp;
using namespace std::chrono_literals;
using test::NodeWorld;

namespace {

// Reads a number of pieces of the content through one reader, with seeks, and compares each octet.
class RandomReading {
 public:
  RandomReading(Swarm swarm, const std::string& content, std::uint64_t seed, int pieces)
      : content_(content), random_(seed), pieces_(pieces) {
    const std::uint64_t offset = random_.below(content.size());
    reader_ = swarm.open_reader({.offset = offset, .read_ahead = 256 << 10});
    CHECK(reader_->position() == offset);
    read();
  }

  bool done() const { return pieces_ == 0; }
  std::uint64_t octets() const { return octets_; }

 private:
  void read() {
    buffer_.resize(1 + random_.below(40'000));
    begin_ = reader_->position();
    reader_->async_read_some(asio::buffer(buffer_),
                             [this](const error_code& e, std::size_t size) { on_read(e, size); });
  }

  void on_read(const error_code& error, std::size_t size) {
    if (error == asio::error::eof) {
      CHECK(begin_ == content_.size());
    } else {
      REQUIRE_MESSAGE(!error, error.message());
      REQUIRE(size > 0);
      REQUIRE(begin_ + size <= content_.size());
      CHECK(content_.compare(begin_, size, buffer_.data(), size) == 0);
      octets_ += size;
    }
    if (--pieces_ == 0) return;
    if (error || random_.below(4) == 0) {
      REQUIRE(reader_->seek(random_.below(content_.size())));
    }
    read();
  }

  const std::string& content_;
  Rng random_;
  std::shared_ptr<ContentReader> reader_;
  std::string buffer_;
  std::uint64_t begin_ = 0;
  std::uint64_t octets_ = 0;
  int pieces_;
};

// Reads all from the reader's position on.
class WholeReading {
 public:
  explicit WholeReading(std::shared_ptr<ContentReader> reader) : reader_(std::move(reader)) {
    read();
  }
  bool done() const { return done_; }
  const std::string& octets() const { return octets_; }

 private:
  void read() {
    reader_->async_read_some(asio::buffer(buffer_), [this](const error_code& e, std::size_t size) {
      octets_.append(buffer_.data(), size);
      if (e) {
        CHECK(e == asio::error::eof);
        done_ = true;
      } else {
        read();
      }
    });
  }

  std::shared_ptr<ContentReader> reader_;
  std::array<char, 16'384> buffer_;
  std::string octets_;
  bool done_ = false;
};

JoinOptions with_policy(PickPolicy policy) {
  JoinOptions options;
  options.policy = policy;
  return options;
}

}  // namespace

TEST_SUITE("net/readers") {
  TEST_CASE("readers at random positions, with seeks, read exactly the content") {
    for (const PickPolicy policy :
         {PickPolicy::on_demand, PickPolicy::rarest_first, PickPolicy::in_order}) {
      CAPTURE(static_cast<int>(policy));
      NodeWorld world;
      Node seeder = world.open();
      Node leecher = world.open();
      const std::string content = world.write("content", 3'000'001);
      const SwarmUrl url = world.seed(seeder, "content");
      auto swarm = leecher.join(url, with_policy(policy));
      REQUIRE(swarm);
      std::vector<std::unique_ptr<RandomReading>> readings;
      for (std::uint64_t i = 0; i < 3; ++i) {
        readings.push_back(std::make_unique<RandomReading>(*swarm, content, test::seed() + i, 60));
      }
      CHECK(swarm->readers() == 3);
      REQUIRE(world.run_until(
          [&] { return std::ranges::all_of(readings, [](const auto& r) { return r->done(); }); }));
      readings.clear();
      CHECK(swarm->readers() == 0);
    }
  }

  TEST_CASE("fifty readers cost one download") {
    NodeWorld world;
    Node seeder = world.open();
    Node leecher = world.open();
    const std::string content = world.write("content", 2'000'000);
    const SwarmUrl url = world.seed(seeder, "content");
    auto swarm = leecher.join(url, with_policy(PickPolicy::on_demand));
    REQUIRE(swarm);
    std::vector<std::unique_ptr<WholeReading>> readings;
    for (std::uint64_t i = 0; i < 50; ++i) {
      readings.push_back(
          std::make_unique<WholeReading>(swarm->open_reader({.read_ahead = 512 << 10})));
    }
    REQUIRE(world.run_until(
        [&] { return std::ranges::all_of(readings, [](const auto& r) { return r->done(); }); }));
    for (const auto& reading : readings) CHECK(reading->octets() == content);
    CHECK(swarm->status().downloaded_bytes == content.size());
    CHECK(seeder.counters().bytes_out < content.size() * 5 / 4);
  }

  TEST_CASE("on demand, only what the windows want is fetched") {
    NodeWorld world;
    Node seeder = world.open();
    Node leecher = world.open();
    const std::string content = world.write("content", 8'000'000);
    const SwarmUrl url = world.seed(seeder, "content");
    auto swarm = leecher.join(url, with_policy(PickPolicy::on_demand));
    REQUIRE(swarm);
    world.run_until([] { return false; }, 1s);
    CHECK(swarm->status().downloaded_bytes == 0);  // nobody reads

    constexpr std::uint64_t kAhead = 512 << 10;
    const auto reader = swarm->open_reader({.offset = 4'000'000, .read_ahead = kAhead});
    REQUIRE(world.run_until([&] { return swarm->status().downloaded_bytes >= kAhead; }));
    world.run_until([] { return false; }, 1s);
    CHECK(swarm->status().downloaded_bytes <= kAhead + 2'048);
    const auto parts = swarm->availability(8);
    REQUIRE(parts.size() == 8);
    CHECK(parts[0] == 0);
    CHECK(parts[4] > 100);
    CHECK(parts[7] == 0);
  }

  TEST_CASE("a reader may go at any moment, also from within a handler, and its read is aborted") {
    NodeWorld world;
    Node seeder = world.open();
    Node leecher = world.open();
    const std::string content = world.write("content", 1'000'000);
    const SwarmUrl url = world.seed(seeder, "content");
    auto swarm = leecher.join(url, with_policy(PickPolicy::on_demand));
    REQUIRE(swarm);

    auto doomed = swarm->open_reader({.offset = 500'000});
    std::string buffer(1'000, '\0');
    std::optional<error_code> aborted;
    doomed->async_read_some(asio::buffer(buffer),
                            [&](const error_code& e, std::size_t) { aborted = e; });
    CHECK(swarm->readers() == 1);
    doomed.reset();
    CHECK(swarm->readers() == 0);
    REQUIRE(world.run_until([&] { return aborted.has_value(); }));
    CHECK(*aborted == asio::error::operation_aborted);

    auto other = swarm->open_reader();
    bool read = false;
    other->async_read_some(asio::buffer(buffer), [&](const error_code& e, std::size_t size) {
      CHECK(!e);
      CHECK(content.compare(0, size, buffer.data(), size) == 0);
      other.reset();
      swarm->leave();
      read = true;
    });
    REQUIRE(world.run_until([&] { return read; }));
    CHECK(swarm->left());
  }

  TEST_CASE("readers outlive their swarm, their handles and the node") {
    NodeWorld world;
    std::shared_ptr<ContentReader> reader;
    std::string buffer(1'000, '\0');
    std::optional<error_code> ended;
    {
      Node seeder = world.open();
      world.write("content", 100'000);
      const SwarmUrl url = world.seed(seeder, "content");
      Node leecher = world.open();
      reader = leecher.join(url)->open_reader();
    }
    reader->async_read_some(asio::buffer(buffer),
                            [&](const error_code& e, std::size_t) { ended = e; });
    CHECK(reader->seek(0).error().code == Errc::left);
    REQUIRE(world.run_until([&] { return ended.has_value(); }));
    CHECK(*ended == asio::error::operation_aborted);
  }

  TEST_CASE("content that is complete is read from the file, by any number") {
    NodeWorld world;
    Node seeder = world.open();
    const std::string content = world.write("content", 700'000);
    const SwarmUrl url = world.seed(seeder, "content");
    auto swarm = seeder.find(url.metadata.id);
    REQUIRE(swarm);
    WholeReading all(swarm->open_reader());
    WholeReading tail(swarm->open_reader({.offset = 600'000}));
    REQUIRE(world.run_until([&] { return all.done() && tail.done(); }));
    CHECK(all.octets() == content);
    CHECK(tail.octets() == content.substr(600'000));
  }

  TEST_CASE("a seeded file that others write to: what it was is read, what it is not is an error") {
    NodeWorld world;
    Node seeder = world.open();
    const std::string content = world.write("content", 700'000);
    const SwarmUrl url = world.seed(seeder, "content");
    auto swarm = seeder.find(url.metadata.id);
    std::fstream(world.directory / "content", std::ios::binary | std::ios::in | std::ios::out)
            .seekp(300'000)
        << "changed";
    const auto reader = swarm->open_reader();
    std::string octets;
    std::string buffer(50'000, '\0');
    std::optional<error_code> error;
    const std::function<void()> read = [&] {
      reader->async_read_some(asio::buffer(buffer), [&](const error_code& e, std::size_t size) {
        octets.append(buffer.data(), size);
        if (e) error = e;
        if (!e) read();
      });
    };
    read();
    REQUIRE(world.run_until([&] { return error.has_value(); }));
    CHECK(*error != asio::error::eof);
    CHECK(octets == content.substr(0, 300'000 / 1'024 * 1'024));
    CHECK(swarm->status().content_changed);
    CHECK(!swarm->file_stamp());
  }

  TEST_CASE("readers of a live feed: each has its own position, and begins with what is played") {
    NodeWorld world;
    Node source = world.open();
    Node follower = world.open();
    auto key = SigningKey::generate(SignatureAlgorithm::ed25519);
    REQUIRE(key);
    FeedOptions options;
    options.metadata.chunks_per_signature = 4;
    auto feed = source.feed(*std::move(key), options);
    REQUIRE(feed);
    SwarmUrl url = feed->swarm().url();
    url.peers = {source.local_addresses().front().to_string()};
    JoinOptions how;
    how.live.buffer = Microseconds(100'000);
    auto swarm = follower.join(url, how);
    REQUIRE(swarm);
    const auto early = swarm->open_reader();
    const std::string content = world.write("content", 1'500'000);
    std::string first(content.size(), '\0');
    std::string second(content.size(), '\0');
    std::uint64_t first_at = 0;
    std::uint64_t second_at = 0;
    std::size_t fed = 0;
    const auto feed_some = [&] {
      const std::size_t size = std::min<std::size_t>(10'000, content.size() - fed);
      if (size == 0) return;
      REQUIRE(feed->append(asio::buffer(content.data() + fed, size)));
      fed += size;
    };
    // Compares what each gets with the feed at its position.
    const auto reads = [&](ContentReader& reader, std::string& buffer, std::uint64_t& at) {
      return [&](auto&& self) -> void {
        reader.async_read_some(asio::buffer(buffer.data(), 8'192),
                               [&, self](const error_code& e, std::size_t size) {
                                 if (e) return;
                                 const std::uint64_t begin = reader.position() - size;
                                 CHECK(begin >= at);
                                 CHECK(content.compare(begin, size, buffer.data(), size) == 0);
                                 at = reader.position();
                                 self(self);
                               });
      };
    };
    const auto read_early = reads(*early, first, first_at);
    read_early(read_early);
    std::shared_ptr<ContentReader> late;
    std::uint64_t late_began = 0;
    bool began = false;
    const bool done = world.run_until(
        [&] {
          feed_some();
          world.io.run_for(10ms);
          if (!late && first_at > 400'000) {
            late = swarm->open_reader();
            const auto read_late = reads(*late, second, second_at);
            read_late(read_late);
            late_began = late->position();
          }
          began = second_at > 0;
          return began && second_at + 200'000 > content.size();
        },
        20s);
    CAPTURE(first_at);
    CAPTURE(second_at);
    CHECK(done);
    CHECK(late_began > 200'000);
    swarm->leave();
  }
}
