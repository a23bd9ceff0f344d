#include "support/heap.h"

#include <malloc.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

// Programs that count have one thread.
std::int64_t in_use = 0;
std::int64_t given = 0;

void* allocate_if_possible(std::size_t size) {
  void* const place = std::malloc(size == 0 ? 1 : size);
  ++given;
  if (place != nullptr) in_use += static_cast<std::int64_t>(malloc_usable_size(place));
  return place;
}

void* allocate(std::size_t size) {
  void* const place = allocate_if_possible(size);
  if (place == nullptr) throw std::bad_alloc();
  return place;
}

void release(void* place) {
  if (place == nullptr) return;
  in_use -= static_cast<std::int64_t>(malloc_usable_size(place));
  std::free(place);
}

}  // namespace

void* operator new(std::size_t size) {
  return allocate(size);
}
void* operator new[](std::size_t size) {
  return allocate(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate_if_possible(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return allocate_if_possible(size);
}
void operator delete(void* place) noexcept {
  release(place);
}
void operator delete[](void* place) noexcept {
  release(place);
}
void operator delete(void* place, std::size_t) noexcept {
  release(place);
}
void operator delete[](void* place, std::size_t) noexcept {
  release(place);
}

namespace ppspp::test {

std::int64_t heap_in_use() {
  return in_use;
}

std::int64_t allocations() {
  return given;
}

}  // namespace ppspp::test
