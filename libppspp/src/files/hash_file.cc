#include "files/hash_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <memory>
#include <vector>

#include "files/block_threads.h"
#include "integrity/merkle_tree.h"
#include "integrity/tree_builder.h"

namespace ppspp {
namespace {

constexpr std::uint64_t kBlockSize = 1024 * 1024;  // octets that a thread reads at once, at most
constexpr std::uint64_t kGroupBlocks = 64;

// Counts the blocks of each group that are there.
class Groups {
 public:
  explicit Groups(const TreeBuilder& builder)
      : builder_(builder), here_(static_cast<std::size_t>(builder.group_count())) {}

  // True for whoever brings the last one; what the others made can be read then.
  bool complete_with(std::uint64_t block) {
    const std::uint64_t group = block / kGroupBlocks;
    const unsigned before = here_[group].fetch_add(1, std::memory_order_acq_rel);
    return before + 1 == builder_.blocks_in(group);
  }

 private:
  const TreeBuilder& builder_;
  std::vector<std::atomic<std::uint8_t>> here_;
};

Error changed(const std::filesystem::path& path) {
  return {Errc::content_changed,
          fmt::format("{} was changed while it was being hashed: try again when it is left alone",
                      path.string())};
}

// Reads and hashes the file's blocks: what one thread does.
class BlockHasher {
 public:
  BlockHasher(const HashedFile& file, TreeBuilder& builder, Groups& groups,
              std::uint32_t chunk_size, HashFunction function, unsigned threads)
      : file_(file),
        builder_(builder),
        groups_(groups),
        block_size_(builder.block_chunks() * chunk_size),
        ahead_(std::uint64_t{threads} * 2 * block_size_),
        hasher_(function),
        buffer_(static_cast<std::size_t>(std::min(block_size_, file.length))) {}

  Result<void> operator()(std::uint64_t block) {
    const std::uint64_t offset = block * block_size_;
    // The kernel sees the blocks of several threads mixed, and would not read ahead by itself.
    posix_fadvise(file_.file.fd(), static_cast<off_t>(offset + ahead_),
                  static_cast<off_t>(block_size_), POSIX_FADV_WILLNEED);
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(block_size_, file_.length - offset));
    const std::span data = std::span(buffer_).first(size);
    const std::ptrdiff_t got = read_fully(file_.file.fd(), data, offset);
    if (got < 0) return Unexpected{system_error(errno, "cannot read", file_.path)};
    if (static_cast<std::size_t>(got) < size) return Unexpected{changed(file_.path)};
    builder_.add_block(block * builder_.block_chunks(), data, hasher_, &together_);
    if (groups_.complete_with(block)) builder_.join(block / kGroupBlocks, hasher_);
    return {};
  }

 private:
  const HashedFile& file_;
  TreeBuilder& builder_;
  Groups& groups_;
  std::uint64_t block_size_;
  std::uint64_t ahead_;
  Hasher hasher_;
  LazyMultiBuffer together_;
  std::vector<std::byte> buffer_;
};

Result<HashedFile> open_to_hash(const std::filesystem::path& path) {
  HashedFile hashed;
  hashed.path = path;
  auto file = open_regular(path, O_RDONLY);
  if (!file) return Unexpected{file.error()};
  hashed.file = std::move(*file);
  const auto identity = identify_settled(hashed.file, path);
  if (!identity) return Unexpected{identity.error()};
  hashed.identity = *identity;
  hashed.length = identity->size;
  return hashed;
}

Result<void> make_tree(HashedFile& hashed, std::uint32_t chunk_size, HashFunction function,
                       const HashOptions& options) {
  const std::uint64_t chunk_count = (hashed.length - 1) / chunk_size + 1;
  auto tree_file =
      TreeFile::create(static_cast<std::size_t>(MerkleTree::memory_size(chunk_count, function)));
  if (!tree_file) return Unexpected{tree_file.error()};
  hashed.tree = std::move(*tree_file);
  MerkleTree tree(chunk_count, function, hashed.tree.memory());
  TreeBuilder builder(tree, chunk_size,
                      std::bit_floor(std::max(kBlockSize / chunk_size, std::uint64_t{1})),
                      kGroupBlocks);
  Groups groups(builder);
  const BlockWork work{builder.block_count(), builder.block_chunks() * chunk_size, hashed.length};
  const auto result = for_each_block(work, options, [&]() -> BlockHandler {
    const auto hasher = std::make_shared<BlockHasher>(hashed, builder, groups, chunk_size, function,
                                                      std::max(options.threads, 2u));
    return [hasher](std::uint64_t block) { return (*hasher)(block); };
  });
  if (!result) return result;
  Hasher hasher(function);
  hashed.root = builder.finish(hasher);
  hashed.tree.release_pages();
  return {};
}

Result<HashedFile> hash_opened(HashedFile hashed, std::uint32_t chunk_size, HashFunction function,
                               const HashOptions& options) {
  if (const auto made = make_tree(hashed, chunk_size, function, options); !made) {
    return Unexpected{made.error()};
  }
  const auto identity = identify(hashed.file, hashed.path);
  if (!identity) return Unexpected{identity.error()};
  if (*identity != hashed.identity) return Unexpected{changed(hashed.path)};
  return hashed;
}

}  // namespace

Result<HashedFile> hash_file(const std::filesystem::path& path, std::uint32_t chunk_size,
                             HashFunction function, const HashOptions& options) {
  auto hashed = open_to_hash(path);
  if (!hashed) return hashed;
  if (hashed->length == 0) {
    return fail(Errc::invalid_argument,
                fmt::format("{} is empty: there is nothing to seed", path.string()));
  }
  return hash_opened(std::move(*hashed), chunk_size, function, options);
}

Result<std::optional<HashedFile>> verify_complete_file(const std::filesystem::path& path,
                                                       const SwarmMetadata& metadata,
                                                       const HashOptions& options) {
  auto opened = open_to_hash(path);
  if (!opened) return Unexpected{opened.error()};
  if (opened->length == 0 || metadata.live) return std::nullopt;
  if (metadata.content_length.value_or(opened->length) != opened->length) return std::nullopt;
  auto hashed = hash_opened(std::move(*opened), metadata.chunk_size, metadata.hash, options);
  if (!hashed) return Unexpected{hashed.error()};
  if (!std::ranges::equal(hashed->root.octets(), metadata.id.octets())) return std::nullopt;
  return std::optional(std::move(*hashed));
}

}  // namespace ppspp
