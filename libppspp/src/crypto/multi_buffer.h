// Digests of many messages of one length at once, where the processor's vector instructions do that
// faster than one message after the other (intel-ipsec-mb, on x86).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "ppspp/hash_function.h"

namespace ppspp {

// Not for two threads at once.
class MultiBuffer {
 public:
  enum class Width : std::uint8_t { avx2, avx512 };
  static constexpr Width kWidths[] = {Width::avx2, Width::avx512};

  // Of this width, whether or not that is the fastest here; nullptr where the processor or this
  // build has none.
  static std::unique_ptr<MultiBuffer> make(Width width);
  // The fastest here, or nullptr where one by one is as fast. About 200 KiB.
  static std::unique_ptr<MultiBuffer> make_best();

  virtual ~MultiBuffer() = default;
  // As many messages as are hashed side by side, and how few of them are worth it: with fewer than
  // `worth` most lanes would run empty.
  struct Lanes {
    std::size_t count = 0;
    std::size_t worth = 0;
  };
  virtual Lanes lanes(HashFunction function) const = 0;
  // All messages have `size` octets, 1 to kMaxMessage; digests go one behind the other to `out`. No
  // allocation.
  static constexpr std::size_t kMaxMessage = 65'000;
  virtual void hash(HashFunction function, std::span<const std::byte* const> messages,
                    std::size_t size, std::byte* out) = 0;
};

// The fastest, made when it is first asked for: most never are. To be shared by all that one thread
// hashes.
class LazyMultiBuffer {
 public:
  MultiBuffer* get() {
    if (!made_) own_ = MultiBuffer::make_best();
    made_ = true;
    return own_.get();
  }

 private:
  std::unique_ptr<MultiBuffer> own_;
  bool made_ = false;
};

constexpr std::string_view to_string(MultiBuffer::Width width) {
  return width == MultiBuffer::Width::avx2 ? "avx2" : "avx512";
}

}  // namespace ppspp
