// What flush() of a live feed will have to compute, told before, so that others may do it: hashes
// of chunks, or with Sign All their signatures (RFC 7574, 6.1.1, 12.6.5).
#include <algorithm>

#include "base/bytes.h"
#include "swarm/live_swarm.h"
#include "wire/signed_content.h"

namespace ppspp {

void LiveSwarm::prepare_flush(Now now) {
  if (source_ || ended_) return;
  if (!signs_each()) return gather_hashes(BatchWork::kLeastOctets);
  if (batch_.size() >= BatchWork::kLeastSignatures) prepare_signatures(now);
}

// Those that flush() will look at unless one before it is wrong, and as many wrong ones as it would
// compute: of a peer what it may send before it is dropped, of strangers what is left of the
// budget.
void LiveSwarm::prepare_signatures(Now now) {
  BatchWork& work = scratch_.work;
  work.begin_signatures();
  accounts_.assign(1, nullptr);
  work.add_account(budget_.left_at(now.monotonic));
  prepared_.clear();
  for (Received& received : batch_) {
    const ChunkIndex chunk = received.chunk.chunk;
    const bool twice = verified_.contains(chunk) || prepared_.contains(chunk);
    if (received.work != BatchWork::kNone || twice || chunk < window_begin()) continue;
    const auto [ntp, signature] = signature_of(received);
    if (signature.empty() || !has_right_age(ntp, now)) continue;
    if (received.from->has_too_many_faults()) continue;
    BatchWork::Signature what{.content = received.chunk.payload, .signature = signature};
    what.account = account_of(*received.from);
    what.front_size = format_.spec_size() + 8;
    ByteWriter out(std::span(what.front).first(what.front_size));
    write_signed_content(out, {chunk, chunk + 1}, ntp, {}, format_);
    received.work = work.add_signature(what);
    prepared_.insert({chunk, chunk + 1});
  }
  while (lane_keys_.size() < work.lanes()) {
    lane_keys_.push_back(*VerifyingKey::from_dnskey(metadata_.id.octets()));
  }
  work.end_signatures(lane_keys_);
}

std::uint32_t LiveSwarm::account_of(Channel& from) {
  if (from.bytes_received() == 0) return 0;
  const auto found = std::ranges::find(accounts_, &from);
  if (found != accounts_.end()) return static_cast<std::uint32_t>(found - accounts_.begin());
  accounts_.push_back(&from);
  return scratch_.work.add_account(from.bad_signatures_left());
}

}  // namespace ppspp
