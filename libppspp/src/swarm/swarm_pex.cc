// Peer exchange (RFC 7574, 3.10, 8.13, 12.2): whom a peer is told of, and what becomes of those
// that it names.
#include <algorithm>

#include "crypto/membership_certificate.h"
#include "discovery/pex_rules.h"
#include "swarm/swarm.h"

namespace ppspp {
namespace {

constexpr Microseconds kHeardWithin = std::chrono::seconds(60);  // 3.10.1 #174

}  // namespace

// Bare addresses prove nothing, so they are for benign environments: networks of one's own, unless
// the user wants it otherwise (3.10.1 #178).
bool Swarm::is_benign(const TransportAddress& peer) const {
  return peer.is_internal() || pex_.on_internet;
}

// A source and whoever has everything look for nobody, so no liar can surround them (12.2.3 #187).
bool Swarm::looks_for_peers() const {
  return pex_.enabled && !complete();
}

void Swarm::collect_peers(const Channel& asking, std::vector<PeerToTell>& peers, Now now) {
  if (!pex_.enabled || channels_.empty()) return;
  const TransportAddress& to = asking.peer();
  if (!certificates_.of({}, now).empty()) peers.push_back({{}, true});
  std::size_t certified = peers.size();
  std::size_t told = 0;
  const std::size_t first = random_.below(channels_.size());
  for (std::size_t i = 0; i < channels_.size() && told < PexLimits::kMaxTold; ++i) {
    const Channel& channel = *channels_[(first + i) % channels_.size()];
    const bool heard =
        channel.established() && now.monotonic - channel.last_received_at() <= kHeardWithin;
    if (&channel == &asking || !heard || !may_tell(channel.peer(), to)) continue;
    if (certified < PexLimits::kMaxCertificatesTold &&
        !certificates_.of(channel.peer(), now).empty()) {
      peers.push_back({channel.peer(), true});
      ++certified;
    } else if (is_benign(to)) {
      peers.push_back({channel.peer(), false});
    } else {
      continue;
    }
    ++told;
  }
}

std::span<const std::byte> Swarm::certificate_of(const TransportAddress& peer, Now now) const {
  return certificates_.of(peer, now);
}

Swarm::Told Swarm::receive_address(Channel& from, const TransportAddress& address, Now now) {
  const Told told = looks_for_peers() && is_benign(from.peer())
                        ? take_peer(from, address, PeerSource::pex, now)
                        : Told::useless;
  if (told == Told::useless) ++scratch_.pex.addresses_refused;
  return told;
}

Swarm::Told Swarm::take_peer(Channel& from, const TransportAddress& address, PeerSource source,
                             Now now) {
  const auto peer = as_told(address, from.peer());
  if (!peer || *peer == from.peer() || !may_talk_to(*peer)) return Told::useless;
  const bool connected =
      std::any_of(channels_.begin(), channels_.end(),
                  [&](const Channel* channel) { return channel->peer() == *peer; });
  if (connected || address_book_.knows(*peer)) return Told::known;
  if (!add_peer(*peer, source, now, from.peer())) return Told::useless;
  ++scratch_.pex.addresses_learned;
  return Told::fresh;
}

// What does not hold costs its sender all others (12.2.2 #185), and a check is a check for
// everybody: all peers together get so many a second.
Swarm::Told Swarm::receive_certificate(Channel& from, std::span<const std::byte> der, Now now) {
  if (!pex_.enabled || metadata_.authority.empty()) return Told::useless;
  if (certificates_.holds(der, now)) return Told::known;
  if (!certificates_.may_check(now.monotonic)) return Told::useless;
  const auto address = certificates_.check(der, metadata_, now);
  if (!address) {
    ++scratch_.pex.certificates_refused;
    return Told::defective;
  }
  ++scratch_.pex.certificates_accepted;
  const bool own = *address == from.peer();
  const Told told = own || !looks_for_peers()
                        ? Told::known
                        : take_peer(from, *address, PeerSource::certified, now);
  if (told == Told::useless) ++scratch_.pex.addresses_refused;
  if (told != Told::useless) certificates_.keep(*address, der, random_);
  return told;
}

Result<void> Swarm::set_certificate(std::span<const std::byte> der, Now now) {
  if (metadata_.authority.empty()) {
    return fail(Errc::invalid_argument,
                "the swarm has no certification authority: its URL needs a 'ca'");
  }
  if (!certificates_.check(der, metadata_, now)) {
    return fail(Errc::invalid_argument,
                "this is no valid certificate of the swarm's authority for an address in it");
  }
  certificates_.set_own(der);
  for (Channel* channel : channels_) {
    if (!channel->established()) continue;
    channel->show_certificate();
    touch(*channel);
  }
  return {};
}

bool Swarm::wants_more_peers(Now now) const {
  return looks_for_peers() && !address_book_.has_candidate(now.monotonic) &&
         channels_.size() < neighbours_;
}

// Of those that may be asked, the one that was not for the longest time.
TimePoint Swarm::ask_for_peers(Now now) {
  Channel* asked = nullptr;
  TimePoint again = kNever;
  const std::size_t first = channels_.empty() ? 0 : random_.below(channels_.size());
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    Channel& channel = *channels_[(first + i) % channels_.size()];
    const bool useful = is_benign(channel.peer()) || !metadata_.authority.empty();
    if (!channel.established() || !useful) continue;
    if (!channel.may_ask_for_peers(now)) {
      if (channel.ask_for_peers_at() > now.monotonic) {
        again = std::min(again, channel.ask_for_peers_at());
      }
      continue;
    }
    if (asked != nullptr) again = now.monotonic;
    if (asked == nullptr || channel.ask_for_peers_at() < asked->ask_for_peers_at()) {
      asked = &channel;
    }
  }
  if (asked == nullptr) return again;
  asked->ask_for_peers(now);
  touch(*asked);
  return std::min(again, asked->ask_for_peers_at());
}

}  // namespace ppspp
