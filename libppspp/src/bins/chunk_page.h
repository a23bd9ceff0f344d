// A bitmap of the chunks of one page, a BinSet's piece where it is neither all in nor all out.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ppspp {

class ChunkPage {
 public:
  // 256 octets of bits: big enough that what surrounds a page costs little, small enough that the
  // two ragged ends of a long run cost little, and that a peer gains little from scattered chunks.
  static constexpr unsigned kBits = 11;
  static constexpr unsigned kChunks = 1U << kBits;

  enum class Fill { none, all };
  explicit ChunkPage(Fill fill) : count_(fill == Fill::all ? kChunks : 0) {
    words_.fill(fill == Fill::all ? ~std::uint64_t{0} : 0);
  }

  unsigned count() const { return count_; }
  std::uint64_t word(std::size_t index) const { return words_[index]; }
  bool contains(unsigned chunk) const { return (words_[chunk / 64] >> chunk % 64 & 1) != 0; }

  // Chunks [begin, end), not empty; the number of chunks that were not there (were there) before.
  unsigned insert(unsigned begin, unsigned end) {
    const unsigned before = count_;
    for_each_word(begin, end, [this](std::uint64_t& word, std::uint64_t mask) {
      count_ += ones(mask & ~word);
      word |= mask;
    });
    return count_ - before;
  }
  unsigned erase(unsigned begin, unsigned end) {
    const unsigned before = count_;
    for_each_word(begin, end, [this](std::uint64_t& word, std::uint64_t mask) {
      count_ -= ones(mask & word);
      word &= ~mask;
    });
    return before - count_;
  }

  // The first chunk at or after `from` that is in (out of) the page; kChunks if there is none.
  unsigned next_in(unsigned from) const { return next(from, 0); }
  unsigned next_out(unsigned from) const { return next(from, ~std::uint64_t{0}); }

  // Whether one of the chunks [begin, end), not empty, is in the page.
  bool any(unsigned begin, unsigned end) const {
    const std::size_t last = (end - 1) / 64;
    const std::uint64_t in_last = ~std::uint64_t{0} >> (63 - (end - 1) % 64);
    std::size_t index = begin / 64;
    std::uint64_t word = words_[index] & ~std::uint64_t{0} << begin % 64;
    for (; index < last; word = words_[++index]) {
      if (word != 0) return true;
    }
    return (word & in_last) != 0;
  }

  // Where the run begins that ends before `end`; `end` itself if the chunk before it is out.
  unsigned run_begin(unsigned end) const {
    while (end > 0) {
      const unsigned last = end - 1;
      const unsigned run = leading_ones(words_[last / 64] << (63 - last % 64));
      if (run <= last % 64) return end - run;
      end -= run;
    }
    return 0;
  }

  friend bool operator==(const ChunkPage& a, const ChunkPage& b) = default;

 private:
  static unsigned ones(std::uint64_t word) { return static_cast<unsigned>(std::popcount(word)); }
  static unsigned leading_ones(std::uint64_t word) {
    return static_cast<unsigned>(std::countl_one(word));
  }

  template <typename Function>
  void for_each_word(unsigned begin, unsigned end, Function function) {
    while (begin < end) {
      const unsigned stop = std::min(end, (begin / 64 + 1) * 64);
      const std::uint64_t mask = ~std::uint64_t{0} >> (64 - (stop - begin)) << begin % 64;
      function(words_[begin / 64], mask);
      begin = stop;
    }
  }

  unsigned next(unsigned from, std::uint64_t flip) const {
    if (from >= kChunks) return kChunks;
    std::size_t index = from / 64;
    std::uint64_t word = (words_[index] ^ flip) & ~std::uint64_t{0} << from % 64;
    while (word == 0) {
      if (++index == words_.size()) return kChunks;
      word = words_[index] ^ flip;
    }
    return static_cast<unsigned>(index) * 64 + static_cast<unsigned>(std::countr_zero(word));
  }

  std::array<std::uint64_t, kChunks / 64> words_;
  unsigned count_;
};

}  // namespace ppspp
