#include "files/piece_io.h"

#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "base/assert.h"

namespace ppspp {
namespace {

constexpr std::size_t kPiecesAtOnce = 64;          // of one system call
constexpr std::uint64_t kPrefetchBlock = 1 << 20;  // octets asked for at once
constexpr std::uint64_t kMaxPrefetchBlocks = 8;    // of one call

// A batch of pieces as the system wants them.
class IoVectors {
 public:
  template <typename Piece>
  explicit IoVectors(std::span<const Piece> pieces) {
    PPSPP_ASSERT(pieces.size() <= kPiecesAtOnce);
    for (const Piece& piece : pieces) {
      vectors_[end_++] = {const_cast<std::byte*>(piece.data()), piece.size()};
      size_ += piece.size();
    }
  }

  const iovec* data() const { return vectors_.data() + begin_; }
  int count() const { return static_cast<int>(end_ - begin_); }
  std::size_t size() const { return size_; }

  void drop_front(std::size_t size) {
    size_ -= size;
    while (begin_ < end_ && size >= vectors_[begin_].iov_len) size -= vectors_[begin_++].iov_len;
    if (begin_ == end_) return;
    vectors_[begin_].iov_base = static_cast<std::byte*>(vectors_[begin_].iov_base) + size;
    vectors_[begin_].iov_len -= size;
  }

 private:
  std::array<iovec, kPiecesAtOnce> vectors_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t size_ = 0;
};

bool is_unsupported(int error_number) {
  return error_number == EOPNOTSUPP || error_number == ENOSYS || error_number == EINVAL;
}

}  // namespace

PieceRead read_pieces(int fd, std::uint64_t offset, std::span<const std::span<std::byte>> pieces,
                      int flags) {
  while (!pieces.empty()) {
    const auto batch = pieces.first(std::min(kPiecesAtOnce, pieces.size()));
    pieces = pieces.subspan(batch.size());
    IoVectors vectors(batch);
    while (vectors.size() > 0) {
      const ssize_t got =
          preadv2(fd, vectors.data(), vectors.count(), static_cast<off_t>(offset), flags);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return PieceRead::would_block;
      if (got < 0) return is_unsupported(errno) ? PieceRead::unsupported : PieceRead::error;
      if (got == 0) return PieceRead::short_read;
      vectors.drop_front(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
  }
  return PieceRead::done;
}

bool write_pieces(int fd, std::uint64_t offset,
                  std::span<const std::span<const std::byte>> pieces) {
  while (!pieces.empty()) {
    const auto batch = pieces.first(std::min(kPiecesAtOnce, pieces.size()));
    pieces = pieces.subspan(batch.size());
    IoVectors vectors(batch);
    while (vectors.size() > 0) {
      const ssize_t put = pwritev(fd, vectors.data(), vectors.count(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return false;
      vectors.drop_front(static_cast<std::size_t>(put));
      offset += static_cast<std::uint64_t>(put);
    }
  }
  return true;
}

void ReadAhead::ask(int fd, std::uint64_t offset, std::uint64_t size, std::uint64_t length) {
  if (size == 0 || !fits(offset, size, length)) return;
  const std::uint64_t first = offset / kPrefetchBlock;
  const std::uint64_t last =
      std::min((offset + size - 1) / kPrefetchBlock, first + kMaxPrefetchBlocks - 1);
  for (std::uint64_t block = first; block <= last; ++block) {
    std::uint64_t& latest = latest_[block % latest_.size()];
    if (latest == block + 1) continue;
    latest = block + 1;
    posix_fadvise(fd, static_cast<off_t>(block * kPrefetchBlock),
                  static_cast<off_t>(kPrefetchBlock), POSIX_FADV_WILLNEED);
  }
}

}  // namespace ppspp
