// bench_parts DIRECTORY: what the parts of the library cost, each by itself, on one core. Files are
// made in DIRECTORY and removed. Prints one JSON object per line.
#include "parts.h"

#include <array>
#include <chrono>
#include <filesystem>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "bins/bin_set.h"
#include "bins/peaks.h"
#include "congestion/ledbat.h"
#include "crypto/hasher.h"
#include "files/file_chunk_store.h"
#include "integrity/batch_work.h"
#include "integrity/content_verifier.h"
#include "integrity/merkle_tree.h"
#include "integrity/needed_uncles.h"
#include "integrity/tree_builder.h"
#include "net/worker_pool.h"
#include "ppspp/random_source.h"
#include "wire/datagram.h"

namespace {

using namespace ppspp;

constexpr std::size_t kChunk = 1024;
constexpr std::size_t kChunks = 16'384;

volatile std::uint64_t result = 0;  // so that nothing is optimised away

std::vector<ChunkIndex> all_chunks(bool shuffled) {
  std::vector<ChunkIndex> order(kChunks);
  std::iota(order.begin(), order.end(), 0);
  Rng rng(1);
  for (std::size_t i = kChunks; shuffled && i > 1; --i)
    std::swap(order[i - 1], order[rng.below(i)]);
  return order;
}

void measure_codec() {
  const WireFormat format{.chunk_size = kChunk, .hash_size = 32};
  const std::vector<std::byte> hash(32, std::byte{7});
  std::array<std::byte, 2048> buffer = {};
  std::size_t size = 0;
  const auto write = [&] {
    ByteWriter out(buffer);
    write_channel(out, ChannelId{1});
    write_ack(out, Ack{{3, 9}, 1000}, format);
    write_integrity(out, Integrity{{4, 6}, hash}, format);
    write_integrity(out, Integrity{{7, 8}, hash}, format);
    const DataPlaces places = write_data(out, 6, kChunk, format);
    stamp(places.timestamp, 1);
    size = out.size();
  };
  bench::measure_part("codec: ACK, 2 INTEGRITY, DATA written", "datagram", 1000, 0, [&] {
    for (int i = 0; i < 1000; ++i) write();
    result = size;
  });
  bench::measure_part("codec: the same read", "datagram", 1000, 0, [&] {
    std::uint64_t messages = 0;
    for (int i = 0; i < 1000; ++i) {
      DatagramReader reader(std::span<const std::byte>(buffer).first(size), format);
      while (reader.next()) ++messages;
    }
    result = messages;
  });
}

void measure_sets() {
  for (const bool shuffled : {false, true}) {
    const auto order = all_chunks(shuffled);
    const char* const name =
        shuffled ? "chunk set: insert, any order" : "chunk set: insert in order";
    bench::measure_part(name, "chunk", kChunks, 0, [&] {
      BinSet set;
      for (const ChunkIndex chunk : order) set.insert({chunk, chunk + 1});
      result = set.count();
    });
  }
  BinSet half;
  for (ChunkIndex chunk = 0; chunk < kChunks; chunk += 2) half.insert({chunk, chunk + 1});
  bench::measure_part("chunk set: next run among holes", "run", kChunks / 2, 0, [&] {
    std::uint64_t runs = 0;
    for (ChunkRange run = half.next_run(0); !run.empty(); run = half.next_run(run.end)) ++runs;
    result = runs;
  });
}

// A content with its tree.
struct Content {
  std::vector<std::byte> octets;
  std::vector<std::byte> memory;
  std::unique_ptr<MerkleTree> tree;
  Digest root;
};

Digest build(MerkleTree& tree, std::span<const std::byte> octets, LazyMultiBuffer& together) {
  Hasher hasher(HashFunction::sha256);
  TreeBuilder builder(tree, kChunk);
  const std::size_t block = builder.block_chunks();
  for (ChunkIndex first = 0; first < kChunks; first += block) {
    builder.add_block(first, octets.subspan(first * kChunk, block * kChunk), hasher, &together);
  }
  return builder.finish(hasher);
}

Content measure_tree() {
  Content content;
  content.octets.resize(kChunks * kChunk);
  for (std::size_t i = 0; i < content.octets.size(); ++i) {
    content.octets[i] = static_cast<std::byte>(i * i >> 7);
  }
  content.memory.resize(MerkleTree::memory_size(kChunks, HashFunction::sha256));
  content.tree = std::make_unique<MerkleTree>(kChunks, HashFunction::sha256, content.memory);
  LazyMultiBuffer together;
  bench::measure_part("tree of SHA-256 built", "chunk", kChunks, kChunk,
                      [&] { content.root = build(*content.tree, content.octets, together); });
  return content;
}

void measure_proofs() {
  for (const bool shuffled : {false, true}) {
    const auto order = all_chunks(shuffled);
    const char* const name = shuffled ? "proof found, any order" : "proof found, in order";
    bench::measure_part(name, "chunk", kChunks, 0, [&] {
      BinSet sent;
      std::uint64_t hashes = 0;
      for (const ChunkIndex chunk : order) {
        const auto knows = [&](ChunkRange range) { return sent.intersects(range); };
        hashes += needed_uncles(chunk, kChunks, knows).size();
        sent.insert({chunk, chunk + 1});
      }
      result = hashes;
    });
  }
}

// Each chunk with the hashes that a sender would add.
void measure_verification(const Content& content) {
  SwarmMetadata metadata;
  metadata.id = SwarmId(content.root.octets());
  metadata.chunk_size = kChunk;
  metadata.content_length = content.octets.size();
  for (const bool shuffled : {false, true}) {
    const auto order = all_chunks(shuffled);
    std::vector<std::byte> memory(content.memory.size());
    const char* const name = shuffled ? "chunk verified, any order" : "chunk verified, in order";
    bench::measure_part(name, "chunk", kChunks, kChunk, [&] {
      std::ranges::fill(memory, std::byte{0});
      ContentVerifier verifier(metadata);
      verifier.start(kChunks, memory);
      BinSet there;
      std::array<ClaimedHash, 64> hashes;
      for (const ChunkIndex chunk : order) {
        std::size_t count = 0;
        const auto knows = [&](ChunkRange range) { return there.intersects(range); };
        for (const Bin bin : needed_uncles(chunk, kChunks, knows)) {
          hashes.at(count++) = {bin, content.tree->node(bin)};
        }
        const auto payload =
            std::span<const std::byte>(content.octets).subspan(chunk * kChunk, kChunk);
        const Verdict verdict = verifier.verify(chunk, payload, std::span(hashes).first(count));
        if (verdict != Verdict::verified) std::abort();
        there.insert({chunk, chunk + 1});
      }
    });
  }
}

// The hashes of a receive batch, by one thread and by two; in real time, unlike the others.
void measure_batch(const Content& content) {
  constexpr std::size_t kBatch = 1024;
  constexpr int kBatches = 400;
  using Clock = std::chrono::steady_clock;
  for (const std::size_t threads : {std::size_t{1}, std::size_t{2}}) {
    WorkerPool pool(threads - 1);
    BatchWork work;
    work.set_lanes(threads);
    const WorkerPool::Work compute = [&](std::size_t part, std::size_t lane) {
      work.compute(part, lane);
    };
    const auto hash_batch = [&](std::size_t first) {
      work.clear();
      work.begin_chunks(HashFunction::sha256, kChunk);
      for (std::size_t i = 0; i < kBatch; ++i) {
        result = work.add_chunk(&content.octets[(first + i) % kChunks * kChunk]);
      }
      work.end_chunks();
      pool.run(work.parts(), compute);
    };
    hash_batch(0);
    const auto start = Clock::now();
    for (std::size_t i = 0; i < kBatches; ++i) hash_batch(i * kBatch);
    const std::chrono::duration<double> spent = Clock::now() - start;
    bench::print_part(
        threads == 1 ? "batch of 1 MiB hashed, real time" : "the same by two threads, real time",
        "chunk", spent.count(), 0, kBatches * kBatch, kChunk);
  }
}

void measure_ledbat() {
  std::uint64_t us = 1'000'000;
  const auto now = [&] { return TimePoint(Microseconds(us)); };
  LedbatController ledbat({}, 1452, now());
  bench::measure_part("LEDBAT: a datagram sent and acknowledged", "datagram", 1000, 0, [&] {
    for (int i = 0; i < 1000; ++i) {
      us += 20;
      ledbat.on_sent(1452, now());
      ledbat.on_rtt_sample(Microseconds(30'000), now());
      ledbat.on_ack(1452, 15'000 + i % 50, Microseconds(30'000), false, now());
    }
    result = ledbat.window();
  });
}

void measure_store(const std::filesystem::path& directory, const Content& content) {
  constexpr std::size_t kPieces = 60;  // of one train
  constexpr std::size_t kRuns = kChunks / kPieces;
  auto store = FileChunkStore::temporary(directory, nullptr);
  if (!store || (*store)->set_content_length(content.octets.size()) != StoreStatus::done) {
    fmt::print(stderr, "bench_parts: no file in {}\n", directory.string());
    std::exit(1);
  }
  std::vector<std::byte> train(kPieces * (kChunk + 21));
  std::array<std::span<std::byte>, kPieces> to;
  std::array<std::span<const std::byte>, kPieces> from;
  for (std::size_t i = 0; i < kPieces; ++i) {
    from[i] = to[i] = std::span(train).subspan(i * (kChunk + 21) + 21, kChunk);
  }
  bench::measure_part("store: 60 chunks written at once", "chunk", kRuns * kPieces, kChunk, [&] {
    for (std::size_t run = 0; run < kRuns; ++run) {
      if ((*store)->write(run * kPieces * kChunk, from) != StoreStatus::done) std::abort();
    }
  });
  bench::measure_part("store: 60 chunks read at once", "chunk", kRuns * kPieces, kChunk, [&] {
    for (std::size_t run = 0; run < kRuns; ++run) {
      if ((*store)->read(run * kPieces * kChunk, to) != StoreStatus::done) std::abort();
    }
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: bench_parts DIRECTORY\n");
    return 2;
  }
  measure_codec();
  measure_sets();
  const Content content = measure_tree();
  measure_proofs();
  measure_verification(content);
  measure_batch(content);
  measure_ledbat();
  measure_store(argv[1], content);
  for (const std::size_t size : {std::size_t{1024}, std::size_t{8192}, std::size_t{60'000}}) {
    bench::measure_endpoints(size);
  }
  return 0;
}
