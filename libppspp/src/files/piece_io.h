// Reading and writing runs of pieces in one system call each, and reading ahead.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ppspp {

// Octets of all pieces.
template <typename Piece>
std::uint64_t total_size(std::span<const Piece> pieces) {
  std::uint64_t size = 0;
  for (const Piece& piece : pieces) size += piece.size();
  return size;
}

// Whether [offset, offset + size) lies within the first `length` octets.
constexpr bool fits(std::uint64_t offset, std::uint64_t size, std::uint64_t length) {
  return offset <= length && size <= length - offset;
}

enum class PieceRead {
  done,
  would_block,  // with RWF_NOWAIT: not in the page cache
  unsupported,  // the file system does not know these flags
  short_read,   // the file ends before
  error,        // errno says which
};

// Fills the pieces, one behind the other, from `offset` on. `flags` as for preadv2().
PieceRead read_pieces(int fd, std::uint64_t offset, std::span<const std::span<std::byte>> pieces,
                      int flags);
// Writes all, or returns false with errno.
bool write_pieces(int fd, std::uint64_t offset, std::span<const std::span<const std::byte>> pieces);

// Asks the system to read ahead. For what is in the cache already this costs a little, so each
// block is asked for once in a while.
class ReadAhead {
 public:
  // Nothing happens for what does not lie within the first `length` octets.
  void ask(int fd, std::uint64_t offset, std::uint64_t size, std::uint64_t length);

 private:
  std::array<std::uint64_t, 16> latest_ = {};  // blocks plus one, by block modulo 16
};

}  // namespace ppspp
