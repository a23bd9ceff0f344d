// Whom to serve when not all can be served well (RFC 7574, 3.9, 9.2, 12.6.6). The policy answers
// one question and knows nothing of channels, so that it is tested with tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ppspp/address_rules.h"
#include "ppspp/random_source.h"
#include "ppspp/time.h"

namespace ppspp {

// A peer that lacks something we have.
struct ChokePeer {
  Network address;            // channels of one address share a bounded part of the slots
  bool unchoked = false;      // now
  bool optimistic = false;    // it is unchoked to see whether it gives
  bool idle = false;          // unchoked for a while, and has asked for nothing
  bool newcomer = false;      // it has not had the time to give anything
  bool freerider = false;     // it took, and gave next to nothing; or owes us and does not deliver
  std::uint64_t given = 0;    // octets that came from it in the last 10 to 20 s
  std::uint64_t taken = 0;    // octets that it ever got of us
  std::uint64_t rate = 0;     // octets per second that it takes now
  std::uint64_t has = 0;      // chunks that it is known to have
  Microseconds lasting{0};    // since it was choked or unchoked
  bool chosen = false;        // the answer: it shall be unchoked
  bool chosen_blind = false;  // and that as the optimistic one
};

struct ChokeQuestion {
  std::span<ChokePeer> peers;
  std::size_t slots = 0;  // so many may be unchoked
  bool seeding = false;   // we need nothing ourselves
  bool scarce = false;    // the upload is used up: who is served takes from the others
  // Ranks all anew. Otherwise who is unchoked stays so while there are slots for it.
  bool review = false;
};

// Marks whom to serve. Fetching ourselves: those who gave most lately, then those who may yet give,
// and freeriders where upload is left; besides, one in eight is unchoked by chance for 10 s,
// newcomers three times as likely, rather one that has little. Seeding: in turns, who has waited
// longest or got nothing yet first, quick peers a longer turn than slow ones.
void choose_unchoked(const ChokeQuestion& question, RandomSource& random);

// How many channels of one address may be unchoked while those of others wait.
std::size_t most_of_one_address(std::size_t slots);

}  // namespace ppspp
