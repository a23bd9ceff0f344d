// State files that are not what was written: torn, stale or damaged at random.
#include "files_support.h"
#include "support/seed.h"

using namespace ppspp;
using namespace ppspp::test;
using State = OpenedDownload::State;
using Runs = std::vector<ChunkRange>;

namespace {

constexpr std::uint64_t kSlot = StateFile::kSlotSize;

void damage(const std::filesystem::path& path, std::uint64_t begin, std::uint64_t end, Rng& rng) {
  const std::uint64_t offset = begin + rng.below(end - begin);
  auto octets = read_file(path);
  octets.resize(std::max<std::size_t>(octets.size(), offset + 1));
  const std::array changed{octets[offset] ^ static_cast<std::byte>(1 + rng.below(255))};
  overwrite(path, offset, changed);
}

}  // namespace

TEST_SUITE("files/damage") {
  TEST_CASE("whatever octets of the state file change, only true chunks are believed") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(150'000, rng);
    const auto out = directory / "out";
    const auto state = directory / "out.ppspp";
    for (int round = 0; round < 60; ++round) {
      download_part(out, source, {{0, 40}, {60, 100}}, round % 2 == 0);
      const std::uint64_t size = std::filesystem::file_size(state);
      for (std::uint64_t count = 1 + rng.below(20); count > 0; --count) {
        const std::uint64_t slot = rng.below(2) * kSlot;
        if (rng.below(3) == 0) {
          damage(state, slot, slot + 150, rng);
        } else {
          damage(state, 2 * kSlot, size, rng);
        }
      }
      CAPTURE(round);
      auto opened = FileChunkStore::open_download(out, source.metadata, {});
      if (opened) {
        check_believed(out, source, opened->verified);
        Downloader downloader(source, *opened->store, opened->state != State::unknown);
        CHECK(downloader.ready());
        CHECK(downloader.fetch({0, source.chunk_count}));
        CHECK(opened->store->complete());
        CHECK(read_file(out) == source.content);
      } else {
        CHECK(opened.error().code == Errc::exists);
      }
      std::filesystem::remove(out);
      std::filesystem::remove(state);
    }
  }

  TEST_CASE("a hash that was damaged after a clean end costs its chunks, not the download") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(128 * 1024, rng);
    const auto out = directory / "out";
    download_part(out, source, {{0, 128}}, true);
    const std::uint64_t leaf = 2 * kSlot + Bin::leaf(77).number() * 32;
    damage(directory / "out.ppspp", leaf, leaf + 32, rng);
    const OpenedDownload opened = open_download(out, source);
    CHECK(opened.verified == Runs{{0, 76}, {78, 128}});
  }

  TEST_CASE("a record that was torn while it was written leaves the one before") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(150'000, rng);
    const auto out = directory / "out";
    const auto state = directory / "out.ppspp";
    download_part(out, source, {{0, 40}}, true);
    const auto before = read_file(state);
    // Each slot in turn: one of them is the newest, and without it the other is not clean.
    for (const std::uint64_t slot : {std::uint64_t{0}, kSlot}) {
      write_file(state, before);
      overwrite(state, slot + 60, random_octets(100, rng));
      CHECK(open_download(out, source).verified == Runs{{0, 40}});
    }
  }

  TEST_CASE("with both records gone the download is refused, and nothing is overwritten") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(150'000, rng);
    const auto out = directory / "out";
    download_part(out, source, {{0, 40}}, true);
    const auto content = read_file(out);
    for (const std::uint64_t slot : {std::uint64_t{0}, kSlot}) {
      overwrite(directory / "out.ppspp", slot + 60, random_octets(100, rng));
    }
    const auto opened = FileChunkStore::open_download(out, source.metadata, {});
    REQUIRE(!opened);
    CHECK(opened.error().code == Errc::exists);
    CHECK(read_file(out) == content);
  }

  TEST_CASE("a state file cut short anywhere is survived") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(150'000, rng);
    const auto out = directory / "out";
    const auto state = directory / "out.ppspp";
    download_part(out, source, {{0, 40}}, false);
    const auto whole = read_file(state);
    const auto content = read_file(out);
    for (const std::uint64_t size :
         {std::uint64_t{0}, std::uint64_t{50}, std::uint64_t{4096}, kSlot, kSlot + 50, 2 * kSlot,
          2 * kSlot + 1000, std::uint64_t{whole.size()} - 1}) {
      CAPTURE(size);
      write_file(state, whole);
      write_file(out, content);
      std::filesystem::resize_file(state, size);
      const auto opened = FileChunkStore::open_download(out, source.metadata, {});
      if (opened) check_believed(out, source, opened->verified);
      if (!opened) CHECK(opened.error().code == Errc::exists);
    }
  }

  TEST_CASE("a crash before the first record was written is a new download") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(3000, rng);
    write_file(directory / "out.ppspp", {});
    CHECK(open_download(directory / "out", source).state == State::unknown);
  }

  TEST_CASE("so many runs that they do not fit the record are checked instead") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(80'000 * 512, rng, 512);
    {
      OpenedDownload opened = open_download(directory / "out", source);
      Downloader downloader(source, *opened.store, false);
      for (ChunkIndex chunk = 0; chunk < source.chunk_count; chunk += 2) {
        REQUIRE(downloader.fetch(chunk));
      }
      REQUIRE(opened.store->close_clean());
    }
    const OpenedDownload opened = open_download(directory / "out", source);
    CHECK(opened.checked);
    CHECK(opened.verified.size() == 40'000);
  }
}
