#include "files/check_download.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "files/block_threads.h"

namespace ppspp {
namespace {

constexpr std::uint64_t kBlockSize = 1024 * 1024;

void append(std::vector<ChunkRange>& runs, ChunkRange run) {
  if (!runs.empty() && runs.back().end == run.begin) {
    runs.back().end = run.end;
  } else {
    runs.push_back(run);
  }
}

// Puts together what the threads found, in the order of the blocks. Holds back only what came
// before its turn: the threads take the blocks in order.
class OrderedRuns {
 public:
  void add(std::uint64_t block, std::vector<ChunkRange> runs) {
    const std::lock_guard lock(mutex_);
    early_.emplace(block, std::move(runs));
    for (auto first = early_.begin(); first != early_.end() && first->first == next_;
         first = early_.erase(first), ++next_) {
      for (const ChunkRange run : first->second) append(runs_, run);
    }
  }

  std::vector<ChunkRange> take() { return std::move(runs_); }

 private:
  std::mutex mutex_;
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, std::vector<ChunkRange>> early_;
  std::vector<ChunkRange> runs_;
};

class BlockChecker {
 public:
  BlockChecker(const DownloadToCheck& download, std::uint64_t block_chunks, OrderedRuns& found)
      : download_(download),
        block_chunks_(block_chunks),
        found_(found),
        hasher_(download.tree.function()),
        buffer_(static_cast<std::size_t>(
            std::min(block_chunks * download.chunk_size, download.length))) {}

  Result<void> operator()(std::uint64_t block) {
    const ChunkIndex begin = block * block_chunks_;
    const ChunkRange chunks{begin, std::min(begin + block_chunks_, download_.tree.chunk_count())};
    std::vector<ChunkRange> runs;
    if (knows_any(chunks) && has_data(chunks)) {
      if (!read(chunks)) return Unexpected{system_error(errno, "cannot read", download_.path)};
      for (ChunkIndex chunk = chunks.begin; chunk < chunks.end; ++chunk) {
        if (is_genuine(chunk, chunk - chunks.begin)) append(runs, {chunk, chunk + 1});
      }
    }
    found_.add(block, std::move(runs));
    return {};
  }

 private:
  bool knows_any(ChunkRange chunks) const {
    for (ChunkIndex chunk = chunks.begin; chunk < chunks.end; ++chunk) {
      if (download_.tree.is_known(Bin::leaf(chunk))) return true;
    }
    return false;
  }

  std::uint64_t end_of(ChunkRange chunks) const {
    return std::min(chunks.end * download_.chunk_size, download_.length);
  }

  // Several threads move the same file position, which nobody uses. A file system that knows no
  // holes says that all is data.
  bool has_data(ChunkRange chunks) const {
    const auto begin = static_cast<off_t>(chunks.begin * download_.chunk_size);
    const off_t data = lseek(download_.file.fd(), begin, SEEK_DATA);
    if (data < 0) return errno != ENXIO;
    return static_cast<std::uint64_t>(data) < end_of(chunks);
  }

  bool read(ChunkRange chunks) {
    const std::uint64_t begin = chunks.begin * download_.chunk_size;
    const auto data = std::span(buffer_).first(static_cast<std::size_t>(end_of(chunks) - begin));
    const std::ptrdiff_t size = read_fully(download_.file.fd(), data, begin);
    data_ = data.first(static_cast<std::size_t>(std::max<std::ptrdiff_t>(size, 0)));
    return size >= 0;
  }

  bool is_genuine(ChunkIndex chunk, std::uint64_t place) {
    if (!download_.tree.is_known(Bin::leaf(chunk))) return false;
    const std::uint64_t size = end_of({chunk, chunk + 1}) - chunk * download_.chunk_size;
    const std::uint64_t begin = place * download_.chunk_size;
    if (begin + size > data_.size()) return false;  // the file is too short
    std::array<std::byte, kMaxDigestSize> hash;
    hasher_.hash(data_.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(size)),
                 hash.data());
    const auto expected = download_.tree.node(Bin::leaf(chunk));
    return std::memcmp(hash.data(), expected.data(), expected.size()) == 0;
  }

  const DownloadToCheck& download_;
  std::uint64_t block_chunks_;
  OrderedRuns& found_;
  Hasher hasher_;
  std::vector<std::byte> buffer_;
  std::span<const std::byte> data_;
};

}  // namespace

Result<std::vector<ChunkRange>> check_chunks(const DownloadToCheck& download,
                                             const HashOptions& options) {
  const std::uint64_t block_chunks = std::max<std::uint64_t>(kBlockSize / download.chunk_size, 1);
  OrderedRuns found;
  const BlockWork work{(download.tree.chunk_count() - 1) / block_chunks + 1,
                       block_chunks * download.chunk_size, download.length};
  const auto result = for_each_block(work, options, [&]() -> BlockHandler {
    const auto checker = std::make_shared<BlockChecker>(download, block_chunks, found);
    return [checker](std::uint64_t block) { return (*checker)(block); };
  });
  if (!result) return Unexpected{result.error()};
  return found.take();
}

std::vector<ChunkRange> with_known_hash(const std::vector<ChunkRange>& runs,
                                        const MerkleTree& tree) {
  std::vector<ChunkRange> known;
  for (const ChunkRange run : runs) {
    for (ChunkIndex chunk = run.begin; chunk < run.end; ++chunk) {
      if (tree.is_known(Bin::leaf(chunk))) append(known, {chunk, chunk + 1});
    }
  }
  return known;
}

}  // namespace ppspp
