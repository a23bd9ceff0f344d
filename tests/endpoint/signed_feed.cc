#include "endpoint/signed_feed.h"

#include <doctest/doctest.h>

#include "channel/handshake_check.h"
#include "wire/signed_content.h"

namespace ppspp::test {

std::vector<std::byte> feed_octets(std::uint64_t offset, std::size_t size) {
  std::vector<std::byte> octets(size);
  for (std::byte& octet : octets) octet = feed_octet(offset++);
  return octets;
}

SignedFeed::SignedFeed(const SwarmMetadata& metadata, std::uint64_t width,
                       std::unique_ptr<Signer> signer)
    : metadata_(metadata),
      format_(wire_format(metadata)),
      width_(width),
      signer_(std::move(signer)) {}

void SignedFeed::sign(std::uint64_t group, std::uint64_t ntp, std::uint64_t chunks) {
  Group made;
  made.ntp = ntp;
  Hasher hasher(metadata_.hash);
  std::vector<Digest> level;
  for (std::uint64_t i = 0; i < width_; ++i) {
    if (i >= chunks) {
      level.push_back(Digest::zero(hasher.size()));
      continue;
    }
    const std::uint64_t offset = (group * width_ + i) * metadata_.chunk_size;
    made.chunks.push_back(feed_octets(offset, metadata_.chunk_size));
    level.push_back(hasher.hash(made.chunks.back()));
  }
  made.levels.push_back(level);
  while (level.size() > 1) {
    std::vector<Digest> above;
    for (std::size_t i = 0; i < level.size(); i += 2) {
      const bool empty = level[i].is_zero() && level[i + 1].is_zero();  // 5.1
      above.push_back(empty ? level[i] : hasher.hash_pair(level[i], level[i + 1]));
    }
    level = above;
    made.levels.push_back(level);
  }
  std::span<const std::byte> content;  // none: a chunk that there is not (decision 26)
  if (!signs_each()) {
    content = level[0].octets();
  } else if (!made.chunks.empty()) {
    content = made.chunks[0];
  }
  std::vector<std::byte> plaintext(format_.spec_size() + 8 + content.size());
  ByteWriter out(plaintext);
  write_signed_content(out, chunks_of(group), ntp, content, format_);
  REQUIRE(out.ok());
  made.signature.resize(signer_->signature_size());
  REQUIRE(signer_->sign(plaintext, made.signature));
  groups_[group] = std::move(made);
}

Integrity SignedFeed::munro_hash(std::uint64_t group) const {
  return {chunks_of(group), groups_.at(group).levels.back()[0].octets()};
}

SignedIntegrity SignedFeed::signature(std::uint64_t group) const {
  const Group& own = groups_.at(group);
  return {chunks_of(group), own.ntp, own.signature};
}

Integrity SignedFeed::hash(Bin bin) const {
  const auto height = static_cast<std::size_t>(bin.height());
  const Group& own = groups_.at(bin.first_chunk() / width_);
  const std::uint64_t place = bin.first_chunk() % width_ >> height;
  return {bin.chunks(), own.levels[height][static_cast<std::size_t>(place)].octets()};
}

Data SignedFeed::data(ChunkIndex chunk, std::uint64_t timestamp_us) const {
  const Group& own = groups_.at(chunk / width_);
  const auto& payload = own.chunks[static_cast<std::size_t>(chunk % width_)];
  return {{chunk, chunk + 1}, timestamp_us, payload};
}

std::vector<Message> SignedFeed::munro(std::uint64_t group) const {
  if (signs_each()) return {signature(group)};
  return {munro_hash(group), signature(group)};
}

std::vector<Message> SignedFeed::uncles_and_data(ChunkIndex chunk) const {
  std::vector<Message> messages{data(chunk)};
  for (Bin node = Bin::leaf(chunk); node.chunk_count() < width_; node = node.parent()) {
    messages.insert(messages.begin(), hash(node.sibling()));
  }
  return messages;
}

std::vector<Message> SignedFeed::whole(ChunkIndex chunk) const {
  std::vector<Message> messages = munro(chunk / width_);
  const std::vector<Message> rest = uncles_and_data(chunk);
  messages.insert(messages.end(), rest.begin(), rest.end());
  return messages;
}

}  // namespace ppspp::test
