#include "files/hash_file.h"

#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "files_support.h"
#include "support/seed.h"

using namespace ppspp;
using namespace ppspp::test;

namespace {

Error error_of(const std::filesystem::path& path, const HashOptions& options = {}) {
  const auto hashed = hash_file(path, 1024, HashFunction::sha256, options);
  REQUIRE(!hashed);
  return hashed.error();
}

}  // namespace

TEST_SUITE("files/hash_file") {
  TEST_CASE("a file of any length has the tree of its octets, on any number of threads") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const std::size_t mib = 1024 * 1024;
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{1023}, std::size_t{1024}, std::size_t{1025},
          std::size_t{100'000}, mib, mib + 1, 3 * mib - 5, 5 * mib + 12'345}) {
      for (const std::uint32_t chunk_size : {512u, 1024u, 1500u, 65'000u}) {
        const Source source(size, rng, chunk_size);
        write_file(directory / "file", source.content);
        for (const unsigned threads : {0u, 1u, 3u}) {
          CAPTURE(size);
          CAPTURE(chunk_size);
          CAPTURE(threads);
          const auto hashed =
              hash_file(directory / "file", chunk_size, HashFunction::sha256, {.threads = threads});
          REQUIRE(hashed);
          CHECK(std::ranges::equal(hashed->root.octets(), source.metadata.id.octets()));
          CHECK(std::ranges::equal(hashed->tree.memory(), source.memory));
          CHECK(hashed->length == size);
        }
      }
    }
  }

  TEST_CASE("progress is told from the calling thread and ends with everything") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    write_file(directory / "file", random_octets(3'000'000, rng));
    const auto caller = std::this_thread::get_id();
    std::uint64_t last = 0;
    HashOptions options;
    options.progress = [&](std::uint64_t done, std::uint64_t total) {
      CHECK(std::this_thread::get_id() == caller);
      CHECK(total == 3'000'000);
      CHECK(done >= last);
      last = done;
    };
    REQUIRE(hash_file(directory / "file", 1024, HashFunction::sha256, options));
    CHECK(last == 3'000'000);
  }

  TEST_CASE("hashing can be given up") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    write_file(directory / "file", random_octets(3'000'000, rng));
    const std::atomic<bool> cancel{true};
    CHECK(error_of(directory / "file", {.cancel = &cancel}).code == Errc::left);
  }

  TEST_CASE("what cannot be seeded is refused with its name and the reason") {
    const TemporaryDirectory directory;
    write_file(directory / "empty", {});
    CHECK(mentions(error_of(directory / "empty").context, "empty: there is nothing to seed"));
    CHECK(mentions(error_of(directory.path()).context, "is a directory, not a regular file"));
    REQUIRE(mkfifo((directory / "fifo").c_str(), 0600) == 0);
    CHECK(mentions(error_of(directory / "fifo").context, "is a FIFO, not a regular file"));
    CHECK(mentions(error_of("/dev/null").context, "/dev/null is a device"));
    const Error missing = error_of(directory / "missing");
    CHECK(missing.code == Errc::not_found);
    CHECK(mentions(missing.context, "/missing: No such file"));
  }

  TEST_CASE("an unreadable file is an error of the system") {
    const TemporaryDirectory directory;
    write_file(directory / "secret", std::array{std::byte{1}});
    std::filesystem::permissions(directory / "secret", std::filesystem::perms::none);
    if (access((directory / "secret").c_str(), R_OK) == 0) {
      MESSAGE("skipped: this user may read everything");
      return;
    }
    CHECK(mentions(error_of(directory / "secret").context, "Permission denied"));
  }

  TEST_CASE("a file that is written to while it is hashed is an error") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const auto content = random_octets(100'000, rng);
    for (const bool shorten : {false, true}) {
      write_file(directory / "file", content);
      HashOptions options;
      options.progress = [&](std::uint64_t, std::uint64_t) {
        if (shorten) {
          std::filesystem::resize_file(directory / "file", 50'000);
        } else {
          overwrite(directory / "file", 10, std::span(content).first(1));
        }
      };
      const Error error = error_of(directory / "file", options);
      CHECK(error.code == Errc::content_changed);
      CHECK(mentions(error.context, "was changed while it was being hashed"));
    }
  }

  TEST_CASE("a file is recognised as the complete content of a swarm, or not") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(50'000, rng);
    write_file(directory / "file", source.content);
    SwarmMetadata metadata = source.metadata;
    auto whole = verify_complete_file(directory / "file", metadata);
    REQUIRE(whole);
    REQUIRE(whole->has_value());
    CHECK(std::ranges::equal((*whole)->tree.memory(), source.memory));

    metadata.content_length = 49'999;
    CHECK(!verify_complete_file(directory / "file", metadata)->has_value());
    metadata.content_length = 50'000;
    CHECK(verify_complete_file(directory / "file", metadata)->has_value());
    overwrite(directory / "file", 30'000, random_octets(8, rng));
    CHECK(!verify_complete_file(directory / "file", metadata)->has_value());
    write_file(directory / "file", {});
    CHECK(!verify_complete_file(directory / "file", metadata)->has_value());
    CHECK(!verify_complete_file(directory / "missing", metadata));
  }
}
