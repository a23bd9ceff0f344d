// Cursors over octets: the one place where the bounds of network input are checked.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ppspp {

template <std::unsigned_integral T>
constexpr T big_endian(T value) {
  static_assert(std::endian::native == std::endian::little || std::endian::native == std::endian::big);
  if constexpr (std::endian::native == std::endian::big || sizeof(T) == 1) {
    return value;
  } else if constexpr (sizeof(T) == 2) {
    return __builtin_bswap16(value);
  } else if constexpr (sizeof(T) == 4) {
    return __builtin_bswap32(value);
  } else {
    return __builtin_bswap64(value);
  }
}

// Whether there is nothing but zeros: of a hash the first word tells.
inline bool is_all_zero(std::span<const std::byte> octets) {
  std::uint64_t word = 0;
  for (; octets.size() >= sizeof word; octets = octets.subspan(sizeof word)) {
    std::memcpy(&word, octets.data(), sizeof word);
    if (word != 0) return false;
  }
  return std::ranges::all_of(octets, [](std::byte octet) { return octet == std::byte{0}; });
}

// Reads big-endian fields from the front of a buffer. The first read past the end makes the reader
// fail for good: later reads return zero or an empty span. Decode a whole message, then ask ok()
// once. Zero is a valid message type (HANDSHAKE): ask at_end() before reading a type.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  T read() {
    T value = 0;
    if (rest_.size() < sizeof(T)) {
      fail();
      return value;
    }
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_ = rest_.subspan(sizeof(T));
    return big_endian(value);
  }

  std::span<const std::byte> take(std::size_t size) {
    if (size > rest_.size()) {
      fail();
      return {};
    }
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  std::span<const std::byte> take_up_to(std::size_t size) {
    return take(std::min(size, rest_.size()));
  }

  void fail() {
    ok_ = false;
    rest_ = {};
  }
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }
  std::span<const std::byte> rest() const { return rest_; }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

// Writes big-endian fields into a buffer that the caller owns. What does not fit is not written and
// makes the writer fail for good: ask ok() once at the end, or fits() before.
class ByteWriter {
 public:
  explicit ByteWriter(std::span<std::byte> buffer) : buffer_(buffer) {}

  template <std::unsigned_integral T>
  void write(T value) {
    const T wire = big_endian(value);
    const auto place = reserve(sizeof(T));
    if (!place.empty()) std::memcpy(place.data(), &wire, sizeof(T));
  }

  void write_bytes(std::span<const std::byte> bytes) {
    const auto place = reserve(bytes.size());
    if (!place.empty()) std::memcpy(place.data(), bytes.data(), bytes.size());
  }

  // A part of the buffer for the caller to fill; empty if it does not fit (or size is 0).
  std::span<std::byte> reserve(std::size_t size) {
    if (!ok_ || size > buffer_.size() - size_) {
      ok_ = false;
      return {};
    }
    const auto place = buffer_.subspan(size_, size);
    size_ += size;
    return place;
  }

  // Forgets what was written beyond `size`, for all-or-nothing groups. Also clears a failure.
  void rewind(std::size_t size) {
    size_ = std::min(size, size_);
    ok_ = true;
  }

  bool fits(std::size_t size) const { return ok_ && size <= buffer_.size() - size_; }
  bool ok() const { return ok_; }
  std::size_t size() const { return size_; }
  std::size_t space() const { return ok_ ? buffer_.size() - size_ : 0; }
  std::span<const std::byte> written() const { return buffer_.first(size_); }

 private:
  std::span<std::byte> buffer_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

}  // namespace ppspp
