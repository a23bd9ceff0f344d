// A directory for the files of one test, a content with its hashes, and somebody who downloads it.
#pragma once

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "bins/peaks.h"
#include "files/file_chunk_store.h"
#include "integrity/content_verifier.h"
#include "integrity/tree_builder.h"
#include "ppspp/random_source.h"
#include "support/temporary_directory.h"

namespace ppspp::test {

// A small file system of its own, where the user who runs the tests may mount one.
class SmallDisk {
 public:
  explicit SmallDisk(const char* options) {
    mounted_ = mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, options) == 0;
    if (!mounted_) MESSAGE("skipped: mounting a small file system is not permitted");
  }
  ~SmallDisk() {
    if (mounted_) umount2(directory_.path().c_str(), MNT_DETACH);
  }
  bool is_mounted() const { return mounted_; }
  std::filesystem::path operator/(const char* name) const { return directory_ / name; }
  const std::filesystem::path& path() const { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
  bool mounted_ = false;
};

inline std::vector<std::byte> random_octets(std::size_t size, Rng& rng) {
  std::vector<std::byte> octets(size);
  for (std::byte& octet : octets) octet = static_cast<std::byte>(rng.next_u64());
  return octets;
}

inline void write_file(const std::filesystem::path& path, std::span<const std::byte> octets) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(octets.data()),
             static_cast<std::streamsize>(octets.size()));
  REQUIRE(file.good());
}

inline void overwrite(const std::filesystem::path& path, std::uint64_t offset,
                      std::span<const std::byte> octets) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(reinterpret_cast<const char*>(octets.data()),
             static_cast<std::streamsize>(octets.size()));
  REQUIRE(file.good());
}

inline std::vector<std::byte> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> chars{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::byte> octets(chars.size());
  std::ranges::transform(chars, octets.begin(), [](char c) { return static_cast<std::byte>(c); });
  return octets;
}

// Content with all its hashes.
struct Source {
  Source(std::size_t size, Rng& rng, std::uint32_t chunk = 1024)
      : content(random_octets(size, rng)),
        chunk_size(chunk),
        chunk_count((size - 1) / chunk + 1),
        memory(
            static_cast<std::size_t>(MerkleTree::memory_size(chunk_count, HashFunction::sha256))),
        tree(chunk_count, HashFunction::sha256, memory) {
    Hasher hasher(HashFunction::sha256);
    TreeBuilder builder(tree, chunk_size, std::uint64_t{1} << 40);
    builder.add_block(0, content, hasher);
    metadata.id = SwarmId(builder.finish(hasher).octets());
    metadata.chunk_size = chunk_size;
  }

  std::span<const std::byte> octets(ChunkRange chunks) const {
    const std::uint64_t begin = chunks.begin * chunk_size;
    const std::uint64_t end = std::min<std::uint64_t>(chunks.end * chunk_size, content.size());
    return std::span(content).subspan(begin, end - begin);
  }

  // The peaks, and all uncles of the chunk from the top down.
  std::vector<ClaimedHash> hashes_for(ChunkIndex chunk) const {
    std::vector<ClaimedHash> hashes;
    const Bin peak = peak_of(chunk, chunk_count);
    for (Bin node = Bin::leaf(chunk); node != peak; node = node.parent()) {
      hashes.push_back({node.sibling(), tree.node(node.sibling())});
    }
    std::ranges::reverse(hashes);
    return hashes;
  }
  std::vector<ClaimedHash> peak_hashes() const {
    std::vector<ClaimedHash> hashes;
    for (const Bin peak : peaks(chunk_count)) hashes.push_back({peak, tree.node(peak)});
    return hashes;
  }

  std::vector<std::byte> content;
  std::uint32_t chunk_size;
  std::uint64_t chunk_count;
  std::vector<std::byte> memory;
  MerkleTree tree;
  SwarmMetadata metadata;
};

inline StoreStatus write_octets(ChunkStore& store, std::uint64_t offset,
                                std::span<const std::byte> octets) {
  const std::array<std::span<const std::byte>, 1> pieces{octets};
  return store.write(offset, pieces);
}

inline StoreStatus read_octets(ChunkStore& store, std::uint64_t offset, std::span<std::byte> out) {
  const std::array<std::span<std::byte>, 1> pieces{out};
  return store.read(offset, pieces);
}

// Does to a store what a swarm does: verifies each chunk with its hashes, then writes it.
class Downloader {
 public:
  Downloader(const Source& source, FileChunkStore& store, bool resumed)
      : source_(source), store_(store), verifier_(source.metadata) {
    if (!resumed && store.set_content_length(source.content.size()) != StoreStatus::done) return;
    const auto memory = store.tree_memory(source.memory.size());
    if (memory.size() != source.memory.size()) return;
    verifier_.start(source.chunk_count, memory);
    if (resumed && !verifier_.tree().check(source.metadata.id.octets())) return;
    ready_ = verifier_.accept_peaks(source.peak_hashes());
  }

  bool ready() const { return ready_; }

  bool fetch(ChunkIndex chunk) {
    const auto payload = source_.octets({chunk, chunk + 1});
    return verifier_.verify(chunk, payload, source_.hashes_for(chunk)) == Verdict::verified &&
           write_octets(store_, chunk * source_.chunk_size, payload) == StoreStatus::done;
  }
  bool fetch(ChunkRange chunks) {
    bool all = true;
    for (ChunkIndex chunk = chunks.begin; chunk < chunks.end; ++chunk) all = fetch(chunk) && all;
    return all;
  }

 private:
  const Source& source_;
  FileChunkStore& store_;
  ContentVerifier verifier_;
  bool ready_ = false;
};

inline OpenedDownload open_download(const std::filesystem::path& path, const Source& source,
                                    const DownloadOptions& options = {}) {
  auto opened = FileChunkStore::open_download(path, source.metadata, options);
  if (!opened) FAIL(opened.error().context);
  return std::move(*opened);
}

// A download of these runs that was interrupted, in the clean way or not.
inline void download_part(const std::filesystem::path& path, const Source& source,
                          const std::vector<ChunkRange>& runs, bool clean) {
  OpenedDownload opened = open_download(path, source);
  Downloader downloader(source, *opened.store, opened.state != OpenedDownload::State::unknown);
  REQUIRE(downloader.ready());
  for (const ChunkRange run : runs) REQUIRE(downloader.fetch(run));
  if (clean) REQUIRE(opened.store->close_clean().has_value());
}

// Every chunk that is said to be verified is the source's.
inline void check_believed(const std::filesystem::path& path, const Source& source,
                           const std::vector<ChunkRange>& verified) {
  const auto octets = read_file(path);
  for (const ChunkRange run : verified) {
    const auto expected = source.octets(run);
    const std::uint64_t begin = run.begin * source.chunk_size;
    REQUIRE(octets.size() >= begin + expected.size());
    CHECK(std::ranges::equal(std::span(octets).subspan(begin, expected.size()), expected));
  }
}

inline bool mentions(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace ppspp::test
