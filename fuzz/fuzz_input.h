// What the fuzz targets share: choices taken from the input, and what must hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

namespace ppspp::fuzz {

inline void require(bool condition, int line = __builtin_LINE()) {
  if (condition) return;
  std::fprintf(stderr, "not as required in line %d\n", line);
  std::abort();
}

// Choices from the input; zeros when it has ended.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}
  bool at_end() const { return rest_.empty(); }
  std::uint8_t octet() {
    if (rest_.empty()) return 0;
    const std::uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  std::size_t below(std::size_t bound) { return octet() % bound; }
  std::vector<std::byte> octets(std::size_t size) {
    std::vector<std::byte> taken(std::min(size, rest_.size()));
    for (std::byte& value : taken) value = static_cast<std::byte>(octet());
    return taken;
  }
  // Of so many octets, the highest first; of fewer where the input ends.
  std::uint64_t number(std::size_t octets) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < octets && !rest_.empty(); ++i) value = value << 8 | octet();
    return value;
  }

 private:
  std::span<const std::uint8_t> rest_;
};

// What a store may be told to do wrong.
struct StoreFaults {
  bool reads_fail = false;
  bool reads_wait = false;
  bool writes_fail = false;
  bool writes_wait = false;
  bool has_no_room = false;
};

}  // namespace ppspp::fuzz
