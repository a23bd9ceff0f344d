// A queue for a few small items, of which there may be many queues: it takes 24 octets when empty,
// where std::deque takes 600. Items lie next to each other; at both ends they come and go at a
// constant cost on the average, in between at that of moving what lies on one side.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

#include "base/assert.h"

namespace ppspp {

template <typename T>
class ShortQueue {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  ShortQueue() = default;
  ShortQueue(const ShortQueue&) = delete;
  ShortQueue& operator=(const ShortQueue&) = delete;

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  T* begin() { return items_.get() + head_; }
  T* end() { return begin() + size_; }
  const T* begin() const { return items_.get() + head_; }
  const T* end() const { return begin() + size_; }
  T& operator[](std::size_t i) { return begin()[i]; }
  const T& operator[](std::size_t i) const { return begin()[i]; }
  T& front() { return *begin(); }
  T& back() { return end()[-1]; }
  const T& front() const { return *begin(); }
  const T& back() const { return end()[-1]; }

  void push_back(const T& item) {
    const T copy = item;  // it may be one of ours
    if (head_ + size_ == capacity_) make_room(0);
    *end() = copy;
    ++size_;
  }
  void push_front(const T& item) {
    const T copy = item;
    if (head_ == 0) make_room(size_ / 2 + 2);
    --head_;
    ++size_;
    front() = copy;
  }
  void pop_front() {
    ++head_;
    --size_;
    if (size_ == 0) clear();
  }
  void pop_back() {
    --size_;
    if (size_ == 0) clear();
  }
  void clear() {
    head_ = size_ = 0;
    if (capacity_ <= kKept) return;
    items_.reset();
    capacity_ = 0;
  }

  // Gives back all room that nothing stands in now, if it is empty.
  void release() {
    if (size_ != 0) return;
    items_.reset();
    capacity_ = head_ = 0;
  }

  // Before the item at `place`.
  void insert(T* place, const T& item) {
    const auto before = static_cast<std::size_t>(place - begin());
    push_back(item);
    std::rotate(begin() + before, end() - 1, end());
  }
  void erase(T* place) { erase(place, place + 1); }
  void erase(T* from, T* to) {
    if (from == begin()) {
      const auto count = static_cast<std::uint32_t>(to - from);
      head_ += count;
      size_ -= count;
    } else {
      std::copy(to, end(), from);
      size_ -= static_cast<std::uint32_t>(to - from);
    }
    if (size_ == 0) clear();
  }

  // Octets on the heap.
  std::size_t memory() const { return capacity_ * sizeof(T); }

 private:
  static constexpr std::uint32_t kKept = 256;  // items that an empty one keeps room for

  // At the end for one more at least, and in front for `in_front`. What is there is moved only when
  // half of the place is free, so that each move is paid for by so many that came before it.
  void make_room(std::uint32_t in_front) {
    const std::uint32_t needed = size_ + in_front + 1;
    if (needed * 2 <= capacity_) {
      std::memmove(items_.get() + in_front, begin(), size_ * sizeof(T));
      head_ = in_front;
      return;
    }
    PPSPP_ASSERT(needed < 1U << 30);
    const std::uint32_t capacity = std::max<std::uint32_t>(4, needed * 2);
    auto items = std::make_unique_for_overwrite<T[]>(capacity);
    std::copy(begin(), end(), items.get() + in_front);
    items_ = std::move(items);
    capacity_ = capacity;
    head_ = in_front;
  }

  std::unique_ptr<T[]> items_;
  std::uint32_t capacity_ = 0;
  std::uint32_t head_ = 0;
  std::uint32_t size_ = 0;
};

}  // namespace ppspp
