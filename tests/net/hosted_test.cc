// Files that were hashed before, served with the tree kept then; and that they cost next to nothing
// while nobody wants them.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/node_world.h"

using namespace ppspp;
using namespace std::chrono_literals;
using test::NodeWorld;
namespace fs = std::filesystem;

namespace {

std::size_t count_entries(const char* directory) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}
// UndefinedBehaviorSanitizer looks at memory through pipes of its own.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitizerNeedsDescriptors = true;
#else
constexpr bool kSanitizerNeedsDescriptors = false;
#endif

std::size_t open_descriptors() {
  return count_entries("/proc/self/fd");
}
std::size_t threads() {
  return count_entries("/proc/self/task");
}

// A file that was hashed, and its tree.
struct Kept {
  Kept(NodeWorld& world, const std::string& name, std::size_t size,
       std::uint32_t chunk_size = 1'024)
      : content(world.write(name, size)) {
    Node node = world.open();
    SeedOptions options;
    options.metadata.chunk_size = chunk_size;
    options.keep_tree = world.directory / (name + ".tree");
    hosted.url = world.seed(node, name, options);
    hosted.url.peers.clear();
    hosted.file = world.directory / name;
    hosted.tree = options.keep_tree;
    hosted.stamp = node.find(hosted.url.metadata.id)->file_stamp();
    REQUIRE(hosted.stamp);
  }
  std::string content;
  HostedFile hosted;
};

Node open_sleepy(NodeWorld& world, std::chrono::milliseconds sleep_after = 300ms) {
  NodeOptions options;
  options.discovery.local = false;
  options.listen = {TransportAddress::v4(0x7f000001, 0)};
  options.sleep_after = sleep_after;
  return *Node::open(world.io, options);
}

SwarmUrl url_at(const Node& node, const HostedFile& hosted) {
  SwarmUrl url = hosted.url;
  url.peers = {node.local_addresses().front().to_string()};
  return url;
}

bool fetches(NodeWorld& world, const SwarmUrl& url, const std::string& name,
             std::chrono::seconds limit = 20s) {
  Node leecher = world.open();
  JoinOptions options;
  options.output = world.directory / name;
  auto swarm = leecher.join(url, options);
  bool complete = false;
  swarm->on_complete([&] { complete = true; });
  return world.run_until([&] { return complete; }, limit);
}

void overwrite(const fs::path& path, std::size_t offset, const std::string& octets) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file << octets;
}

// Wakes the file by a reader, and returns what on_error says.
std::optional<Error> error_of(NodeWorld& world, const HostedFile& hosted) {
  Node node = open_sleepy(world);
  auto swarm = node.host(hosted);
  REQUIRE(swarm);
  std::optional<Error> error;
  swarm->on_error([&](const Error& e) { error = e; });
  const auto reader = swarm->open_reader();
  std::string buffer(1'000, '\0');
  bool read = false;
  reader->async_read_some(asio::buffer(buffer),
                          [&](const error_code&, std::size_t) { read = true; });
  REQUIRE(world.run_until([&] { return read; }));
  world.run_until([&] { return error.has_value(); }, error || !swarm->left() ? 0s : 1s);
  if (error && error->code == Errc::content_changed) CHECK(swarm->status().content_changed);
  return error;
}

}  // namespace

TEST_SUITE("net/hosted") {
  TEST_CASE("a hosted file sleeps, wakes for a peer, is served, and sleeps again") {
    NodeWorld world;
    const Kept kept(world, "content", 500'001);
    Node node = open_sleepy(world);
    const std::size_t descriptors = open_descriptors();
    auto swarm = node.host(kept.hosted);
    REQUIRE(swarm);
    CHECK(swarm->sleeping());
    CHECK(node.awake().empty());
    CHECK(swarm->status().complete);
    CHECK(swarm->status().content_length == 500'001);
    CHECK(swarm->file_stamp() == kept.hosted.stamp);
    CHECK(open_descriptors() == descriptors);
    world.run_until([] { return false; }, 1s);
    CHECK(swarm->sleeping());
    const std::size_t running = open_descriptors();  // the loop's own

    REQUIRE(fetches(world, url_at(node, kept.hosted), "copy"));
    CHECK(world.read("copy") == kept.content);
    CHECK(swarm->status().uploaded_bytes >= kept.content.size());
    CHECK(swarm->status().chunks_rotten == 0);
    REQUIRE(world.run_until([&] { return swarm->sleeping(); }));
    CHECK(open_descriptors() == running);
    const SwarmStatus status = swarm->status();
    CHECK(status.uploaded_bytes >= kept.content.size());
    CHECK(status.peers_seen == 1);
    CHECK_FALSE(status.content_changed);

    REQUIRE(fetches(world, url_at(node, kept.hosted), "copy2"));
    CHECK(swarm->status().peers_seen == 2);
  }

  TEST_CASE("the first handshake wakes it: the answer does not wait for a second one") {
    NodeWorld world;
    const Kept kept(world, "content", 3'000);
    Node node = open_sleepy(world);
    auto swarm = node.host(kept.hosted);
    Node leecher = world.open();
    auto joined = leecher.join(url_at(node, kept.hosted));
    bool complete = false;
    joined->on_complete([&] { complete = true; });
    REQUIRE(world.run_until([&] { return complete; }));
    CHECK(node.counters().handshakes_refused == 0);
    CHECK(swarm->status().peers_seen == 1);
  }

  TEST_CASE("a reader wakes it, and keeps it awake") {
    NodeWorld world;
    const Kept kept(world, "content", 500'001);
    Node node = open_sleepy(world, 100ms);
    auto swarm = node.host(kept.hosted);
    auto reader = swarm->open_reader({.offset = 400'000});
    REQUIRE(world.run_until([&] { return !swarm->sleeping(); }));
    world.run_until([] { return false; }, 1s);
    CHECK_FALSE(swarm->sleeping());
    REQUIRE(node.awake().size() == 1);
    CHECK(node.awake().front().url().metadata.id == kept.hosted.url.metadata.id);
    std::string octets(100'001, '\0');
    std::size_t got = 0;
    const std::function<void()> read = [&] {
      reader->async_read_some(asio::buffer(octets.data() + got, octets.size() - got),
                              [&](const error_code& e, std::size_t size) {
                                CHECK(!e);
                                got += size;
                                if (!e && got < octets.size()) read();
                              });
    };
    read();
    REQUIRE(world.run_until([&] { return got == octets.size(); }));
    CHECK(octets == kept.content.substr(400'000));
    reader.reset();
    CHECK(world.run_until([&] { return swarm->sleeping(); }));
    // The swarm's own reader wakes it as well.
    bool again = false;
    swarm->reader().async_read_some(asio::buffer(octets),
                                    [&](const error_code& e, std::size_t size) {
                                      CHECK(!e);
                                      again = octets.compare(0, size, kept.content, 0, size) == 0;
                                    });
    CHECK(world.run_until([&] { return again; }));
  }

  TEST_CASE("touched, but not changed: each chunk is looked at, and all are served") {
    NodeWorld world;
    const Kept kept(world, "content", 300'000);
    fs::last_write_time(kept.hosted.file, fs::file_time_type::clock::now() + 5s);
    Node node = open_sleepy(world);
    auto swarm = node.host(kept.hosted);
    REQUIRE(fetches(world, url_at(node, kept.hosted), "copy"));
    CHECK(world.read("copy") == kept.content);
    CHECK_FALSE(swarm->status().content_changed);
    CHECK(swarm->status().chunks_rotten == 0);
  }

  TEST_CASE("changed: what is wrong is not served, and the status says so; the rest is") {
    for (const bool with_stamp : {true, false}) {
      CAPTURE(with_stamp);
      NodeWorld world;
      Kept kept(world, "content", 300'000);
      overwrite(kept.hosted.file, 100'000, "changed");
      if (!with_stamp) kept.hosted.stamp.reset();
      Node node = open_sleepy(world);
      auto swarm = node.host(kept.hosted);
      Node leecher = world.open();
      auto joined = leecher.join(url_at(node, kept.hosted));
      REQUIRE(world.run_until([&] { return swarm->status().content_changed; }));
      REQUIRE(world.run_until(
          [&] { return joined->status().verified_bytes >= 300'000 - 1'024 - 976; }));
      CHECK_FALSE(joined->status().complete);
      CHECK(joined->status().chunks_rejected == 0);
      CHECK_FALSE(swarm->left());
    }
  }

  TEST_CASE("a file or tree that cannot be used is an error that names it, when it is wanted") {
    NodeWorld world;
    const Kept kept(world, "content", 300'000);
    const Kept other(world, "other", 200'000);
    HostedFile hosted = kept.hosted;
    CHECK_FALSE(error_of(world, hosted));

    hosted.file = world.directory / "nowhere";
    auto error = error_of(world, hosted);
    REQUIRE(error);
    CHECK(error->code == Errc::not_found);
    CHECK(error->context.find("nowhere") != std::string::npos);

    hosted = kept.hosted;
    hosted.tree = world.directory / "nowhere";
    error = error_of(world, hosted);
    REQUIRE(error);
    CHECK(error->code == Errc::not_found);

    hosted.tree = other.hosted.tree;
    error = error_of(world, hosted);
    REQUIRE(error);
    CHECK(error->code == Errc::integrity);
    CHECK(error->context.find("another swarm") != std::string::npos);

    hosted.tree = kept.hosted.file;
    error = error_of(world, hosted);
    REQUIRE(error);
    CHECK(error->code == Errc::integrity);

    hosted = kept.hosted;
    fs::resize_file(hosted.tree, fs::file_size(hosted.tree) - 1);
    error = error_of(world, hosted);
    REQUIRE(error);
    CHECK(error->code == Errc::integrity);
    CHECK(error->context.find("damaged") != std::string::npos);

    hosted = other.hosted;
    fs::resize_file(hosted.file, 199'999);
    error = error_of(world, hosted);
    REQUIRE(error);
    CHECK(error->code == Errc::content_changed);
    CHECK(error->context.find("199999") != std::string::npos);
  }

  TEST_CASE("a large tree with one wrong node is noticed while it is in use") {
    NodeWorld world;
    const Kept kept(world, "content", 12'000'000, 512);
    REQUIRE(fs::file_size(kept.hosted.tree) > (1 << 20));
    overwrite(kept.hosted.tree, 500'000, "x");
    Node node = open_sleepy(world, 10s);
    auto swarm = node.host(kept.hosted);
    std::optional<Error> error;
    swarm->on_error([&](const Error& e) { error = e; });
    const auto reader = swarm->open_reader();
    REQUIRE(world.run_until([&] { return error.has_value(); }));
    CHECK(error->code == Errc::integrity);
    CHECK(swarm->left());
  }

  TEST_CASE("a file that is shortened while it is awake: an error, and content_changed") {
    NodeWorld world;
    const Kept kept(world, "content", 300'000);
    Node node = open_sleepy(world, 10s);
    auto swarm = node.host(kept.hosted);
    std::optional<Error> error;
    swarm->on_error([&](const Error& e) { error = e; });
    auto reader = swarm->open_reader();
    REQUIRE(world.run_until([&] { return !swarm->sleeping(); }));
    fs::resize_file(kept.hosted.file, 100);
    Node leecher = world.open();
    auto joined = leecher.join(url_at(node, kept.hosted));
    REQUIRE(world.run_until([&] { return error.has_value(); }));
    CHECK(error->code == Errc::content_changed);
    CHECK(swarm->status().content_changed);
  }

  TEST_CASE("a download keeps its tree: another node hosts it without hashing") {
    NodeWorld world;
    HostedFile hosted;
    {
      Node seeder = world.open();
      world.write("content", 400'001);
      const SwarmUrl url = world.seed(seeder, "content");
      Node leecher = world.open();
      JoinOptions options;
      options.output = world.directory / "copy";
      options.keep_tree = world.directory / "copy.tree";
      auto swarm = leecher.join(url, options);
      bool complete = false;
      swarm->on_complete([&] { complete = true; });
      REQUIRE(world.run_until([&] { return complete; }));
      CHECK(fs::exists(options.keep_tree));
      CHECK_FALSE(fs::exists(world.directory / "copy.ppspp"));
      hosted = {.url = swarm->url(),
                .file = options.output,
                .tree = options.keep_tree,
                .stamp = swarm->file_stamp()};
      REQUIRE(hosted.stamp);
    }
    Node node = open_sleepy(world);
    auto swarm = node.host(hosted);
    REQUIRE(fetches(world, url_at(node, hosted), "copy2"));
    CHECK(world.read("copy2") == world.read("content"));
    CHECK(swarm->file_stamp() == hosted.stamp);
  }

  TEST_CASE("without a descriptor to spare it sleeps on, and wakes when there is one" *
            doctest::skip(kSanitizerNeedsDescriptors)) {
    NodeWorld world;
    const Kept kept(world, "content", 3'000);
    Node node = open_sleepy(world);
    auto swarm = node.host(kept.hosted);
    bool failed = false;
    swarm->on_error([&](const Error&) { failed = true; });
    world.run_until([] { return false; }, 1s);
    std::vector<int> taken;
    rlimit before = {};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit low = before;
    low.rlim_cur = 64;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    for (int fd = dup(0); fd >= 0; fd = dup(0)) taken.push_back(fd);
    const auto reader = swarm->open_reader();
    std::string buffer(1'000, '\0');
    std::optional<error_code> first;
    reader->async_read_some(asio::buffer(buffer),
                            [&](const error_code& e, std::size_t) { first = e; });
    const bool ended = world.run_until([&] { return first.has_value(); });
    for (const int fd : taken) close(fd);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE(ended);
    CHECK(*first == boost::system::errc::too_many_files_open);
    CHECK(swarm->sleeping());
    CHECK_FALSE(failed);
    bool read = false;
    reader->async_read_some(asio::buffer(buffer), [&](const error_code& e, std::size_t size) {
      CHECK(!e);
      read = kept.content.compare(0, size, buffer, 0, size) == 0;
    });
    CHECK(world.run_until([&] { return read; }));
  }

  TEST_CASE("when the last swarm is left, also one that is awake, run() returns") {
    NodeWorld world;
    const Kept kept(world, "content", 3'000);
    Node node = open_sleepy(world, 600s);
    auto swarm = node.host(kept.hosted);
    auto reader = swarm->open_reader();
    REQUIRE(world.run_until([&] { return !swarm->sleeping(); }));
    swarm->leave();
    CHECK(world.runs_out());
    REQUIRE(node.host(kept.hosted));
  }

  TEST_CASE("what is refused at once") {
    NodeWorld world;
    const Kept kept(world, "content", 3'000);
    Node node = open_sleepy(world);
    HostedFile hosted = kept.hosted;
    hosted.url.metadata.content_length.reset();
    CHECK(node.host(hosted).error().code == Errc::invalid_argument);
    auto swarm = node.host(kept.hosted);
    REQUIRE(swarm);
    CHECK(node.host(kept.hosted).error().code == Errc::exists);
    CHECK(node.join(kept.hosted.url).error().code == Errc::exists);
    swarm->leave();
    CHECK_FALSE(swarm->sleeping());
    CHECK_FALSE(node.find(kept.hosted.url.metadata.id));
    REQUIRE(node.host(kept.hosted));
  }

  TEST_CASE("ten thousand hosted files: quick, small, without a descriptor or a thread") {
    NodeWorld world;
    const Kept kept(world, "content", 3'000);
    constexpr std::size_t kFiles = 10'000;
    Node node = open_sleepy(world);
    Rng random(test::seed());
    const std::size_t descriptors = open_descriptors();
    const std::size_t threads_before = threads();
    const auto resident = [] {
      std::ifstream statm("/proc/self/statm");
      std::size_t all = 0;
      std::size_t pages = 0;
      statm >> all >> pages;
      return pages * static_cast<std::size_t>(getpagesize());
    };
    const std::size_t before = resident();
    const auto began = std::chrono::steady_clock::now();
    std::vector<Swarm> swarms;
    for (std::size_t i = 0; i < kFiles; ++i) {
      HostedFile hosted = kept.hosted;
      std::array<std::byte, 32> id;
      for (std::byte& octet : id) octet = static_cast<std::byte>(random.next_u64());
      hosted.url.metadata.id = SwarmId(id);
      auto swarm = node.host(hosted);
      REQUIRE(swarm);
      swarms.push_back(*swarm);
    }
    const auto took = std::chrono::steady_clock::now() - began;
    const std::size_t grown = resident() - before;
    MESSAGE(kFiles << " hosted files: "
                   << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms, "
                   << grown / kFiles << " octets each");
    CHECK(open_descriptors() == descriptors);
    CHECK(threads() == threads_before);
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
    CHECK(grown / kFiles < 4'096);
#endif
    CHECK(took < 5s);
    const NodeStatistics statistics = node.statistics();
    CHECK(statistics.swarms == kFiles);
    CHECK(statistics.sleeping == kFiles);

    // One of them is really there, and is found among the others.
    auto swarm = node.host(kept.hosted);
    REQUIRE(fetches(world, url_at(node, kept.hosted), "copy"));
    CHECK(world.read("copy") == kept.content);
  }

  TEST_CASE("many that are awake at once share few threads") {
    NodeWorld world;
    std::vector<Kept> kept;
    for (int i = 0; i < 40; ++i) kept.emplace_back(world, "f" + std::to_string(i), 20'000 + i);
    Node node = open_sleepy(world, 10s);
    std::vector<std::shared_ptr<ContentReader>> readers;
    std::vector<std::string> buffers(kept.size(), std::string(30'000, '\0'));
    std::size_t read = 0;
    std::size_t most_threads = 0;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      auto swarm = node.host(kept[i].hosted);
      REQUIRE(swarm);
      readers.push_back(swarm->open_reader());
      readers.back()->async_read_some(asio::buffer(buffers[i]),
                                      [&, i](const error_code& e, std::size_t size) {
                                        CHECK(!e);
                                        CHECK(buffers[i].substr(0, size) == kept[i].content);
                                        ++read;
                                      });
    }
    REQUIRE(world.run_until([&] {
      most_threads = std::max(most_threads, threads());
      return read == kept.size();
    }));
    CHECK(most_threads <= 8);
    CHECK(node.statistics().store_reads.samples >= kept.size());
  }
}
