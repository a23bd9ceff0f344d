// What the operations of a BinSet cost, in nanoseconds of processor time each.
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <vector>

#include "bins/bin_set.h"
#include "ppspp/random_source.h"

namespace {

using ppspp::BinSet;
using ppspp::ChunkIndex;
using ppspp::ChunkRange;

constexpr ChunkIndex kChunks = ChunkIndex{1} << 20;

std::uint64_t sink = 0;

template <typename Function>
void measure(const char* name, std::uint64_t count, Function function) {
  const std::clock_t start = std::clock();
  for (std::uint64_t i = 0; i < count; ++i) function(i);
  const double spent_ns = 1e9 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  std::printf("%-58s %8.1f ns\n", name, spent_ns / static_cast<double>(count));
}

std::vector<ChunkIndex> random_chunks(std::size_t count, ChunkIndex below, std::uint64_t seed) {
  ppspp::Rng rng(seed);
  std::vector<ChunkIndex> chunks(count);
  for (ChunkIndex& chunk : chunks) chunk = rng.below(below);
  return chunks;
}

ChunkRange one(ChunkIndex chunk) {
  return {chunk, chunk + 1};
}

void measure_insertion(const std::vector<ChunkIndex>& at) {
  BinSet in_order;
  measure("insert one chunk, in order", 64 * kChunks, [&](auto i) { in_order.insert(one(i)); });
  BinSet runs;
  measure("insert runs of 16, in order", 4 * kChunks, [&](auto i) {
    runs.insert({16 * i, 16 * i + 16});
  });
  BinSet random;
  measure("insert one chunk, random of 2^20", at.size(),
          [&](auto i) { random.insert(one(at[i])); });
  std::printf("  memory %zu (plain bitmap %llu)\n", random.memory(), kChunks / 8ULL);
  BinSet wide;
  const auto far = random_chunks(kChunks, ChunkIndex{1} << 32, 3);
  measure("insert one chunk, random of 2^32", far.size(),
          [&](auto i) { wide.insert(one(far[i])); });
  std::printf("  memory %zu in %zu pages\n", wide.memory(), wide.page_count());
  measure("contains, random of 2^32", far.size(),
          [&](auto i) { sink += wide.contains(far[far.size() - 1 - i]) ? 1U : 0U; });
}

void measure_queries(const std::vector<ChunkIndex>& at) {
  BinSet set;
  for (std::size_t i = 0; i < kChunks / 2; ++i) set.insert(one(at[i]));
  measure("word, in order", 1 << 22, [&](auto i) { sink += set.word(i % (kChunks / 64)); });
  measure("word, random", at.size(), [&](auto i) { sink += set.word(at[i] / 64); });
  measure("contains, in order", 1 << 22,
          [&](auto i) { sink += set.contains(i % kChunks) ? 1U : 0U; });
  measure("contains, random", at.size(), [&](auto i) { sink += set.contains(at[i]) ? 1U : 0U; });
  measure("intersects 16, in order", 1 << 22, [&](auto i) {
    sink += set.intersects({i % kChunks, i % kChunks + 16}) ? 1U : 0U;
  });
  measure("contains 16, random", at.size(), [&](auto i) {
    sink += set.contains({at[i], at[i] + 16}) ? 1U : 0U;
  });
  measure("run_around, random", at.size(), [&](auto i) { sink += set.run_around(at[i]).begin; });
  ChunkIndex from = 0;
  measure("next_run, in order", 1 << 22, [&](auto) {
    from = set.next_run(from).end;
    sink += from;
  });
}

void measure_picking(const std::vector<ChunkIndex>& at) {
  BinSet everything;
  everything.insert({0, ppspp::kMaxChunks});
  BinSet mine;
  BinSet requested;
  measure("pick 1 in order: find, request, receive 64 later", kChunks, [&](auto i) {
    const ChunkRange next =
        first_run_in_but_not_in(everything, mine, requested, {0, 2 * kChunks}, 1);
    requested.insert(next);
    if (i < 64) return;
    requested.erase(one(i - 64));
    mine.insert(one(i - 64));
  });
  BinSet holes;
  for (std::size_t i = 0; i < kChunks / 2; ++i) holes.insert(one(at[i]));
  measure("pick at a random place in random holes", at.size(), [&](auto i) {
    sink += first_run_in_but_not_in(everything, holes, requested, {at[i], kChunks}, 8).begin;
  });
  const BinSet same = holes;
  measure("search 2^20 chunks of two equal sets with holes", 100, [&](auto) {
    sink += first_run_in_but_not_in(same, holes, BinSet(), {0, kChunks}, 8).begin;
  });
}

}  // namespace

int main() {
  const auto at = random_chunks(4 * kChunks, kChunks, 1);
  measure_insertion(at);
  measure_queries(at);
  measure_picking(at);
  return sink == 42 ? 1U : 0U;
}
