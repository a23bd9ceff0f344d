#include "endpoint/puppet.h"

#include <doctest/doctest.h>

#include "bins/peaks.h"
#include "integrity/needed_uncles.h"

namespace ppspp::test {

Original::Original(std::size_t size, std::uint64_t seed, SwarmMetadata wanted)
    : octets(random_content(size, seed)), metadata(std::move(wanted)) {
  store = complete_store(octets, metadata);
  metadata.content_length = size;
  const std::uint64_t chunks = (size + metadata.chunk_size - 1) / metadata.chunk_size;
  tree.emplace(chunks, metadata.hash,
               store->tree_memory(MerkleTree::memory_size(chunks, metadata.hash)));
}

Data Original::data(ChunkIndex chunk, std::uint64_t timestamp_us) const {
  const std::size_t begin = chunk * metadata.chunk_size;
  const std::size_t size = std::min<std::size_t>(metadata.chunk_size, octets.size() - begin);
  return {
      {chunk, chunk + 1}, timestamp_us, std::span<const std::byte>(octets).subspan(begin, size)};
}

Integrity Original::hash(Bin bin) const {
  return {bin.chunks(), tree->node(bin)};
}

std::vector<Message> Original::with_proof(ChunkIndex chunk, std::uint64_t timestamp_us) const {
  std::vector<Message> messages;
  for (const Bin bin : peaks(chunk_count())) messages.emplace_back(hash(bin));
  for (const Bin bin : needed_uncles(chunk, chunk_count(), [](ChunkRange) { return false; })) {
    messages.emplace_back(hash(bin));
  }
  messages.emplace_back(data(chunk, timestamp_us));
  return messages;
}

Puppet::Puppet(World& world, Node& node, const SwarmMetadata& metadata, std::size_t index)
    : own{static_cast<std::uint32_t>(world.random().next_u64() | 1)},
      world_(world),
      node_(node),
      metadata_(metadata),
      format_(wire_format(metadata)),
      address_(world.stranger(index)) {}

std::vector<std::byte> Puppet::octets(ChannelId to, const std::vector<Message>& messages) const {
  std::vector<std::byte> octets(70'000);
  ByteWriter out(octets);
  write_channel(out, to);
  for (const Message& message : messages) write_message(out, message, format_);
  REQUIRE(out.ok());
  octets.resize(out.size());
  return octets;
}

void Puppet::say_to(ChannelId to, const std::vector<Message>& messages) {
  say_octets(octets(to, messages));
}

std::vector<Heard> Puppet::hear(Microseconds time) {
  world_.run_for(time);
  std::vector<Heard> all;
  for (const World::Arrived& arrived : world_.inbox) {
    if (arrived.to != address_) continue;
    kept_.push_back({.to = destination(arrived.octets).value_or(ChannelId{}),
                     .octets = arrived.octets,
                     .messages = {},
                     .readable = true,
                     .at = arrived.at});
    Heard& heard = kept_.back();
    DatagramReader reader(heard.octets, format_);
    while (const auto message = reader.next()) heard.messages.push_back(*message);
    heard.readable = !reader.error();
    CHECK(heard.readable);
    all.push_back(heard);
    all.back().octets = heard.octets;
  }
  std::erase_if(world_.inbox, [&](const World::Arrived& a) { return a.to == address_; });
  return all;
}

bool Puppet::open(const std::vector<Message>& third) {
  say_first();
  return take_answer(hear(), third);
}

bool Puppet::take_answer(const std::vector<Heard>& answers, const std::vector<Message>& third) {
  if (answers.size() != 1 || !answers[0].has<Handshake>() || answers[0].to != own) return false;
  remote = answers[0].all<Handshake>()[0].source;
  say(third);
  return true;
}

bool Puppet::accept(const std::vector<Message>& second) {
  const auto firsts = hear();
  if (firsts.empty() || !firsts[0].has<Handshake>() || firsts[0].to.value != 0) return false;
  remote = firsts[0].all<Handshake>()[0].source;
  std::vector<Message> messages{Handshake{own, options(false)}};
  messages.insert(messages.end(), second.begin(), second.end());
  say(messages);
  return true;
}

}  // namespace ppspp::test
