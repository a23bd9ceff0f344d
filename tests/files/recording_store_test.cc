#include "files/recording_store.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "files_support.h"
#include "integrity/live_feed.h"
#include "support/seed.h"

using namespace ppspp;
using namespace ppspp::test;

namespace {

std::unique_ptr<RecordingStore> record_to(const std::filesystem::path& path, bool force = false) {
  auto store = RecordingStore::create(path, force);
  if (!store) FAIL(store.error().context);
  return std::move(*store);
}

LiveFeed feed_of(ChunkIndex chunks, std::uint64_t width = 8, std::uint32_t chunk_size = 1024) {
  UnifiedMerkleTree::Shape shape = small_shape(width, UnifiedMerkleTree::kAll);
  shape.chunk_size = chunk_size;
  return LiveFeed(shape, {{0, chunks}});
}

// Does to a store what the source of a feed does; a receiver does the same in another order.
class Recorder {
 public:
  Recorder(const LiveFeed& feed, RecordingStore& store)
      : feed_(feed), store_(store), tree_(feed.shape()) {}

  bool record(std::uint64_t subtree) {
    const auto memory =
        store_.grow_tree_memory(static_cast<std::size_t>(tree_.needed_memory(subtree)));
    if (memory.empty()) return false;
    tree_.set_memory(memory);
    publish(tree_, feed_, subtree);
    for (ChunkIndex i = subtree * feed_.width(); i < (subtree + 1) * feed_.width(); ++i) {
      if (feed_.has(i) && !write(i)) return false;
    }
    return true;
  }
  bool write(ChunkIndex chunk) {
    const std::uint64_t offset = chunk * feed_.shape().chunk_size;
    return write_octets(store_, offset, feed_.chunk(chunk)) == StoreStatus::done;
  }
  bool record_all() {
    bool all = true;
    for (std::uint64_t i = 0; i * feed_.width() < feed_.runs()[0].end; ++i) all = record(i) && all;
    return all;
  }
  UnifiedMerkleTree& tree() { return tree_; }

 private:
  const LiveFeed& feed_;
  RecordingStore& store_;
  UnifiedMerkleTree tree_;
};

std::vector<std::byte> content_of(const LiveFeed& feed) {
  std::vector<std::byte> content;
  for (ChunkIndex chunk = 0; feed.has(chunk); ++chunk) {
    const auto octets = feed.chunk(chunk);
    content.insert(content.end(), octets.begin(), octets.end());
  }
  return content;
}

Result<HashedFile> finish(const RecordingStore& store, const LiveFeed& feed) {
  return store.finish(content_of(feed).size(), feed.shape().chunk_size, feed.shape().hash);
}

Errc code_of_finish(const RecordingStore& store, const LiveFeed& feed) {
  const auto finished = finish(store, feed);
  REQUIRE(!finished);
  CHECK(mentions(finished.error().context, store.path().string()));
  return finished.error().code;
}

}  // namespace

TEST_SUITE("files/recording_store") {
  TEST_CASE("what was written is read, and is in the file") {
    const TemporaryDirectory directory;
    const LiveFeed feed = feed_of(20);
    const auto content = content_of(feed);
    const auto store = record_to(directory / "feed");
    Recorder recorder(feed, *store);
    REQUIRE(recorder.record_all());
    std::vector<std::byte> octets(3000);
    store->prefetch(5000, 3000);
    CHECK(read_octets(*store, 5000, octets) == StoreStatus::done);
    CHECK(std::ranges::equal(octets, std::span(content).subspan(5000, 3000)));
    CHECK(read_file(directory / "feed") == content);
    CHECK(!store->content_suspect());
    CHECK(read_octets(*store, content.size() - 2999, octets) == StoreStatus::failed);
    REQUIRE(store->error());
    CHECK(mentions(store->error()->context, "feed"));
  }

  TEST_CASE("pieces are written one behind the other, however many") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const auto content = random_octets(200'000, rng);
    const auto store = record_to(directory / "feed");
    std::vector<std::span<const std::byte>> pieces;
    for (std::size_t at = 0; at < content.size();) {
      const std::size_t size = std::min<std::size_t>(rng.below(2000), content.size() - at);
      pieces.push_back(std::span(content).subspan(at, size));
      at += size;
    }
    REQUIRE(pieces.size() > 64);
    CHECK(store->write(0, pieces) == StoreStatus::done);
    CHECK(read_file(directory / "feed") == content);
  }

  TEST_CASE(
      "a recording is at once the static content that hashing the file would give (6.1.2.1)") {
    for (const ChunkIndex chunks : {1u, 2u, 7u, 8u, 9u, 64u, 100u}) {
      CAPTURE(chunks);
      const TemporaryDirectory directory;
      const LiveFeed feed = feed_of(chunks);
      const auto store = record_to(directory / "feed");
      REQUIRE(Recorder(feed, *store).record_all());
      auto finished = finish(*store, feed);
      if (!finished) FAIL(finished.error().context);
      const auto fresh = hash_file(directory / "feed", 1024, HashFunction::sha256);
      REQUIRE(fresh);
      CHECK(finished->root == fresh->root);
      CHECK(finished->length == fresh->length);
      CHECK(finished->identity == fresh->identity);

      SwarmMetadata metadata;
      metadata.id = SwarmId(finished->root.octets());
      metadata.content_length = finished->length;
      CHECK(verify_complete_file(directory / "feed", metadata).value().has_value());

      // Seeded, all its hashes and octets are there, and the live swarm's reads still work.
      const auto seeded = FileChunkStore::seed(std::move(*finished), nullptr);
      const std::size_t tree_size = fresh->tree.memory().size();
      const auto memory = seeded->tree_memory(tree_size);
      REQUIRE(memory.size() == tree_size);
      MerkleTree tree(chunks, HashFunction::sha256, memory);
      CHECK(tree.check(fresh->root.octets()));
      CHECK(std::ranges::equal(memory, fresh->tree.memory()));
      std::vector<std::byte> octets(fresh->length);
      CHECK(read_octets(*seeded, 0, octets) == StoreStatus::done);
      CHECK(octets == content_of(feed));
      CHECK(!seeded->content_suspect());
      CHECK(read_octets(*store, 0, octets) == StoreStatus::done);
      CHECK(!store->content_suspect());
    }
  }

  TEST_CASE("it is finished in one thread while another reads") {
    const TemporaryDirectory directory;
    const LiveFeed feed = feed_of(100);
    const auto store = record_to(directory / "feed");
    REQUIRE(Recorder(feed, *store).record_all());
    std::atomic<bool> finished = false;
    std::thread finisher([&] {
      for (int i = 0; i < 3; ++i) CHECK(finish(*store, feed));
      finished = true;
    });
    std::vector<std::byte> octets(1024);
    bool all_read = true;
    do {
      all_read = all_read && read_octets(*store, 1024, octets) == StoreStatus::done;
      store->prefetch(0, 2048);
    } while (!finished);
    finisher.join();
    CHECK(all_read);
    CHECK(octets == feed.chunk(1));
  }

  TEST_CASE("the tree grows without losing a node, and a receiver's chunks come in any order") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const LiveFeed feed = feed_of(20'000, 4, 64);  // two growths of the tree
    const auto store = record_to(directory / "feed");
    UnifiedMerkleTree tree(feed.shape());
    for (std::uint64_t subtree = 0; subtree < 5000; ++subtree) {
      const auto needed = static_cast<std::size_t>(tree.needed_memory(subtree));
      const auto memory = store->grow_tree_memory(needed);
      REQUIRE(memory.size() >= needed);
      tree.set_memory(memory);
      feed.set_munro(tree, subtree);
      std::uint64_t chunks[] = {0, 1, 2, 3};
      std::swap(chunks[0], chunks[rng.below(4)]);
      std::swap(chunks[1], chunks[1 + rng.below(3)]);
      for (const std::uint64_t i : chunks) {
        const ChunkIndex chunk = subtree * 4 + i;
        REQUIRE(feed.verify(tree, chunk) == Verdict::verified);
        REQUIRE(write_octets(*store, chunk * 64, feed.chunk(chunk)) == StoreStatus::done);
      }
    }
    const auto finished = finish(*store, feed);
    if (!finished) FAIL(finished.error().context);
    const auto fresh = hash_file(directory / "feed", 64, HashFunction::sha256);
    REQUIRE(fresh);
    CHECK(finished->root == fresh->root);
    CHECK(std::ranges::equal(finished->tree.memory(), fresh->tree.memory()));
  }

  TEST_CASE("a recording with a part or a hash missing is no content, and says so") {
    const TemporaryDirectory directory;
    const LiveFeed feed = feed_of(20);
    const auto store = record_to(directory / "feed");
    CHECK(code_of_finish(*store, feed) == Errc::invalid_argument);
    Recorder recorder(feed, *store);
    REQUIRE(recorder.record(0));
    REQUIRE(recorder.record(2));
    CHECK(code_of_finish(*store, feed) == Errc::integrity);
    for (ChunkIndex chunk = 8; chunk < 16; ++chunk) REQUIRE(recorder.write(chunk));
    CHECK(code_of_finish(*store, feed) == Errc::integrity);  // the octets, but no hashes
    REQUIRE(recorder.record(1));
    CHECK(finish(*store, feed));
    CHECK(!store->finish(content_of(feed).size() - 1, 1024, HashFunction::sha256));
    CHECK(!store->finish(content_of(feed).size() + 1, 1024, HashFunction::sha256));
    CHECK(!store->finish(0, 1024, HashFunction::sha256));
  }

  TEST_CASE("chunks written twice, or over each other, count once") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const LiveFeed feed = feed_of(64);
    const auto store = record_to(directory / "feed");
    Recorder recorder(feed, *store);
    REQUIRE(recorder.record_all());
    const auto again = record_to(directory / "again");
    UnifiedMerkleTree tree(feed.shape());
    tree.set_memory(again->grow_tree_memory(static_cast<std::size_t>(tree.needed_memory(7))));
    for (std::uint64_t subtree = 0; subtree < 8; ++subtree) publish(tree, feed, subtree);
    const auto content = content_of(feed);
    std::vector<bool> written(content.size());
    while (std::ranges::count(written, false) != 0) {
      CHECK(!finish(*again, feed));
      const std::size_t place = rng.below(content.size() + 6000);
      const std::size_t begin = place < 6000 ? 0 : place - 6000;
      const std::size_t size = std::min<std::size_t>(rng.below(12'000), content.size() - begin);
      REQUIRE(write_octets(*again, begin, std::span(content).subspan(begin, size)) ==
              StoreStatus::done);
      std::fill_n(written.begin() + static_cast<long>(begin), size, true);
    }
    const auto finished = finish(*again, feed);
    REQUIRE(finished);
    CHECK(finished->root == finish(*store, feed)->root);
  }

  TEST_CASE("a file that exists is not overwritten unless that is said") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const auto mine = random_octets(5000, rng);
    write_file(directory / "feed", mine);
    const auto refused = RecordingStore::create(directory / "feed", false);
    REQUIRE(!refused);
    CHECK(refused.error().code == Errc::exists);
    CHECK(mentions(refused.error().context, "--force"));
    CHECK(read_file(directory / "feed") == mine);
    const LiveFeed feed = feed_of(3);
    const auto store = record_to(directory / "feed", true);
    CHECK(read_file(directory / "feed").empty());
    REQUIRE(Recorder(feed, *store).record_all());
    CHECK(finish(*store, feed));
    CHECK(read_file(directory / "feed") == content_of(feed));
  }

  TEST_CASE("what is no file, or is being recorded to, is refused even so") {
    const TemporaryDirectory directory;
    CHECK(!RecordingStore::create(directory.path(), true));
    CHECK(!RecordingStore::create(directory.path() / "none" / "feed", false));
    REQUIRE(mkfifo((directory / "fifo").c_str(), 0600) == 0);
    CHECK(!RecordingStore::create(directory / "fifo", true));
    const LiveFeed feed = feed_of(3);
    auto store = record_to(directory / "feed");
    REQUIRE(Recorder(feed, *store).record_all());
    const auto refused = RecordingStore::create(directory / "feed", true);
    REQUIRE(!refused);
    CHECK(refused.error().code == Errc::exists);
    CHECK(read_file(directory / "feed") == content_of(feed));
    store.reset();
    CHECK(RecordingStore::create(directory / "feed", true));
  }

  TEST_CASE("a change by another program is noticed, at the latest at the end") {
    const TemporaryDirectory directory;
    const LiveFeed feed = feed_of(20);
    const auto store = record_to(directory / "feed");
    Recorder recorder(feed, *store);
    REQUIRE(recorder.record(0));
    REQUIRE(recorder.record(1));
    const std::vector<std::byte> octet(1);
    // Twice the tick in which two changes look alike.
    usleep(40'000);
    overwrite(directory / "feed", 100, octet);
    SUBCASE("by a read") {
      std::vector<std::byte> out(10);
      CHECK(read_octets(*store, 0, out) == StoreStatus::done);
      CHECK(store->content_suspect());
    }
    SUBCASE("by a write") {
      REQUIRE(recorder.record(2));
      CHECK(store->content_suspect());
    }
    SUBCASE("at the end") {}
    if (recorder.tree().end_subtree() < 3) REQUIRE(recorder.record(2));
    CHECK(code_of_finish(*store, feed) == Errc::content_changed);
  }

  TEST_CASE("another name is no change, but no name is") {
    const TemporaryDirectory directory;
    const LiveFeed feed = feed_of(5);
    const auto store = record_to(directory / "feed");
    REQUIRE(Recorder(feed, *store).record_all());
    usleep(40'000);
    std::filesystem::rename(directory / "feed", directory / "other");
    CHECK(finish(*store, feed));
    std::filesystem::remove(directory / "other");
    CHECK(code_of_finish(*store, feed) == Errc::content_changed);
  }

  TEST_CASE("a full disk fails with a line that says what to do") {
    const SmallDisk disk("size=1m");
    if (!disk.is_mounted()) return;
    const auto store = record_to(disk / "feed");
    const std::vector<std::byte> octets(300'000);
    std::uint64_t offset = 0;
    while (write_octets(*store, offset, octets) == StoreStatus::done) offset += octets.size();
    CHECK(offset < 1 << 20);
    REQUIRE(store->error());
    CHECK(store->error()->code == Errc::no_space);
    CHECK(mentions(store->error()->context, (disk / "feed").string()));
    CHECK(mentions(store->error()->context, "free some space"));
    CHECK(write_octets(*store, 0, std::span(octets).first(10)) == StoreStatus::failed);
    std::vector<std::byte> out(100);
    CHECK(read_octets(*store, 0, out) == StoreStatus::done);
  }

  TEST_CASE("a limit of file sizes is told apart from a full disk") {
    const TemporaryDirectory directory;
    const auto store = record_to(directory / "feed");
    const std::vector<std::byte> octet(1);
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before = {};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    const rlimit small = {100'000, before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    const StoreStatus status = write_octets(*store, 100'000, octet);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK(status == StoreStatus::failed);
    REQUIRE(store->error());
    CHECK(mentions(store->error()->context, "ulimit"));
    const auto endless = record_to(directory / "endless");
    CHECK(write_octets(*endless, ~std::uint64_t{0}, octet) == StoreStatus::failed);
  }

  TEST_CASE("no room for the tree is the store's error, too") {
    const SmallDisk disk("size=900k");
    if (!disk.is_mounted()) return;
    const TemporaryDirectory directory;
    const auto store = record_to(directory / "feed");
    REQUIRE(setenv("TMPDIR", disk.path().c_str(), 1) == 0);
    const auto small = store->grow_tree_memory(100'000);  // there is no room to spare
    const auto large = store->grow_tree_memory(5'000'000);
    REQUIRE(unsetenv("TMPDIR") == 0);
    CHECK(small.size() >= 100'000);
    CHECK(large.empty());
    REQUIRE(store->error());
    CHECK(store->error()->code == Errc::no_space);
    CHECK(mentions(store->error()->context, "TMPDIR"));
  }
}
