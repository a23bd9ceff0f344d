// A peer that a test plays by hand, datagram by datagram, against an endpoint.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "channel/handshake_check.h"
#include "endpoint/world.h"
#include "integrity/merkle_tree.h"
#include "wire/datagram.h"

namespace ppspp::test {

// A content with its tree, to take true and false messages from.
struct Original {
  Original(std::size_t size, std::uint64_t seed, SwarmMetadata wanted = {});

  std::uint64_t chunk_count() const { return tree->chunk_count(); }
  Data data(ChunkIndex chunk, std::uint64_t timestamp_us = 0) const;
  Integrity hash(Bin bin) const;
  // The peaks, and what leads from the chunk to its peak, in the order of the RFC.
  std::vector<Message> with_proof(ChunkIndex chunk, std::uint64_t timestamp_us = 0) const;

  std::vector<std::byte> octets;
  SwarmMetadata metadata;  // with ID and length
  std::unique_ptr<ChunkStore> store;
  std::optional<MerkleTree> tree;
};

struct Heard {
  ChannelId to;
  std::vector<std::byte> octets;
  std::vector<Message> messages;  // views into octets
  bool readable = true;
  TimePoint at;

  template <typename T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const Message& message : messages) {
      if (const T* m = std::get_if<T>(&message)) found.push_back(*m);
    }
    return found;
  }
  template <typename T>
  bool has() const {
    return !all<T>().empty();
  }
};

class Puppet {
 public:
  Puppet(World& world, Node& node, const SwarmMetadata& metadata, std::size_t index = 0);

  HandshakeOptions options(bool initiator) const {
    return handshake_options(metadata_, discard_window, initiator, false);
  }
  const TransportAddress& address() const { return address_; }
  void set_address(const TransportAddress& address) { address_ = address; }  // before it speaks
  const WireFormat& format() const { return format_; }

  void say(const std::vector<Message>& messages) { say_to(remote, messages); }
  void say_to(ChannelId to, const std::vector<Message>& messages);
  void say_octets(std::span<const std::byte> octets) { world_.send_as(address_, node_, octets); }
  std::vector<std::byte> octets(ChannelId to, const std::vector<Message>& messages) const;

  // Lets time pass and returns what came to this peer meanwhile.
  std::vector<Heard> hear(Microseconds time = std::chrono::milliseconds(60));
  template <typename T>
  std::vector<T> hear_all(Microseconds time = std::chrono::milliseconds(60)) {
    std::vector<T> found;
    for (const Heard& heard : hear(time)) {
      for (const T& message : heard.all<T>()) found.push_back(message);
    }
    return found;
  }

  bool open(const std::vector<Message>& third = {});     // we initiate: all three datagrams
  bool accept(const std::vector<Message>& second = {});  // the node initiates: it was told of us
  // The two halves of open(), where others shall do something meanwhile.
  void say_first() { say_to({}, {Handshake{own, options(true)}}); }
  bool take_answer(const std::vector<Heard>& answers, const std::vector<Message>& third = {});

  std::uint64_t discard_window = HandshakeOptions::kKeepsAll;  // that it tells, in chunks
  ChannelId own;     // as the node has to prefix its datagrams
  ChannelId remote;  // the node's

 private:
  World& world_;
  Node& node_;
  SwarmMetadata metadata_;
  WireFormat format_;
  TransportAddress address_;
  std::deque<Heard> kept_;  // what views point into
};

}  // namespace ppspp::test
