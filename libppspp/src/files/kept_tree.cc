#include "files/kept_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "bins/bin.h"
#include "bins/peaks.h"
#include "crypto/hasher.h"
#include "integrity/merkle_tree.h"

namespace ppspp {
namespace {

constexpr std::string_view kMagic = "PPSPTREE";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kIdOffset = 72;
constexpr std::size_t kChecksumOffset = 136;
constexpr std::size_t kHeaderSize = 192;
constexpr std::size_t kStampOffset = 32;
using Header = std::array<std::byte, kHeaderSize>;

std::uint64_t chunks_of(std::uint64_t length, std::uint32_t chunk_size) {
  return (length - 1) / chunk_size + 1;
}

std::uint64_t nodes_size(const SwarmMetadata& metadata, std::uint64_t length) {
  return MerkleTree::memory_size(chunks_of(length, metadata.chunk_size), metadata.hash);
}

Digest checksum_of(const Header& header) {
  return Hasher(HashFunction::sha256).hash(std::span(header).first(kChecksumOffset));
}

Header make_header(const SwarmMetadata& metadata, std::uint64_t length, const FileStamp& stamp) {
  Header header = {};
  const auto id = metadata.id.octets();
  PPSPP_ASSERT(id.size() <= kChecksumOffset - kIdOffset);
  ByteWriter out(header);
  out.write_bytes(std::as_bytes(std::span(kMagic)));
  out.write(kVersion);
  out.write(metadata.chunk_size);
  out.write(static_cast<std::uint8_t>(metadata.hash));
  out.write(std::uint8_t{0});
  out.write(static_cast<std::uint16_t>(id.size()));
  out.write(std::uint32_t{0});
  out.write(length);
  for (const std::uint64_t part :
       {stamp.device, stamp.inode, stamp.size, static_cast<std::uint64_t>(stamp.modified_ns),
        static_cast<std::uint64_t>(stamp.changed_ns)}) {
    out.write(part);
  }
  out.write_bytes(id);
  std::ranges::copy(checksum_of(header).octets(), header.begin() + kChecksumOffset);
  return header;
}

bool has_magic(std::span<const std::byte> octets) {
  return octets.size() >= kMagic.size() &&
         std::memcmp(octets.data(), kMagic.data(), kMagic.size()) == 0;
}

// What is to be replaced is ours, or a file without octets.
Result<void> may_replace(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(std::filesystem::symlink_status(path, error))) return {};
  const auto file = open_regular(path, O_RDONLY);
  if (!file) return Unexpected{file.error()};
  std::array<std::byte, kMagic.size()> octets = {};
  const std::ptrdiff_t size = read_fully(file->fd(), octets, 0);
  if (size == 0 || has_magic(octets)) return {};
  return fail(Errc::exists, fmt::format("{} exists and is no hash tree that was kept: it stays as "
                                        "it is, choose another name",
                                        path.string()));
}

// The file under its temporary name; false with errno.
bool fill(const std::string& name, const Header& header, std::span<const std::byte> nodes) {
  unlink(name.c_str());  // of a process that was killed
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const FileHandle file(open(name.c_str(), flags, 0600));
  return file.is_open() && write_fully(file.fd(), header, 0) &&
         write_fully(file.fd(), nodes, kHeaderSize) && fsync(file.fd()) == 0;
}

Error refusal(const std::filesystem::path& path, std::string_view why) {
  return {Errc::integrity,
          fmt::format("the hash tree in {} cannot be used: {}", path.string(), why)};
}

// What is wrong with the header; empty: nothing.
std::string_view fault_of(const Header& header, const SwarmMetadata& metadata,
                          std::uint64_t length) {
  if (!has_magic(header)) return "it is no hash tree";
  ByteReader in{std::span<const std::byte>(header).subspan(kMagic.size())};
  if (in.read<std::uint32_t>() != kVersion) return "it is of another version of this program";
  const Header expected = make_header(metadata, length, {});
  const auto checksum = checksum_of(header);
  if (!std::equal(checksum.octets().begin(), checksum.octets().end(),
                  header.begin() + kChecksumOffset)) {
    return "it was damaged";
  }
  const auto same = [&](std::size_t begin, std::size_t end) {
    return std::equal(header.begin() + static_cast<std::ptrdiff_t>(begin),
                      header.begin() + static_cast<std::ptrdiff_t>(end),
                      expected.begin() + static_cast<std::ptrdiff_t>(begin));
  };
  if (!same(0, kStampOffset) || !same(kIdOffset, kChecksumOffset)) return "it is of another swarm";
  return {};
}

bool leads_to_id(const SwarmMetadata& metadata, std::uint64_t length, std::span<std::byte> nodes) {
  const MerkleTree tree(chunks_of(length, metadata.chunk_size), metadata.hash, nodes);
  const auto root = tree.root();
  return root && std::ranges::equal(root->octets(), metadata.id.octets());
}

}  // namespace

Result<void> keep_tree(const std::filesystem::path& path, const SwarmMetadata& metadata,
                       std::uint64_t length, const FileStamp& stamp,
                       std::span<const std::byte> nodes) {
  PPSPP_ASSERT(length > 0 && nodes.size() == nodes_size(metadata, length));
  if (const auto may = may_replace(path); !may) return may;
  const std::string name = path.string() + ".new";
  if (!fill(name, make_header(metadata, length, stamp), nodes) ||
      rename(name.c_str(), path.c_str()) != 0) {
    const Error error = system_error(errno, "cannot keep the hash tree in", path);
    unlink(name.c_str());
    return Unexpected{error};
  }
  sync_directory_of(path);
  return {};
}

Result<TreeFile> open_kept_tree(const std::filesystem::path& path, const SwarmMetadata& metadata,
                                std::uint64_t length) {
  const auto file = open_regular(path, O_RDONLY);
  if (!file) return Unexpected{file.error()};
  const auto identity = identify(*file, path);
  if (!identity) return Unexpected{identity.error()};
  Header header = {};
  const std::ptrdiff_t got = read_fully(file->fd(), header, 0);
  if (got < 0) return Unexpected{system_error(errno, "cannot read", path)};
  if (const auto fault = fault_of(header, metadata, length); !fault.empty()) {
    return Unexpected{refusal(path, fault)};
  }
  const std::uint64_t size = kHeaderSize + nodes_size(metadata, length);
  if (identity->size != size) {
    return Unexpected{refusal(
        path, fmt::format("it was damaged: it has {} octets and not {}", identity->size, size))};
  }
  auto region = MappedRegion::map_copy(*file, static_cast<std::size_t>(size), path);
  if (!region) return Unexpected{region.error()};
  TreeFile tree(std::move(*region), kHeaderSize);
  if (!leads_to_id(metadata, length, tree.memory())) {
    return Unexpected{refusal(path, "it was damaged: it does not lead to the swarm ID")};
  }
  return tree;
}

Error damaged_tree(const std::filesystem::path& path) {
  return refusal(path, "it was damaged");
}

bool is_whole_tree(std::span<std::byte> nodes, const SwarmMetadata& metadata, std::uint64_t length,
                   const std::atomic<bool>* cancel) {
  const std::uint64_t chunk_count = chunks_of(length, metadata.chunk_size);
  const MerkleTree tree(chunk_count, metadata.hash, nodes);
  Hasher hasher(metadata.hash);
  std::array<std::byte, kMaxDigestSize> hash;
  constexpr std::uint64_t kLookUpEvery = 1'024;
  for (std::uint64_t number = 1; number < 2 * chunk_count - 1; number += 2) {
    if (cancel != nullptr && number / 2 % kLookUpEvery == 0 && *cancel) return true;
    const Bin bin(number);
    if (!tree.contains(bin)) continue;
    hasher.hash_pair(tree.node(bin.left()).data(), tree.node(bin.right()).data(), hash.data());
    if (!std::ranges::equal(tree.node(bin), std::span(hash).first(hasher.size()))) return false;
  }
  return true;
}

}  // namespace ppspp
