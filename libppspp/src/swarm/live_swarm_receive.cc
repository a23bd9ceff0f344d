// What a receive batch brought of a live feed: signatures first, then the chunks that they cover
// (RFC 7574, 6.1, 12.6.5).
#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "swarm/live_swarm.h"
#include "wire/signed_content.h"

namespace ppspp {
namespace {

constexpr std::size_t kMaxNoted = 4'096;  // of one batch
constexpr std::size_t kMaxEarlySignatures = 64;
// A peer may announce a bit more than what we know to be signed: its munros may be late.
constexpr std::uint64_t kAheadGroups = 4;
constexpr std::uint64_t kAheadChunks = 2'048;
constexpr std::uint64_t kLeastAhead = 64;
constexpr std::uint64_t kAheadUnasked = 1'024;
// Decision 13.
constexpr Microseconds kOldestAtFirst = std::chrono::minutes(5);
constexpr Microseconds kFromTheFuture = std::chrono::minutes(5);
constexpr Microseconds kOldestLater = std::chrono::seconds(30);

// Weight of the newest chunk in the share of those that came unasked.
constexpr double kShareWeight = 1.0 / 128;

}  // namespace

void LiveSwarm::receive_signature(Channel& from, const SignedIntegrity& message,
                                  std::uint32_t hashes_begin) {
  if (source_ || noted_.size() >= kMaxNoted) return;
  noted_.push_back({&from, message.chunks, message.ntp_timestamp, message.signature, hashes_begin,
                    scratch_.next_hash_number()});
}

ChunkIndex LiveSwarm::wanted_end() const {
  if (end_) return *end_;
  const std::uint64_t ahead =
      signs_each() ? kAheadChunks : std::max(kLeastAhead, kAheadGroups * width_);
  return newest_end() + ahead;
}

bool LiveSwarm::is_wanted(ChunkIndex chunk) const {
  if (source_ || store_failed_ || ended_ || verified_.contains(chunk)) return false;
  if (newest_end() == 0) return chunk < extent().end;  // nothing is known yet
  if (chunk < window_begin()) return false;
  // What was asked for beyond, and what brings its own signature along: a source that started again
  // goes on far ahead (decision 28).
  // A munro may have come with it, of what lies further ahead than we know.
  if (!end_ && chunk < newest_end() + std::max(kAheadUnasked, kAheadGroups * width_)) return true;
  return chunk < wanted_end() || (!end_ && (signs_each() || requested_.contains(chunk)));
}

void LiveSwarm::flush(Now now) {
  if (source_) return batch_.clear();
  take_signatures(now);
  if (!signs_each()) {
    gather_hashes(0);
    scratch_.work.finish_hashes();
  }
  for (const Received& received : batch_) accept(received, now);
  write_run(now);
  keep_early_signatures(now);
  noted_.clear();
  batch_.clear();
  play_on(now);
  schedule_picks(now);
}

// --- Munros (6.1.2)

void LiveSwarm::take_signatures(Now now) {
  if (signs_each()) return;  // they are looked at with their chunks
  for (const NotedSignature& noted : noted_) take_munro(noted, now);
}

bool LiveSwarm::may_be_width(std::uint64_t width) const {
  if (shaped()) return width == width_;
  if (metadata_.chunks_per_signature) return width == *metadata_.chunks_per_signature;
  return width >= 2 && width <= kMaxChunksPerSignature;
}

std::span<const std::byte> LiveSwarm::find_hash(const NotedSignature& noted, Bin bin) const {
  for (std::uint32_t i = noted.hashes_end; i > noted.hashes_begin; --i) {
    if (scratch_.hashes[i - 1].bin == bin) return scratch_.hashes[i - 1].hash;
  }
  return {};
}

// 6.1.2.4 #141, decision 13.
bool LiveSwarm::has_right_age(std::uint64_t ntp, Now now) const {
  const std::uint64_t ours = ntp_timestamp(now.wall);
  if (ntp_difference(ntp, ours) > kFromTheFuture) return false;
  if (!newest_ntp_) return ntp_difference(ours, ntp) <= kOldestAtFirst;
  const auto oldest = ntp_of(window_begin());
  const Microseconds window = oldest ? ntp_difference(*newest_ntp_, *oldest) : Microseconds(0);
  return ntp_difference(*newest_ntp_, ntp) <= std::max(kOldestLater, window);
}

void LiveSwarm::take_munro(const NotedSignature& noted, Now now) {
  if (ended_) return;  // whoever followed it has been told: if it goes on, it is another feed
  const Bin bin = bin_of(noted.chunks);
  if (bin.is_none() || !may_be_width(noted.chunks.size())) {
    ++live_.signatures_refused;
    return;
  }
  const auto hash = find_hash(noted, bin);
  if (hash.empty()) return;  // its hash was lost, or cut off
  const std::uint64_t group = noted.chunks.begin / noted.chunks.size();
  if (tree_ && tree_->has_munro(group)) {
    const SignedMunro known = tree_->munro(group);
    if (std::ranges::equal(known.hash, hash)) noted.from->on_peer_knows(bin);
    return;
  }
  const bool forgotten = tree_ && group < tree_->first_subtree();
  if (forgotten || !has_right_age(noted.ntp, now)) {
    ++live_.signatures_refused;
    return;
  }
  const Verdict verdict = check_signature(noted.from, noted.chunks, noted.ntp, hash,
                                          noted.signature, BatchWork::kNone, now);
  if (verdict != Verdict::verified) return;
  if (!shaped() && !shape(noted.chunks.size())) return;
  tree_->set_munro(group, hash, noted.ntp, noted.signature);
  noted.from->on_peer_knows(bin);
  const bool is_end = std::ranges::all_of(hash, [](std::byte o) { return o == std::byte{0}; });
  if (!is_end) return on_group(group, noted.ntp, now);
  slide_window();
  check_end(now);
}

// A group of chunks is known to be the source's.
void LiveSwarm::on_group(std::uint64_t group, std::uint64_t ntp, Now now) {
  ++live_.munros_verified;
  if (!newest_ntp_ || ntp_difference(ntp, *newest_ntp_) > Microseconds(0)) newest_ntp_ = ntp;
  if (end_mark_ && group >= end_mark_->chunk) {  // it started again behind it
    end_mark_.reset();
    set_end(std::nullopt, now);
  }
  playout_.on_signed(group, ntp, now);
  slide_window();
  for (const Channel* channel : channels_) touch(*channel);
}

// missing_hash: not looked at, which is not its fault, or does not matter any more.
Verdict LiveSwarm::check_signature(Channel* from, ChunkRange chunks, std::uint64_t ntp,
                                   std::span<const std::byte> content,
                                   std::span<const std::byte> signature, std::uint32_t work,
                                   Now now) {
  // Whoever has brought something good may go on, at its own risk, until it is dropped: that is
  // with its next datagram, and a batch may hold hundreds of signatures.
  const bool is_stranger = from == nullptr || from->bytes_received() == 0;
  const bool is_lost = from != nullptr && from->has_too_many_faults();
  if (is_lost || (is_stranger && !budget_.allows(now.monotonic))) {
    ++live_.signatures_refused;
    return Verdict::missing_hash;
  }
  plaintext_.resize(format_.spec_size() + 8 + content.size());
  ByteWriter out(plaintext_);
  write_signed_content(out, chunks, ntp, content, format_);
  ++live_.signatures_checked;
  const auto computed =
      scratch_.work.genuine(work, std::span(plaintext_).first(format_.spec_size() + 8), signature);
  if (computed ? *computed : out.ok() && key_->verify(plaintext_, signature)) {
    return Verdict::verified;
  }
  budget_.on_wrong();
  if (from == nullptr) return Verdict::wrong;  // it may have been that of a chunk that was lost
  ++live_.signatures_rejected;
  log(LogLevel::debug, "{}: a signature for chunks {} to {} is not the source's",
      from->peer().to_string(), chunks.begin, chunks.end - 1);
  from->on_bad_signature();
  return Verdict::wrong;
}

// --- Chunks

void LiveSwarm::accept(const Received& received, Now now) {
  if (take_duplicate(received)) return;
  const ReceivedChunk& chunk = received.chunk;
  const Verdict verdict = verify(received, now);
  if (verdict != Verdict::verified) return refuse(received, verdict, now);
  if (chunk.payload.size() != metadata_.chunk_size) {
    short_chunk_ = {chunk.chunk, chunk.payload.size()};
  }
  pushed_share_ += ((chunk.asked ? 0.0 : 1.0) - pushed_share_) * kShareWeight;
  const bool late = playout_.playing() && chunk.chunk < playout_.playhead();
  if (late) ++live_.chunks_late;
  queue_write(received.from, chunk.chunk, chunk.one_way_delay_us, chunk.payload, now);
}

Verdict LiveSwarm::verify(const Received& received, Now now) {
  const ReceivedChunk& chunk = received.chunk;
  if (signs_each()) return verify_signed_chunk(received, now);
  if (!tree_ || !tree_->has_munro(tree_->subtree_of(chunk.chunk))) return Verdict::missing_hash;
  const std::byte* const hash = hash_of(received);
  return verify_with_hashes(received, [&](std::span<const ClaimedHash> hashes) {
    return hash != nullptr ? tree_->verify(chunk.chunk, chunk.payload, hash, hashes)
                           : tree_->verify(chunk.chunk, chunk.payload, hashes);
  });
}

void LiveSwarm::on_stored(ChunkRange run, Now now) {
  for (ChunkIndex chunk = run.begin; playout_.playing() && chunk < run.end; ++chunk) {
    if (chunk < measured_from_) continue;
    const auto ntp = ntp_of(chunk);
    if (ntp) latencies_.add(ntp_difference(ntp_timestamp(now.wall), *ntp));
  }
  Swarm::on_stored(run, now);
  if (run.begin < window_begin()) slide_window();  // a later chunk of the batch has moved it
}

// --- Sign All (6.1.1)

// It may have come with the chunk or before it.
LiveSwarm::ChunkSignatureFound LiveSwarm::signature_of(const Received& received) const {
  const ChunkIndex chunk = received.chunk.chunk;
  ChunkSignatureFound found;
  for (const NotedSignature& noted : noted_) {
    if (noted.from != received.from || noted.chunks.begin != chunk) continue;
    found = {noted.ntp, noted.signature};
  }
  if (!found.signature.empty()) return found;
  for (const EarlySignature& early : early_) {
    if (early.from != received.from->local() || early.chunk != chunk) continue;
    found = {early.ntp, early.signature};
    if (!found.signature.empty()) break;
  }
  return found;
}

Verdict LiveSwarm::verify_signed_chunk(const Received& received, Now now) {
  const ReceivedChunk& chunk = received.chunk;
  // The store holds no place for what an earlier chunk of the batch has moved out of the window.
  if (chunk.chunk < window_begin()) return Verdict::missing_hash;
  // A shorter one is the last, and nothing follows it.
  const bool is_short = chunk.payload.size() < metadata_.chunk_size;
  if (is_short && newest_end() > chunk.chunk + 1) return Verdict::wrong;
  const auto [ntp, signature] = signature_of(received);
  if (signature.empty()) return Verdict::missing_hash;
  if (!has_right_age(ntp, now)) {
    ++live_.signatures_refused;
    return Verdict::missing_hash;
  }
  const ChunkRange own{chunk.chunk, chunk.chunk + 1};
  const Verdict verdict =
      check_signature(received.from, own, ntp, chunk.payload, signature, received.work, now);
  if (verdict != Verdict::verified) return verdict;
  signatures_->set(chunk.chunk, ntp, signature);
  on_group(chunk.chunk, ntp, now);
  return Verdict::verified;
}

// A signature may come in a datagram before its chunk's (6.1.1 #127), or be that of the end.
void LiveSwarm::keep_early_signatures(Now now) {
  if (!signs_each()) return;
  for (const NotedSignature& noted : noted_) {
    const ChunkIndex chunk = noted.chunks.begin;
    if (noted.chunks.size() != 1 || verified_.contains(chunk) || !is_wanted(chunk)) continue;
    const bool has_come = std::ranges::any_of(
        batch_, [&](const Received& received) { return received.chunk.chunk == chunk; });
    if (has_come) continue;
    const bool known = std::ranges::any_of(early_, [&](const EarlySignature& early) {
      return early.chunk == chunk && early.from == noted.from->local();
    });
    if (known) continue;
    if (early_.size() >= kMaxEarlySignatures) early_.pop_front();
    early_.push_back({noted.from->local(),
                      chunk,
                      noted.ntp,
                      {noted.signature.begin(), noted.signature.end()},
                      now.monotonic});
  }
}

// Of a chunk that has not come although its signature has, there may be nothing: then the feed
// ended before it.
void LiveSwarm::look_for_end_mark(Now now) {
  while (!early_.empty() && now.monotonic >= early_.front().since + kEndMarkAfter) {
    const EarlySignature early = std::move(early_.front());
    early_.pop_front();
    if (end_ || early.chunk < newest_end() || !has_right_age(early.ntp, now)) continue;
    const ChunkRange own{early.chunk, early.chunk + 1};
    const Verdict verdict =
        check_signature(nullptr, own, early.ntp, {}, early.signature, BatchWork::kNone, now);
    if (verdict != Verdict::verified) continue;
    end_mark_ = EndMark{early.chunk, early.ntp, early.signature};
    set_end(early.chunk, now);
  }
}

}  // namespace ppspp
