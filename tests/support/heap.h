// How much is allocated: `operator new` of a program that links this is counted.
#pragma once

#include <cstdint>

namespace ppspp::test {

// Octets that operator new gave and delete has not had back, of the whole process.
std::int64_t heap_in_use();
// How often it gave something.
std::int64_t allocations();

// Adds what is allocated while it lives, less what is freed, to a sum.
class HeapMeter {
 public:
  explicit HeapMeter(std::int64_t& sum) : sum_(sum), before_(heap_in_use()) {}
  ~HeapMeter() { sum_ += heap_in_use() - before_; }
  HeapMeter(const HeapMeter&) = delete;
  HeapMeter& operator=(const HeapMeter&) = delete;

 private:
  std::int64_t& sum_;
  std::int64_t before_;
};

}  // namespace ppspp::test
