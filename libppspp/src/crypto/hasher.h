// Digests and what computes them (OpenSSL behind types of ours).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "crypto/multi_buffer.h"
#include "ppspp/hash_function.h"

namespace ppspp {

// One digest of any function. Octets beyond size() are zero, so that comparison is plain.
class Digest {
 public:
  Digest() = default;                                  // no octets
  explicit Digest(std::span<const std::byte> octets);  // at most kMaxDigestSize
  static Digest zero(std::size_t size);                // the empty hash of section 5.1

  std::size_t size() const { return size_; }
  const std::byte* data() const { return octets_.data(); }
  std::span<const std::byte> octets() const { return {octets_.data(), size_}; }
  bool is_zero() const;
  std::string to_hex() const;
  friend bool operator==(const Digest&, const Digest&) = default;

 private:
  friend class Hasher;
  std::array<std::byte, kMaxDigestSize> octets_ = {};
  std::uint8_t size_ = 0;
};

// One of the usual size in one go.
inline void copy_digest(std::byte* to, const std::byte* from, std::size_t size) {
  constexpr std::size_t kUsual = digest_size(HashFunction::sha256);
  if (size == kUsual) {
    std::memcpy(to, from, kUsual);
  } else {
    std::memcpy(to, from, size);
  }
}

// Computes digests of one function. Allocates nothing.
class Hasher {
 public:
  explicit Hasher(HashFunction function) : function_(function) {}

  HashFunction function() const { return function_; }
  std::size_t size() const { return digest_size(function_); }

  // Writes size() octets to `out`.
  void hash(std::span<const std::byte> data, std::byte* out) const;
  Digest hash(std::span<const std::byte> data) const;
  // H(left, right), the hash of a parent (section 5.1). `out` may be one of the two.
  void hash_pair(const std::byte* left, const std::byte* right, std::byte* out) const;
  Digest hash_pair(const Digest& left, const Digest& right) const;
  // Hashes `out.size() / size()` messages of equal size that lie one behind the other, into `out`.
  // With `together` many at a time cost less each than one by one.
  void hash_many(std::span<const std::byte> data, std::size_t message_size,
                 std::span<std::byte> out, LazyMultiBuffer* together = nullptr) const;
  // The same for messages anywhere in memory.
  void hash_many(std::span<const std::byte* const> messages, std::size_t message_size,
                 std::span<std::byte> out, LazyMultiBuffer* together = nullptr) const;

 private:
  HashFunction function_;
};

}  // namespace ppspp
