// A process killed in the middle of its writes.
#include <sys/wait.h>

#include <csignal>
#include <set>

#include "files_support.h"
#include "support/seed.h"

using namespace ppspp;
using namespace ppspp::test;
using State = OpenedDownload::State;

namespace {

// Downloads chunks in a random order, and tells of each when it is written, until it is killed.
[[noreturn]] void download_until_killed(const std::filesystem::path& path, const Source& source,
                                        std::uint64_t random_seed, int report) {
  Rng rng(random_seed);
  DownloadOptions options;
  options.check.threads = 1;  // a forked process has one
  auto opened = FileChunkStore::open_download(path, source.metadata, options);
  if (!opened) _exit(2);
  Downloader downloader(source, *opened->store, opened->state != State::unknown);
  if (!downloader.ready()) _exit(3);
  for (;;) {
    const ChunkIndex chunk = rng.below(source.chunk_count);
    if (!downloader.fetch(chunk)) _exit(4);
    if (write(report, &chunk, sizeof(chunk)) != sizeof(chunk)) _exit(5);
  }
}

// Starts the download, kills it after so many chunks, and returns all that it told of.
std::set<ChunkIndex> run_and_kill(const std::filesystem::path& path, const Source& source, Rng& rng,
                                  std::uint64_t chunks) {
  std::array<int, 2> pipe_ends;
  REQUIRE(pipe(pipe_ends.data()) == 0);
  const std::uint64_t child_seed = rng.next_u64();
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) download_until_killed(path, source, child_seed, pipe_ends[1]);
  close(pipe_ends[1]);
  std::set<ChunkIndex> told;
  ChunkIndex chunk = 0;
  for (std::uint64_t i = 0; read(pipe_ends[0], &chunk, sizeof(chunk)) == sizeof(chunk); ++i) {
    told.insert(chunk);
    if (i == chunks) kill(child, SIGKILL);
  }
  close(pipe_ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  return told;
}

bool contains(const std::vector<ChunkRange>& runs, ChunkIndex chunk) {
  return std::ranges::any_of(runs, [chunk](ChunkRange run) { return run.contains(chunk); });
}

}  // namespace

TEST_SUITE("files/kill") {
  TEST_CASE("kill -9 at any moment loses nothing that was written, and nothing else is believed") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(2'500'000, rng);
    std::set<ChunkIndex> written;
    for (int round = 0; round < 30; ++round) {
      CAPTURE(round);
      const auto told = run_and_kill(directory / "out", source, rng, rng.below(150));
      written.insert(told.begin(), told.end());
      const OpenedDownload opened = open_download(directory / "out", source);
      check_believed(directory / "out", source, opened.verified);
      for (const ChunkIndex chunk : written) {
        CAPTURE(chunk);
        CHECK(contains(opened.verified, chunk));
      }
      if (opened.state == State::complete || round % 10 == 9) {
        std::filesystem::remove(directory / "out");
        std::filesystem::remove(directory / "out.ppspp");
        written.clear();
      } else if (round % 3 == 0) {
        REQUIRE(opened.store->close_clean());
      }
    }
  }
}
