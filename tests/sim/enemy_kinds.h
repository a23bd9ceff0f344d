// The kinds of peers that mean ill: one for each threat of RFC 7574, sections 12.1, 12.2 and 12.6.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ppspp::sim {

enum class EnemyKind : std::uint8_t {
  announcer,   // has everything, as it says, and never serves (HAVE.1)
  freerider,   // has nothing, as it says, and takes (HAVE.2)
  corrupter,   // serves wrong octets (DATA.1)
  turncoat,    // serves well for a while, and then wrong octets among good ones (DATA.1)
  pusher,      // sends chunks that nobody asked for (DATA.2)
  ack_liar,    // acknowledges what was not sent (ACK.1)
  delay_liar,  // acknowledges with delays that are made up (ACK.2)
  hash_liar,   // floods with hashes, serves with false ones or none (INTEGRITY.1)
  replayer,    // says old signatures over and over (INTEGRITY.2)
  glutton,     // asks for everything all the time, choked or not (REQUEST.1, CHOKE.1)
  canceller,   // cancels what it never asked for (CANCEL.1)
  unchoker,    // unchokes without having choked (UNCHOKE.1)
  flapper,     // chokes and unchokes, and never serves (UNCHOKE.2)
  dripper,     // serves a chunk each five seconds (HAVE.1)
  gossip,      // tells of dead addresses, a victim and its own kind, and false certificates (12.2)
  crowd,       // opens as many channels as it can, and says nothing (HS.1)
  flooder,     // garbage, and handshakes that it never ends (12.1)
  spoofer,     // greets in the name of a victim, and asks in its name (12.1, 12.6.11)
  intruder,    // speaks in the name of honest peers, on channels that it guesses (12.1)
};
inline constexpr std::size_t kEnemyKinds = 19;

inline constexpr std::array<std::string_view, kEnemyKinds> kEnemyNames = {
    "announcer", "freerider", "corrupter", "turncoat",  "pusher",   "ack_liar", "delay_liar",
    "hash_liar", "replayer",  "glutton",   "canceller", "unchoker", "flapper",  "dripper",
    "gossip",    "crowd",     "flooder",   "spoofer",   "intruder"};

inline std::string_view to_string(EnemyKind kind) {
  return kEnemyNames[static_cast<std::size_t>(kind)];
}

inline std::optional<EnemyKind> enemy_kind(std::string_view name) {
  for (std::size_t i = 0; i < kEnemyKinds; ++i) {
    if (kEnemyNames[i] == name) return static_cast<EnemyKind>(i);
  }
  return std::nullopt;
}

// What it does beside its own trick.
struct EnemyHabits {
  enum class Serves : std::uint8_t {
    nothing,
    truth,
    wrong_octets,
    wrong_hashes,
    mostly_truth,
    drip
  };
  bool announces = false;  // that it has everything
  bool takes = false;      // what it can get
  Serves serves = Serves::nothing;
  std::uint16_t ports = 1;  // of its address, from each of which it calls everybody
};
EnemyHabits habits_of(EnemyKind kind);

}  // namespace ppspp::sim
