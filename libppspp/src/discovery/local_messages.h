// The datagrams by which peers of one swarm find each other on a network, without any server
// (decision 48). Nothing in them says what swarm they are about to one who does not know its ID:
// a question names it by a hash, an answer proves by another that who answers knows the ID too.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |                        "PPSL"                                 |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |  version (1)  | 1 query       |R R R R R R R C|  swarms, 1-32 |
//   |               | 2 answer      |               |               |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   ~             instance (64), nonce of the question (128)        ~
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   | answers: UDP port of PPSPP    |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   ~ for each swarm: tag (128), in answers also the proof (128)    ~
//
// C: who asks has everything, and looks for those who do not.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "crypto/hasher.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/transport_address.h"

namespace ppspp {

using LocalTag = std::array<std::byte, 16>;
using LocalProof = std::array<std::byte, 16>;
using LocalNonce = std::array<std::byte, 16>;

struct LocalMessage {
  static constexpr std::size_t kMaxSwarms = 32;
  static constexpr std::size_t kMaxSize = 34 + kMaxSwarms * 32;

  enum class Type : std::uint8_t { query = 1, answer = 2 };
  struct Entry {
    LocalTag tag = {};
    LocalProof proof = {};  // of answers
  };

  Type type = Type::query;
  bool complete = false;       // of queries
  std::uint64_t instance = 0;  // who says it: a random number for as long as its process lives
  LocalNonce nonce = {};
  std::uint16_t port = 0;  // of answers
  std::size_t count = 0;
  std::array<Entry, kMaxSwarms> entries = {};

  std::span<const Entry> swarms() const { return std::span(entries).first(count); }
};

// Returns the number of octets; `out` has room for kMaxSize.
std::size_t write_local_message(const LocalMessage& message, std::span<std::byte> out);
// Absent: it is none, or of another version.
std::optional<LocalMessage> read_local_message(std::span<const std::byte> datagram);

// Says of swarms what others may know.
class LocalSecrets {
 public:
  LocalTag tag(const SwarmId& id);
  // That a peer which is reached at `address` knows the ID, said after the question was asked.
  LocalProof proof(const SwarmId& id, const LocalNonce& nonce, const TransportAddress& address);
  // The same, said unasked for as long as the instance lives (decision 49).
  LocalProof service_proof(const SwarmId& id, std::uint64_t instance,
                           const TransportAddress& address);

 private:
  Hasher hasher_{HashFunction::sha256};
};

}  // namespace ppspp
