#include <fcntl.h>
#include <sys/stat.h>

#include <condition_variable>
#include <mutex>

#include "files_support.h"
#include "support/seed.h"

using namespace ppspp;
using namespace ppspp::test;

namespace {

std::unique_ptr<FileChunkStore> seed_file(const std::filesystem::path& path,
                                          StoreReady ready = nullptr) {
  auto hashed = hash_file(path, 1024, HashFunction::sha256);
  REQUIRE(hashed);
  return FileChunkStore::seed(std::move(*hashed), std::move(ready));
}

// Counts the calls from the store's thread.
class Readiness {
 public:
  StoreReady handler() {
    return [this] {
      const std::lock_guard lock(mutex_);
      ++count_;
      changed_.notify_all();
    };
  }
  bool wait_for(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return count_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

void drop_from_cache(const std::filesystem::path& path) {
  const FileHandle file(open(path.c_str(), O_RDONLY));
  REQUIRE(fsync(file.fd()) == 0);
  REQUIRE(posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED) == 0);
}

}  // namespace

TEST_SUITE("files/seed") {
  TEST_CASE("consecutive octets are read into any pieces") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const auto content = random_octets(300'000, rng);
    write_file(directory / "file", content);
    const auto store = seed_file(directory / "file");
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t offset = rng.below(200'000);
      std::vector<std::byte> octets(rng.below(100'000));
      std::vector<std::span<std::byte>> pieces;
      for (std::size_t at = 0; at < octets.size();) {
        const std::size_t size = std::min<std::size_t>(rng.below(3000), octets.size() - at);
        pieces.push_back(std::span(octets).subspan(at, size));
        at += size;
      }
      REQUIRE(store->read(offset, pieces) == StoreStatus::done);
      REQUIRE(std::ranges::equal(octets, std::span(content).subspan(offset, octets.size())));
    }
    CHECK(!store->content_suspect());
    CHECK(!store->error());
  }

  TEST_CASE("the tree memory holds all the hashes") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(70'000, rng);
    write_file(directory / "file", source.content);
    const auto store = seed_file(directory / "file");
    CHECK(std::ranges::equal(store->tree_memory(source.memory.size()), source.memory));
    CHECK(store->set_content_length(70'000) == StoreStatus::done);
    CHECK(store->tree_memory(source.memory.size() + 64).empty());
  }

  TEST_CASE("a store that seeds writes nothing, and reads nothing beyond the end") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const auto content = random_octets(5000, rng);
    write_file(directory / "file", content);
    auto store = seed_file(directory / "file");
    CHECK(write_octets(*store, 0, std::span(content).first(10)) == StoreStatus::failed);
    std::array<std::byte, 10> octets;
    CHECK(read_octets(*store, 4991, octets) == StoreStatus::failed);
    CHECK(read_octets(*store, ~std::uint64_t{4}, octets) == StoreStatus::failed);
    CHECK(store->complete());
    CHECK(store->close_clean());
    store.reset();
    CHECK(read_file(directory / "file") == content);
  }

  TEST_CASE("a file that others touch is suspect, for good") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const auto path = directory / "file";
    const auto content = random_octets(50'000, rng);
    write_file(path, content);
    const auto store = seed_file(path);
    std::array<std::byte, 1000> octets;
    REQUIRE(read_octets(*store, 0, octets) == StoreStatus::done);
    CHECK(!store->content_suspect());

    SUBCASE("written to") {
      overwrite(path, 40'000, std::span(content).first(1));
    }
    SUBCASE("written to at once, with its time of change set back") {
      struct stat before;
      REQUIRE(stat(path.c_str(), &before) == 0);
      overwrite(path, 0, std::span(content).subspan(1000, 10));
      const std::array<timespec, 2> times{before.st_atim, before.st_mtim};
      REQUIRE(utimensat(AT_FDCWD, path.c_str(), times.data(), 0) == 0);
    }
    SUBCASE("longer") {
      std::filesystem::resize_file(path, 60'000);
    }
    SUBCASE("removed") {
      std::filesystem::remove(path);
    }
    SUBCASE("replaced by another") {
      write_file(directory / "other", random_octets(50'000, rng));
      std::filesystem::rename(directory / "other", path);
    }
    REQUIRE(read_octets(*store, 0, octets) == StoreStatus::done);
    CHECK(store->content_suspect());
    REQUIRE(read_octets(*store, 0, octets) == StoreStatus::done);
    CHECK(store->content_suspect());
  }

  TEST_CASE("what is seeded is what was hashed, even when another file has its name") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const auto content = random_octets(5000, rng);
    write_file(directory / "file", content);
    const auto store = seed_file(directory / "file");
    write_file(directory / "other", random_octets(5000, rng));
    std::filesystem::rename(directory / "other", directory / "file");
    std::vector<std::byte> octets(5000);
    REQUIRE(read_octets(*store, 0, octets) == StoreStatus::done);
    CHECK(octets == content);
  }

  TEST_CASE("a file that was shortened fails with one line that says so") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    write_file(directory / "file", random_octets(50'000, rng));
    Readiness readiness;
    StoreReady ready;
    SUBCASE("for a driver that waits") {
      ready = readiness.handler();
    }
    SUBCASE("for one that does not") {}
    const bool waits = ready != nullptr;
    const auto store = seed_file(directory / "file", ready);
    std::filesystem::resize_file(directory / "file", 20'000);
    std::array<std::byte, 1000> octets;
    StoreStatus status = read_octets(*store, 19'500, octets);
    if (waits && status == StoreStatus::not_yet) {
      REQUIRE(readiness.wait_for(1));
      status = read_octets(*store, 19'500, octets);
    }
    REQUIRE(status == StoreStatus::failed);
    REQUIRE(store->error());
    CHECK(store->error()->code == Errc::content_changed);
    CHECK(mentions(store->error()->context, "was shortened while it was being seeded"));
    CHECK(mentions(store->error()->context, (directory / "file").string()));
  }

  TEST_CASE("what is not in the page cache is fetched by another thread, and then read") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const auto content = random_octets(8 << 20, rng);
    write_file(directory / "file", content);
    Readiness readiness;
    const auto store = seed_file(directory / "file", readiness.handler());
    drop_from_cache(directory / "file");
    int waits = 0;
    std::vector<std::byte> octets(60'000);
    for (std::uint64_t offset = 0; offset + octets.size() <= content.size(); offset += 1 << 20) {
      for (;;) {
        const StoreStatus status = read_octets(*store, offset, octets);
        REQUIRE(status != StoreStatus::failed);
        if (status == StoreStatus::done) break;
        REQUIRE(readiness.wait_for(++waits));
      }
      REQUIRE(std::ranges::equal(octets, std::span(content).subspan(offset, octets.size())));
    }
    if (waits == 0) MESSAGE("this file system keeps everything in memory: nothing to wait for");
    CHECK(waits <= 8);
  }

  TEST_CASE("more misses than the queue holds are all answered in the end") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const auto content = random_octets(8 << 20, rng);
    write_file(directory / "file", content);
    Readiness readiness;
    const auto store = seed_file(directory / "file", readiness.handler());
    drop_from_cache(directory / "file");
    std::vector<std::uint64_t> offsets;
    for (std::uint64_t offset = 0; offset < content.size(); offset += 1 << 15) {
      offsets.push_back(offset);
    }
    std::array<std::byte, 1024> octets;
    for (int round = 0; !offsets.empty(); ++round) {
      REQUIRE(round < 10'000);
      const auto is_done = [&](std::uint64_t offset) {
        const StoreStatus status = read_octets(*store, offset, octets);
        REQUIRE(status != StoreStatus::failed);
        return status == StoreStatus::done;
      };
      const auto done = std::ranges::remove_if(offsets, is_done);
      offsets.erase(done.begin(), offsets.end());
      if (!offsets.empty()) REQUIRE(readiness.wait_for(round + 1));
    }
  }

  TEST_CASE("prefetching takes any range") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    write_file(directory / "file", random_octets(3 << 20, rng));
    const auto store = seed_file(directory / "file");
    store->prefetch(0, 1024);
    store->prefetch(0, 3 << 20);
    store->prefetch((3 << 20) - 1, 1);
    store->prefetch(5 << 20, 1024);
    store->prefetch(~std::uint64_t{0}, ~std::uint64_t{0});
    store->prefetch(10, 0);
    CHECK(!store->error());
  }
}
