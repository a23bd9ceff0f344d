#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "files_support.h"
#include "support/seed.h"

using namespace ppspp;
using namespace ppspp::test;
using State = OpenedDownload::State;
using Runs = std::vector<ChunkRange>;

namespace {

Error refusal(const std::filesystem::path& path, const SwarmMetadata& metadata,
              const DownloadOptions& options = {}) {
  const auto opened = FileChunkStore::open_download(path, metadata, options);
  REQUIRE(!opened);
  return opened.error();
}

std::filesystem::path state_of(const std::filesystem::path& path) {
  return StateFile::path_for(path);
}

}  // namespace

TEST_SUITE("files/download") {
  TEST_CASE("a download ends as the content, without the state file, and can be seeded from") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{1024}, std::size_t{5000}, std::size_t{100'001}}) {
      const Source source(size, rng);
      const auto path = directory / "out";
      {
        OpenedDownload opened = open_download(path, source);
        CHECK(opened.state == State::unknown);
        CHECK(!opened.checked);
        Downloader downloader(source, *opened.store, false);
        REQUIRE(downloader.fetch({0, source.chunk_count}));
        CHECK(std::filesystem::exists(state_of(path)));
        REQUIRE(opened.store->complete());
        CHECK(!std::filesystem::exists(state_of(path)));
        CHECK(read_file(path) == source.content);

        std::vector<std::byte> octets(size);
        CHECK(read_octets(*opened.store, 0, octets) == StoreStatus::done);
        CHECK(octets == source.content);
        CHECK(!opened.store->content_suspect());
        overwrite(path, 0, std::span(octets).first(1));
        CHECK(read_octets(*opened.store, 0, octets) == StoreStatus::done);
        CHECK(opened.store->content_suspect());
      }
      CHECK(!std::filesystem::exists(state_of(path)));
      std::filesystem::remove(path);
    }
  }

  TEST_CASE("the output has its length at once and takes room only for what is there") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(10 << 20, rng);
    OpenedDownload opened = open_download(directory / "out", source);
    Downloader downloader(source, *opened.store, false);
    REQUIRE(downloader.fetch(ChunkIndex{5000}));
    struct stat status;
    REQUIRE(stat((directory / "out").c_str(), &status) == 0);
    CHECK(status.st_size == 10 << 20);
    CHECK(status.st_blocks * 512 < 1 << 20);
  }

  TEST_CASE("many pieces go out in one call, and their order is theirs") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(400 * 1024, rng);
    OpenedDownload opened = open_download(directory / "out", source);
    Downloader downloader(source, *opened.store, false);
    std::vector<std::span<const std::byte>> pieces;
    for (ChunkIndex chunk = 100; chunk < 400; ++chunk) {
      pieces.push_back(source.octets({chunk, chunk + 1}));
    }
    REQUIRE(opened.store->write(100 * 1024, pieces) == StoreStatus::done);
    check_believed(directory / "out", source, {{100, 400}});
    CHECK(opened.store->have().count() == 300);
    CHECK(opened.store->write(101 * 1024, pieces) == StoreStatus::failed);
  }

  TEST_CASE("after a clean end everything is believed without hashing it") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(1'000'000, rng);
    const Runs runs{{0, 5}, {17, 18}, {100, 400}, {976, 977}};
    download_part(directory / "out", source, runs, true);
    const OpenedDownload opened = open_download(directory / "out", source);
    CHECK(opened.state == State::partial);
    CHECK(opened.length == 1'000'000);
    CHECK(opened.verified == runs);
    CHECK(!opened.checked);
  }

  TEST_CASE("a clean end is believed once: a run that is killed is checked") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(300'000, rng);
    download_part(directory / "out", source, {{0, 50}}, true);
    download_part(directory / "out", source, {{60, 70}}, false);
    const OpenedDownload opened = open_download(directory / "out", source);
    CHECK(opened.checked);
    CHECK(opened.verified == Runs{{0, 50}, {60, 70}});
  }

  TEST_CASE("after a kill every chunk on the disk is found again by its hash") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(3'000'000, rng);
    const Runs runs{{0, 5}, {17, 18}, {1000, 2400}, {2929, 2930}};
    download_part(directory / "out", source, runs, false);
    std::uint64_t checked = 0;
    DownloadOptions options;
    options.check.progress = [&](std::uint64_t done, std::uint64_t) { checked = done; };
    const OpenedDownload opened = open_download(directory / "out", source, options);
    CHECK(opened.state == State::partial);
    CHECK(opened.checked);
    CHECK(opened.verified == runs);
    CHECK(checked == 3'000'000);
  }

  TEST_CASE("the check of a killed download can be given up, and nothing is lost") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(300'000, rng);
    download_part(directory / "out", source, {{0, 50}}, false);
    const std::atomic<bool> cancel{true};
    DownloadOptions options;
    options.check.cancel = &cancel;
    CHECK(refusal(directory / "out", source.metadata, options).code == Errc::left);
    CHECK(open_download(directory / "out", source).verified == Runs{{0, 50}});
  }

  TEST_CASE("killed between the last chunk and the end, a download is complete") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(300'000, rng);
    download_part(directory / "out", source, {{0, source.chunk_count}}, false);
    OpenedDownload opened = open_download(directory / "out", source);
    CHECK(opened.state == State::complete);
    CHECK(opened.verified == Runs{{0, source.chunk_count}});
    REQUIRE(opened.store->complete());
    CHECK(!std::filesystem::exists(state_of(directory / "out")));
    CHECK(std::ranges::equal(opened.store->tree_memory(source.memory.size()), source.memory));
    CHECK(read_file(directory / "out") == source.content);
  }

  TEST_CASE("a download goes on in as many runs as it takes") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(200'000, rng);
    Runs before;
    for (ChunkIndex chunk = 0; chunk < source.chunk_count; chunk += 30) {
      OpenedDownload opened = open_download(directory / "out", source);
      CHECK(opened.verified == before);
      Downloader downloader(source, *opened.store, chunk > 0);
      REQUIRE(downloader.ready());
      REQUIRE(downloader.fetch({chunk, std::min(chunk + 30, source.chunk_count)}));
      before = {{0, std::min(chunk + 30, source.chunk_count)}};
      if (chunk % 60 == 0) REQUIRE(opened.store->close_clean());
    }
    CHECK(open_download(directory / "out", source).state == State::complete);
    check_believed(directory / "out", source, before);
  }

  TEST_CASE("a partial output that was changed after a clean end is checked") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(300'000, rng);
    download_part(directory / "out", source, {{0, 100}}, true);
    Runs expected;
    SUBCASE("written to") {
      overwrite(directory / "out", 10'000, random_octets(8, rng));
      expected = {{0, 9}, {10, 100}};
    }
    SUBCASE("shortened") {
      std::filesystem::resize_file(directory / "out", 50'500);
      expected = {{0, 49}};
    }
    SUBCASE("made longer") {
      std::filesystem::resize_file(directory / "out", 500'000);
      expected = {{0, 100}};
    }
    SUBCASE("removed") {
      std::filesystem::remove(directory / "out");
    }
    SUBCASE("copied elsewhere with its state") {
      const auto to = directory / "elsewhere";
      std::filesystem::create_directory(to);
      for (const char* name : {"out", "out.ppspp"}) {
        std::filesystem::copy(directory / name, to / name);
      }
      CHECK(open_download(to / "out", source).verified == Runs{{0, 100}});
      expected = {{0, 100}};
    }
    OpenedDownload opened = open_download(directory / "out", source);
    CHECK(opened.verified == expected);
    CHECK(opened.state == (expected.empty() ? State::unknown : State::partial));
    Downloader downloader(source, *opened.store, opened.state != State::unknown);
    REQUIRE(downloader.fetch({0, source.chunk_count}));
    REQUIRE(opened.store->complete());
    CHECK(read_file(directory / "out") == source.content);
  }

  TEST_CASE("an output that others write to while it is downloaded is repaired, never passed on") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(300'000, rng);
    {
      OpenedDownload opened = open_download(directory / "out", source);
      Downloader downloader(source, *opened.store, false);
      REQUIRE(downloader.fetch({0, 100}));
      CHECK(!opened.store->content_suspect());
      overwrite(directory / "out", 10'000, random_octets(8, rng));
      REQUIRE(downloader.fetch({100, source.chunk_count}));
      CHECK(opened.store->content_suspect());
      const auto completed = opened.store->complete();
      REQUIRE(!completed);
      CHECK(completed.error().code == Errc::content_changed);
      CHECK(mentions(completed.error().context, "run the same command again to repair it"));
      REQUIRE(opened.store->close_clean());
    }
    OpenedDownload opened = open_download(directory / "out", source);
    CHECK(opened.verified == Runs{{0, 9}, {10, source.chunk_count}});
    Downloader downloader(source, *opened.store, true);
    REQUIRE(downloader.fetch(ChunkIndex{9}));
    REQUIRE(opened.store->complete());
    CHECK(read_file(directory / "out") == source.content);
  }

  TEST_CASE("a touch that changes nothing does not keep a download from being complete") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(300'000, rng);
    OpenedDownload opened = open_download(directory / "out", source);
    Downloader downloader(source, *opened.store, false);
    REQUIRE(downloader.fetch({0, source.chunk_count}));
    overwrite(directory / "out", 10'000, source.octets({10, 11}).subspan(0, 0));
    overwrite(directory / "out", 10'240, source.octets({10, 11}));
    CHECK(opened.store->complete());
    CHECK(!opened.store->content_suspect());
  }

  TEST_CASE("an output that is removed while it is downloaded is an error at its end") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(3000, rng);
    OpenedDownload opened = open_download(directory / "out", source);
    Downloader downloader(source, *opened.store, false);
    REQUIRE(downloader.fetch({0, 3}));
    std::filesystem::remove(directory / "out");
    const auto completed = opened.store->complete();
    REQUIRE(!completed);
    CHECK(mentions(completed.error().context, "was removed while it was being downloaded"));
  }

  TEST_CASE("a run without a single chunk leaves nothing behind") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(3000, rng);
    {
      OpenedDownload opened = open_download(directory / "out", source);
      SUBCASE("nothing known") {}
      SUBCASE("the size known") {
        Downloader(source, *opened.store, false);
      }
      REQUIRE(opened.store->close_clean());
    }
    CHECK(directory.is_empty());
  }

  TEST_CASE("the length may be claimed anew until something was written (5.6)") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(50'000, rng);
    OpenedDownload opened = open_download(directory / "out", source);
    CHECK(write_octets(*opened.store, 0, source.octets({0, 1})) == StoreStatus::failed);
    REQUIRE(opened.store->set_content_length(7'000'000) == StoreStatus::done);
    auto memory = opened.store->tree_memory(13'671 * 32);
    REQUIRE(memory.size() == 13'671 * 32);
    std::ranges::fill(memory, std::byte{9});
    CHECK(opened.store->set_content_length(~std::uint64_t{0}) == StoreStatus::failed);
    CHECK(opened.store->tree_memory(~std::size_t{0}).empty());
    Downloader downloader(source, *opened.store, false);
    REQUIRE(downloader.fetch({0, source.chunk_count}));
    CHECK(opened.store->set_content_length(50'000) == StoreStatus::done);
    CHECK(opened.store->set_content_length(50'001) == StoreStatus::failed);
    REQUIRE(opened.store->complete());
    CHECK(read_file(directory / "out") == source.content);
  }

  TEST_CASE("a file that is not this download's is never overwritten without force") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(50'000, rng);
    const auto precious = random_octets(1000, rng);
    write_file(directory / "out", precious);
    const Error error = refusal(directory / "out", source.metadata);
    CHECK(error.code == Errc::exists);
    CHECK(mentions(error.context, "--force"));
    CHECK(read_file(directory / "out") == precious);
    CHECK(!std::filesystem::exists(state_of(directory / "out")));

    DownloadOptions force;
    force.force = true;
    {
      OpenedDownload opened = open_download(directory / "out", source, force);
      CHECK(opened.state == State::unknown);
      Downloader downloader(source, *opened.store, false);
      REQUIRE(downloader.fetch({0, 10}));
    }
    // Ours by now: force does not throw away what is there.
    CHECK(open_download(directory / "out", source, force).verified == Runs{{0, 10}});
  }

  TEST_CASE("the files of another download are never overwritten without force") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(50'000, rng);
    download_part(directory / "out", source, {{0, 10}}, true);
    const auto content = read_file(directory / "out");
    const auto state = read_file(state_of(directory / "out"));

    SwarmMetadata other = source.metadata;
    SUBCASE("another swarm") {
      other.id = Source(50'000, rng).metadata.id;
    }
    SUBCASE("another chunk size") {
      other.chunk_size = 2048;
    }
    SUBCASE("another length") {
      other.content_length = 50'001;
    }
    SUBCASE("another integrity method") {
      other.integrity = IntegrityMethod::none;
    }
    const Error error = refusal(directory / "out", other);
    CHECK(error.code == Errc::exists);
    CHECK(mentions(error.context, "--force"));
    CHECK(read_file(directory / "out") == content);
    CHECK(read_file(state_of(directory / "out")) == state);

    DownloadOptions force;
    force.force = true;
    const auto opened = FileChunkStore::open_download(directory / "out", other, force);
    REQUIRE(opened);
    CHECK(opened->state == State::unknown);
    CHECK(read_file(directory / "out").empty());
  }

  TEST_CASE("a state file that is something else is left alone without force") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(50'000, rng);
    const auto precious = random_octets(1000, rng);
    write_file(directory / "out.ppspp", precious);
    CHECK(mentions(refusal(directory / "out", source.metadata).context, "out.ppspp is damaged"));
    CHECK(read_file(directory / "out.ppspp") == precious);
  }

  TEST_CASE("an output that is no file is refused, and nothing is put beside it") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(3000, rng);
    std::filesystem::create_directory(directory / "out");
    REQUIRE(mkfifo((directory / "fifo").c_str(), 0600) == 0);
    for (const char* name : {"out", "fifo"}) {
      CHECK(mentions(refusal(directory / name, source.metadata, {.force = true}).context,
                     "is not a regular file"));
      CHECK(!std::filesystem::exists(state_of(directory / name)));
    }
    CHECK(mentions(refusal("/dev/null", source.metadata).context, "is not a regular file"));
    CHECK(refusal(directory / "no" / "out", source.metadata).code == Errc::not_found);
  }

  TEST_CASE("a live swarm is not kept in a file") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    SwarmMetadata metadata = Source(3000, rng).metadata;
    metadata.live = true;
    CHECK(refusal(directory / "out", metadata).code == Errc::not_supported);
    CHECK(directory.is_empty());
  }

  TEST_CASE("two at once do not write the same download") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(50'000, rng);
    {
      OpenedDownload first = open_download(directory / "out", source);
      for (const bool force : {false, true}) {
        const Error error = refusal(directory / "out", source.metadata, {.force = force});
        CHECK(error.code == Errc::exists);
        CHECK(mentions(error.context, "another process is at this download"));
      }
      Downloader downloader(source, *first.store, false);
      REQUIRE(downloader.fetch({0, 10}));
    }
    CHECK(open_download(directory / "out", source).verified == Runs{{0, 10}});
  }

  TEST_CASE("who comes while the one before ends waits for that") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(50'000, rng);
    OpenedDownload first = open_download(directory / "out", source);
    std::thread ending([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      first.store.reset();
    });
    const OpenedDownload second = open_download(directory / "out", source);
    ending.join();
    CHECK(second.store != nullptr);
  }

  TEST_CASE("without integrity protection, what is not certain is fetched again") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(50'000, rng);
    SwarmMetadata metadata = source.metadata;
    metadata.integrity = IntegrityMethod::none;
    const auto open = [&] {
      auto opened = FileChunkStore::open_download(directory / "out", metadata, {});
      REQUIRE(opened);
      return std::move(*opened);
    };
    {
      OpenedDownload opened = open();
      REQUIRE(opened.store->set_content_length(50'000) == StoreStatus::done);
      REQUIRE(write_octets(*opened.store, 0, source.octets({0, 10})) == StoreStatus::done);
      REQUIRE(opened.store->close_clean());
    }
    {
      OpenedDownload opened = open();
      CHECK(opened.verified == Runs{{0, 10}});
      REQUIRE(write_octets(*opened.store, 10'240, source.octets({10, 20})) == StoreStatus::done);
    }
    CHECK(open().state == State::unknown);
  }

  TEST_CASE("a full disk is one line that says what to do, and the download goes on later") {
    Rng rng(seed());
    const SmallDisk disk("size=1m");
    if (!disk.is_mounted()) return;
    const Source source(2 << 20, rng);
    {
      OpenedDownload opened = open_download(disk / "out", source);
      Downloader downloader(source, *opened.store, false);
      REQUIRE(downloader.ready());
      CHECK(!downloader.fetch({0, source.chunk_count}));
      REQUIRE(opened.store->error());
      CHECK(opened.store->error()->code == Errc::no_space);
      CHECK(mentions(opened.store->error()->context, "the disk is full: free 2 MiB for "));
      CHECK(mentions(opened.store->error()->context, "run the same command again: it resumes"));
      CHECK(opened.store->close_clean());
    }
    const OpenedDownload opened = open_download(disk / "out", source);
    CHECK(opened.state == State::partial);
    CHECK(opened.verified.front().size() > 300);
    check_believed(disk / "out", source, opened.verified);
  }

  TEST_CASE("no room for the hashes is an error, and another claim of the size may still do") {
    Rng rng(seed());
    const SmallDisk disk("size=1m");
    if (!disk.is_mounted()) return;
    const Source source(100'000, rng);
    OpenedDownload opened = open_download(disk / "out", source);
    REQUIRE(opened.store->set_content_length(1 << 30) == StoreStatus::done);
    CHECK(opened.store->tree_memory(64 << 20).empty());
    REQUIRE(opened.store->error());
    CHECK(opened.store->error()->code == Errc::no_space);
    Downloader downloader(source, *opened.store, false);
    CHECK(!opened.store->error());
    REQUIRE(downloader.fetch({0, source.chunk_count}));
    CHECK(opened.store->complete());
  }

  TEST_CASE("a limit to the size of files is one line, too") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(2 << 20, rng);
    const pid_t child = fork();
    if (child == 0) {  // the limit cannot be taken back
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{1 << 20, 1 << 20};
      setrlimit(RLIMIT_FSIZE, &limit);
      auto opened = FileChunkStore::open_download(directory / "out", source.metadata, {});
      const bool refused =
          opened && opened->store->set_content_length(2 << 20) == StoreStatus::failed &&
          opened->store->error() && mentions(opened->store->error()->context, "File too large");
      _exit(refused ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }

  TEST_CASE("a download for a pipe needs no name") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(300'000, rng);
    auto store = FileChunkStore::temporary(directory.path(), nullptr);
    REQUIRE(store);
    CHECK(directory.is_empty());
    Downloader downloader(source, **store, false);
    REQUIRE(downloader.fetch({0, source.chunk_count}));
    std::vector<std::byte> octets(300'000);
    CHECK(read_octets(**store, 0, octets) == StoreStatus::done);
    CHECK(octets == source.content);
    CHECK(!(*store)->content_suspect());
    CHECK((*store)->set_content_length(5) == StoreStatus::failed);
    CHECK((*store)->complete());
    CHECK((*store)->close_clean());
    CHECK(directory.is_empty());
  }
}
