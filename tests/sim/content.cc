#include "sim/content.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/assert.h"
#include "integrity/tree_builder.h"
#include "ppspp/random_source.h"

namespace ppspp::sim {
namespace {

constexpr const char* kKeys[] = {
    "MC4CAQAwBQYDK2VwBCIEIN0YyRfMD7U9sy5wYkVDoYMk2FiUn0d1t7453T4WnIJz",
    "MC4CAQAwBQYDK2VwBCIEIJ5+NCOEjMHepBYjyaiWsXqONdvPtwVgiWbC4gY4/5Xj",
    "MC4CAQAwBQYDK2VwBCIEIB1QnE5N2iSHSDDXrG4J4wb9RQffYEsMcc4a7O8Xjh8j",
};

}  // namespace

Content::Content(std::uint64_t length, std::uint64_t seed, SwarmMetadata metadata, bool tell_length)
    : metadata_(std::move(metadata)), seed_(seed), octets_(static_cast<std::size_t>(length)) {
  Rng rng(seed);
  for (std::size_t at = 0; at < octets_.size(); at += 8) {
    const std::uint64_t value = rng.next_u64();
    std::memcpy(&octets_[at], &value, std::min<std::size_t>(8, octets_.size() - at));
  }
  chunks_ = (length + metadata_.chunk_size - 1) / metadata_.chunk_size;
  if (tell_length) metadata_.content_length = length;
  if (metadata_.live) {
    metadata_.id = SwarmId(signer()->dnskey());
  } else if (metadata_.integrity == IntegrityMethod::merkle) {
    build_tree();
  } else {  // any name will do
    Hasher hasher(metadata_.hash);
    metadata_.id = SwarmId(hasher.hash(octets_).octets());
  }
}

std::unique_ptr<Signer> Content::signer() const {
  const std::string pem = std::string("-----BEGIN PRIVATE KEY-----\n") +
                          kKeys[seed_ % std::size(kKeys)] + "\n-----END PRIVATE KEY-----\n";
  auto key = SigningKey::from_pem(pem);
  PPSPP_ASSERT(key);
  return std::make_unique<SigningKey>(*std::move(key));
}

void Content::build_tree() {
  tree_.resize(static_cast<std::size_t>(MerkleTree::memory_size(chunks_, metadata_.hash)));
  MerkleTree tree(chunks_, metadata_.hash, tree_);
  TreeBuilder builder(tree, metadata_.chunk_size);
  Hasher hasher(metadata_.hash);
  const std::uint64_t block = builder.block_chunks();
  for (std::uint64_t first = 0; first < chunks_; first += block) {
    const std::size_t begin = static_cast<std::size_t>(first * metadata_.chunk_size);
    const std::size_t size = std::min<std::size_t>(
        octets_.size() - begin, static_cast<std::size_t>(block * metadata_.chunk_size));
    builder.add_block(first, std::span<const std::byte>(octets_).subspan(begin, size), hasher);
  }
  metadata_.id = SwarmId(builder.finish(hasher).octets());
}

}  // namespace ppspp::sim
