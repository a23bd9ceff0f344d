#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <thread>

#include "files_support.h"
#include "ppspp/key_file.h"
#include "support/seed.h"

using namespace ppspp;
using namespace ppspp::test;

namespace {

// A directory with a key in it.
struct Feed {
  Feed() { REQUIRE(open_key_file(key, SignatureAlgorithm::ed25519)); }

  FeedNumbers open() const {
    auto numbers = FeedNumbers::open(key);
    if (!numbers) FAIL(numbers.error().context);
    return std::move(*numbers);
  }
  std::string text() const {
    const auto octets = read_file(next);
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
  }
  void write_next(std::string_view octets) const {
    write_file(next, std::as_bytes(std::span(octets)));
  }

  TemporaryDirectory directory;
  std::filesystem::path key = directory / "feed.pem";
  std::filesystem::path next = directory / "feed.pem.next";
};

void check_held(const std::filesystem::path& key) {
  const auto numbers = FeedNumbers::open(key);
  REQUIRE_FALSE(numbers);
  CHECK(numbers.error().code == Errc::exists);
  CHECK(mentions(numbers.error().context, "another process publishes"));
}

}  // namespace

TEST_SUITE("files/feed_numbers") {
  TEST_CASE("a feed goes on behind what was reserved, and reserving only ever goes up") {
    const Feed feed;
    {
      FeedNumbers numbers = feed.open();
      CHECK(numbers.first() == 0);
      CHECK_FALSE(std::filesystem::exists(feed.next));
      REQUIRE(numbers.reserve(1000));
      CHECK(feed.text() == "next 1000\n");
      REQUIRE(numbers.reserve(400));
      CHECK(feed.text() == "next 1000\n");
      CHECK(numbers.first() == 0);
    }
    FeedNumbers again = feed.open();
    CHECK(again.first() == 1000);
    REQUIRE(again.reserve(1000));
    REQUIRE(again.reserve(1500));
    CHECK(again.first() == 1000);
    CHECK(feed.text() == "next 1500\n");
  }

  TEST_CASE("the file is its owner's, whatever the umask") {
    const Feed feed;
    for (const mode_t mask : {0u, 0777u}) {
      const mode_t before = umask(mask);
      const auto reserved = feed.open().reserve(mask + 1);
      umask(before);
      REQUIRE(reserved);
      struct stat status;
      REQUIRE(stat(feed.next.c_str(), &status) == 0);
      CHECK((status.st_mode & 07777) == 0600);
    }
  }

  TEST_CASE("one source at a time uses a key, also after the numbers were replaced") {
    const Feed feed;
    {
      FeedNumbers numbers = feed.open();
      check_held(feed.key);
      REQUIRE(numbers.reserve(10));
      check_held(feed.key);
      FeedNumbers moved = std::move(numbers);
      check_held(feed.key);
      // The key itself can be read meanwhile.
      CHECK(open_key_file(feed.key));
    }
    CHECK(feed.open().first() == 10);
  }

  TEST_CASE("a link to a key is the same feed") {
    const Feed feed;
    const auto link = feed.directory / "link";
    std::filesystem::create_symlink("feed.pem", link);
    {
      auto numbers = FeedNumbers::open(link);
      REQUIRE(numbers);
      check_held(feed.key);
      REQUIRE(numbers->reserve(7));
    }
    CHECK(feed.text() == "next 7\n");
    CHECK(feed.open().first() == 7);
    CHECK(FeedNumbers::open(link)->first() == 7);
  }

  TEST_CASE("another process is kept out while this one lives, and not when it was killed") {
    const Feed feed;
    std::array<int, 2> pipe_ends;
    REQUIRE(pipe(pipe_ends.data()) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto numbers = FeedNumbers::open(feed.key);
      if (!numbers || !numbers->reserve(5)) _exit(1);
      if (write(pipe_ends[1], "x", 1) != 1) _exit(2);
      for (;;) pause();
    }
    char byte = 0;
    REQUIRE(read(pipe_ends[0], &byte, 1) == 1);
    check_held(feed.key);
    kill(child, SIGKILL);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(feed.open().first() == 5);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
  }

  TEST_CASE("what was reserved when a process is killed stays reserved") {
    Rng rng(seed());
    const Feed feed;
    ChunkIndex told = 0;
    ChunkIndex before = 0;
    for (int round = 0; round < 40; ++round) {
      std::array<int, 2> pipe_ends;
      REQUIRE(pipe(pipe_ends.data()) == 0);
      const pid_t child = fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        auto numbers = FeedNumbers::open(feed.key);
        if (!numbers) _exit(1);
        for (ChunkIndex end = numbers->first() + 1;; ++end) {
          if (!numbers->reserve(end)) _exit(2);
          if (write(pipe_ends[1], &end, sizeof(end)) != sizeof(end)) _exit(3);
        }
      }
      close(pipe_ends[1]);
      ChunkIndex end = 0;
      // Some rounds end before anything was told, but not all, however slow the disk is.
      if (round % 4 == 0 && read(pipe_ends[0], &end, sizeof(end)) == sizeof(end)) told = end;
      usleep(static_cast<useconds_t>(rng.below(20'000)));
      kill(child, SIGKILL);
      int status = 0;
      REQUIRE(waitpid(child, &status, 0) == child);
      CHECK(WIFSIGNALED(status));
      while (read(pipe_ends[0], &end, sizeof(end)) == sizeof(end)) told = end;
      close(pipe_ends[0]);
      const ChunkIndex first = feed.open().first();
      CHECK(first >= told);
      CHECK(first <= std::max(told, before) + 1);
      before = first;
    }
    CHECK(told > 0);
  }

  TEST_CASE("what a killed process left half written is in nobody's way") {
    const Feed feed;
    REQUIRE(feed.open().reserve(20));
    const auto left = feed.directory / "feed.pem.next.new";
    std::filesystem::create_symlink("feed.pem", left);
    FeedNumbers numbers = feed.open();
    CHECK(numbers.first() == 20);
    REQUIRE(numbers.reserve(30));
    CHECK(feed.text() == "next 30\n");
    CHECK_FALSE(std::filesystem::exists(std::filesystem::symlink_status(left)));
    CHECK(open_key_file(feed.key));
  }

  TEST_CASE("how many chunks are signed at once is kept with the numbers (6.1.2.1 #129)") {
    const Feed feed;
    {
      FeedNumbers numbers = feed.open();
      CHECK(numbers.chunks_per_signature() == 0);
      REQUIRE(numbers.reserve(1000));
      REQUIRE(numbers.reserve(1000, 32));
      CHECK(feed.text() == "next 1000\nchunks-per-signature 32\n");
      REQUIRE(numbers.reserve(2000));
    }
    const FeedNumbers again = feed.open();
    CHECK(again.first() == 2000);
    CHECK(again.chunks_per_signature() == 32);
  }

  TEST_CASE("damaged numbers are refused: to guess could use one twice") {
    const Feed feed;
    for (const char* text :
         {"", "\n", "next", "next \n", "next 12", "next 12 \n", "next -1\n", "next 1x\n",
          "next 0x10\n", "12\n", "Next 12\n", "next 12\n\n", "next 9223372036854775809\n",
          "next 99999999999999999999\n", "next 12\nchunks-per-signature 3\n",
          "next 12\nchunks-per-signature 0\n", "next 12\nchunks-per-signature 8",
          "next 00000000000000000000000000000000000000000000000000000000000012\n"}) {
      CAPTURE(text);
      feed.write_next(text);
      const auto numbers = FeedNumbers::open(feed.key);
      REQUIRE_FALSE(numbers);
      CHECK(mentions(numbers.error().context, "feed.pem.next is damaged"));
      CHECK(mentions(numbers.error().context, "next 123456"));
    }
    feed.write_next("next 9223372036854775808\n");
    CHECK(feed.open().first() == kMaxChunks);
    std::filesystem::remove(feed.next);
    std::filesystem::create_directory(feed.next);
    CHECK_FALSE(FeedNumbers::open(feed.key));
  }

  TEST_CASE("there are no numbers without a key") {
    const TemporaryDirectory directory;
    const auto numbers = FeedNumbers::open(directory / "none");
    REQUIRE_FALSE(numbers);
    CHECK(numbers.error().code == Errc::not_found);
    CHECK(directory.is_empty());
  }

  TEST_CASE("a full disk is told of, and what was reserved before holds") {
    const SmallDisk disk("size=64k");
    if (!disk.is_mounted()) return;
    REQUIRE(open_key_file(disk / "feed.pem", SignatureAlgorithm::ed25519));
    {
      auto numbers = FeedNumbers::open(disk / "feed.pem");
      REQUIRE(numbers);
      REQUIRE(numbers->reserve(100));
      std::ofstream filler(disk / "filler", std::ios::binary);
      filler << std::string(200'000, 'x') << std::flush;
      const auto reserved = numbers->reserve(200);
      REQUIRE_FALSE(reserved);
      CHECK(reserved.error().code == Errc::no_space);
      CHECK(mentions(reserved.error().context, "feed.pem.next"));
      filler.close();
      std::filesystem::remove(disk / "filler");
      REQUIRE(numbers->reserve(150));  // it goes on as soon as there is room
    }
    CHECK(FeedNumbers::open(disk / "feed.pem")->first() == 150);
  }

  TEST_CASE("several threads may reserve, and the highest number holds") {
    const Feed feed;
    FeedNumbers numbers = feed.open();
    std::vector<std::thread> threads;
    std::array<bool, 4> all_well = {};
    for (std::size_t i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        bool well = true;
        for (ChunkIndex n = 1; n <= 20; ++n) well = numbers.reserve(4 * n + i).has_value() && well;
        all_well[i] = well;
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(std::ranges::all_of(all_well, [](bool well) { return well; }));
    CHECK(feed.text() == "next 83\n");
  }
}
