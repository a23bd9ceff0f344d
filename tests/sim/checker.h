// What must hold of everything that an endpoint sends, whatever the network does to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "channel/handshake_check.h"
#include "sim/content.h"
#include "sim/sim_store.h"
#include "sim/trace.h"
#include "sim/world.h"
#include "wire/datagram.h"

namespace ppspp::sim {

// Exit codes of a run.
inline constexpr int kWrongResult = 1;
inline constexpr int kNoProgress = 3;

struct Failure {
  int code = 0;  // 0: none
  std::string text;
};

class Checker {
 public:
  using DiskOf = std::function<const SimDisk*(NodeId, std::size_t swarm)>;

  // `contents` by swarm; `disk_of` says what a node holds of it, null if it is not there.
  Checker(const World& world, const std::vector<std::unique_ptr<Content>>& contents, DiskOf disk_of)
      : world_(world), contents_(contents), disk_of_(std::move(disk_of)) {}

  // Where datagrams may be damaged, what a peer listed and which channel it meant is not certain.
  void set_lenient(bool lenient) { lenient_ = lenient; }

  // Whether peers are told of others, and by bare addresses outside private networks.
  void set_pex(bool on, bool on_internet) { pex_ = on, pex_on_internet_ = on_internet; }

  // Nothing, or what is wrong with it.
  std::optional<std::string> check_sent(NodeId from, const TransportAddress& to,
                                        std::span<const std::byte> datagram);
  // The datagram in words, as its receiver will read it.
  std::string describe(NodeId from, const TransportAddress& to,
                       std::span<const std::byte> datagram) const;
  void note_received(NodeId to, const TransportAddress& from, std::span<const std::byte> datagram);
  // Of other peers than the one that told.
  std::uint64_t certificates_told() const { return certificates_told_; }
  // A node has forgotten what it knew.
  void forget(NodeId node);

 private:
  struct Owned {  // a channel, by its ID at one end
    std::size_t swarm;
    MessageSet listed;
    // Of peers that its owner was told of.
    SimTime told_since = 0;
    unsigned told = 0;
    unsigned certified = 0;
  };
  struct Proof {  // what went between a node and an address that has not proved itself
    std::uint64_t in = 0;
    std::uint64_t out = 0;
    bool proved = false;
    SimTime heard_at = 0;
  };

  static std::uint64_t key(NodeId node, ChannelId channel) {
    return std::uint64_t{node} << 32 | channel.value;
  }
  std::optional<std::size_t> swarm_of(std::span<const std::byte> id) const;
  std::optional<std::string> check_first(NodeId from, const TransportAddress& to,
                                         std::span<const std::byte> datagram);
  std::optional<std::string> check_messages(NodeId from, const TransportAddress& to, Owned& owned,
                                            std::span<const std::byte> datagram);
  std::optional<std::string> check_message(NodeId from, const TransportAddress& to, Owned& owned,
                                           const Message& message);
  std::optional<std::string> check_told(NodeId from, const TransportAddress& to,
                                        const TransportAddress& told, bool certified, Owned& owned);
  std::optional<std::string> check_certificate(NodeId from, const TransportAddress& to,
                                               std::span<const std::byte> der, Owned& owned);
  std::optional<std::string> check_announced(NodeId from, std::size_t swarm, ChunkRange chunks,
                                             std::string_view what);
  void note_speaker(const TransportAddress& from, std::span<const std::byte> datagram);
  void note_handshake(NodeId from, std::size_t swarm, const Handshake& handshake);

  const World& world_;
  const std::vector<std::unique_ptr<Content>>& contents_;
  DiskOf disk_of_;
  bool lenient_ = false;
  bool pex_ = false;
  bool pex_on_internet_ = false;
  std::unordered_map<std::uint64_t, Owned> channels_;
  std::vector<std::map<TransportAddress, Proof>> proofs_;  // by node
  std::uint64_t certificates_told_ = 0;
  std::vector<std::byte> again_;
};

}  // namespace ppspp::sim
