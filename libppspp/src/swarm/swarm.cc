#include "swarm/swarm.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"

namespace ppspp {
namespace {

AddressBook::Ending ending_of(const Channel& channel, bool retry_now) {
  using Ending = AddressBook::Ending;
  if (retry_now) return Ending::forgotten;
  if (channel.established_at() == TimePoint{}) return Ending::unreachable;
  const auto* closed = std::get_if<Closed>(&channel.state());
  if (closed == nullptr) return Ending::ordinary;
  switch (closed->cause) {
    case CloseCause::faults:
      return Ending::faults;
    case CloseCause::replaced:
      return Ending::replaced;
    case CloseCause::ordinary:
    case CloseCause::silence:
      break;
  }
  return Ending::ordinary;
}

}  // namespace

Swarm::Swarm(SwarmHandle handle, const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
             const JoinSettings& settings, RandomSource& random, ChannelScratch& scratch)
    : handle_(handle),
      metadata_(metadata),
      format_(wire_format(metadata)),
      settings_(settings),
      random_(random),
      scratch_(scratch),
      store_(std::move(store)) {}

// Without integrity protection only those may take part whom one can trust (decision on errata
// 4880), unless the user wants it otherwise.
bool Swarm::may_talk_to(const TransportAddress& peer) const {
  return metadata_.integrity != IntegrityMethod::none || settings_.allow_unprotected ||
         peer.is_internal();
}

void Swarm::set_neighbours(std::size_t channels) {
  neighbours_ = channels;
  update_goal();
}

// Those who came to us are neighbours as well, but at least half of what we want we begin ourselves
// (12.6.1).
void Swarm::update_goal() {
  const std::size_t inbound = channels_.size() - std::min(channels_.size(), address_book_.ours());
  address_book_.set_goal(neighbours_ - std::min(inbound, neighbours_ / 2));
}

bool Swarm::add_peer(const TransportAddress& peer, PeerSource source, Now now,
                     const TransportAddress& teller) {
  if (!address_book_.add(peer, source, now.monotonic, random_, teller)) return false;
  occupy_address(peer);
  return true;
}

// Where there is a channel to the address, it is not to be contacted.
void Swarm::occupy_address(const TransportAddress& peer) {
  const auto found = std::find_if(channels_.begin(), channels_.end(),
                                  [&](const Channel* channel) { return channel->peer() == peer; });
  if (found == channels_.end()) return;
  address_book_.on_connecting(peer, (*found)->local(), (*found)->initiated());
  if ((*found)->established()) address_book_.on_established(peer);
}

void Swarm::add_channel(Channel& channel, Now now) {
  channels_.push_back(&channel);
  if (free_seats_.empty()) {
    channel.set_seat(static_cast<std::uint32_t>(seats_.size()));
    seats_.emplace_back();
  } else {
    channel.set_seat(free_seats_.back());
    free_seats_.pop_back();
  }
  address_book_.on_connecting(channel.peer(), channel.local(), channel.initiated());
  update_goal();
  if (channel.established()) on_established(channel, now);
}

void Swarm::on_established(Channel& channel, Now now) {
  ++counts_.peers_seen;
  if (store_failed_) channel.set_choking(true);
  address_book_.on_established(channel.peer());
  if (!certificates_.of({}, now).empty()) channel.show_certificate();
  events_.push_back({handle_, event::PeerJoined{channel.peer()}});
}

void Swarm::remove_channel(Channel& channel, bool retry_now, Now now) {
  channel.release(*this);
  note_owing(channel);
  std::erase(channels_, &channel);
  seats_[channel.seat()] = {};
  free_seats_.push_back(channel.seat());
  // What it brought in this batch is lost with it.
  std::erase_if(batch_, [&](const Received& received) {
    if (received.from != &channel) return false;
    forget_requests({received.chunk.chunk, received.chunk.chunk + 1});
    return true;
  });
  address_book_.on_closed(channel.peer(), channel.local(), ending_of(channel, retry_now),
                          channel.bytes_received() > 0, now.monotonic);
  // Who came to us, brought something and fell silent may be found again where it was.
  const auto* closed = std::get_if<Closed>(&channel.state());
  const bool lost = retry_now || (closed != nullptr && closed->cause == CloseCause::silence);
  if (lost && !channel.initiated() && channel.bytes_received() > 0 && !complete()) {
    add_peer(channel.peer(), PeerSource::inbound, now);
  }
  occupy_address(channel.peer());  // of two channels to one peer the other may go on
  update_goal();
}

void Swarm::store_ready() {
  for (Channel* channel : channels_) channel->on_store_ready();
}

std::uint64_t Swarm::take_requested_bytes() {
  held_by_allowance_ = false;
  return std::exchange(requested_bytes_, 0);
}

ChunkRange Swarm::pick(Channel& from, std::uint64_t max_chunks, Now now) {
  if (complete() || store_failed_) return {};
  note_owing(from);
  if (request_allowance_ <= requested_bytes_) {
    held_by_allowance_ = true;
    return {};
  }
  // A limit may be overdrawn by one chunk, or a large one would never be asked for.
  const std::uint64_t allowed =
      std::max<std::uint64_t>(1, (request_allowance_ - requested_bytes_) / metadata_.chunk_size);
  const ChunkRange range = pick_chunks(from, std::min(max_chunks, allowed), now);
  Seat& seat = seats_[from.seat()];
  if (range.empty()) {
    seat.hungry = true;
    return range;
  }
  if (!std::exchange(seat.owing, true)) ++owing_;
  requested_.insert(range);
  on_changed(range, false);
  requested_bytes_ += range.size() * metadata_.chunk_size;
  return range;
}

void Swarm::give_back(Channel& from, ChunkRange range) {
  note_owing(from);
  forget_requests(range);
  offer_again(range, &from);
}

void Swarm::offer_again(ChunkRange, const Channel* but) {
  for (const Channel* channel : channels_) {
    if (channel != but) touch(*channel);
  }
}

// To be asked for again, but for what is still outstanding elsewhere.
void Swarm::forget_requests(ChunkRange range) {
  requested_.erase(range);
  if (twice_.intersects(range)) {
    for (const Channel* channel : channels_) {
      channel->requests().for_each([&](ChunkRange other) {
        if (other.intersects(range)) requested_.insert(intersection(other, range));
      });
    }
  }
  on_changed(range, true);
}

void Swarm::cancel_at(Channel& channel, ChunkRange range) {
  channel.cancel(range);
  note_owing(channel);
}

// They are here now.
void Swarm::cancel_twice_asked(ChunkRange range) {
  if (!twice_.intersects(range)) return;
  twice_.erase(range);
  for (Channel* channel : channels_) cancel_at(*channel, range);
}

void Swarm::note_owing(const Channel& channel) {
  const bool owing = !channel.requests().empty();
  if (std::exchange(seats_[channel.seat()].owing, owing) == owing) return;
  if (owing) {
    ++owing_;
  } else {
    --owing_;
  }
}

// Half of the buffer, since it counts more than the octets of the content.
std::uint64_t Swarm::receive_share() const {
  return receive_buffer_ / 2 / std::max<std::size_t>(1, owing_);
}

SwarmStatus Swarm::status() const {
  SwarmStatus status = counts_;
  status.store_failed = store_failed_;
  status.channels = static_cast<std::size_t>(std::count_if(
      channels_.begin(), channels_.end(), [](const Channel* c) { return c->established(); }));
  status.verified_bytes = verified_.count() * metadata_.chunk_size;
  return status;
}

ChunkRange Swarm::verified_run(ChunkIndex chunk) const {
  const ChunkRange run = verified_.run_around(chunk);
  return run.empty() ? run : ChunkRange{chunk, run.end};
}

void Swarm::check_invariants() const {
  address_book_.check_invariants();
  verified_.check_invariants();
  requested_.check_invariants();
  for (const Channel* channel : channels_) {
    channel->check_invariants();
    channel->requests().for_each(
        [&](ChunkRange range) { PPSPP_ASSERT(requested_.contains(range)); });
  }
}

}  // namespace ppspp
