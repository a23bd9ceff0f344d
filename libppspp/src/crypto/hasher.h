// Digests and what computes them (OpenSSL behind types of ours).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
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

// Computes digests of one function. Keeps the library's context, since making one for each digest
// costs more than the digest: reuse a Hasher. Not for two threads at once.
class Hasher {
 public:
  explicit Hasher(HashFunction function);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  HashFunction function() const { return function_; }
  std::size_t size() const { return digest_size(function_); }

  // Writes size() octets to `out`. No allocation.
  void hash(std::span<const std::byte> data, std::byte* out);
  Digest hash(std::span<const std::byte> data);
  // H(left, right), the hash of a parent (section 5.1). `out` may be one of the two.
  void hash_pair(const std::byte* left, const std::byte* right, std::byte* out);
  Digest hash_pair(const Digest& left, const Digest& right);
  // Hashes `out.size() / size()` messages of equal size that lie one behind the other, into `out`.
  // With `together` many at a time cost less each than one by one.
  void hash_many(std::span<const std::byte> data, std::size_t message_size,
                 std::span<std::byte> out, LazyMultiBuffer* together = nullptr);
  // The same for messages anywhere in memory.
  void hash_many(std::span<const std::byte* const> messages, std::size_t message_size,
                 std::span<std::byte> out, LazyMultiBuffer* together = nullptr);

 private:
  struct Impl;
  HashFunction function_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppspp
