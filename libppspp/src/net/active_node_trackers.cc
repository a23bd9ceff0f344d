// What a node tells its trackers, and what it does with what they say.
#include <utility>

#include "base/log.h"
#include "net/active_node.h"
#include "net/clock.h"
#include "net/interface_addresses.h"

namespace ppspp {
namespace {

// With so many channels a swarm can do without further addresses for a while. A seeder asks as
// well: behind a NAT it must call those that are to reach it.
constexpr std::size_t kEnoughForLeech = 20;
constexpr std::size_t kEnoughForSeeder = 8;
constexpr auto kLookInterval = std::chrono::seconds(3);

// For the tracker, which calls those that it lists: all that a handshake depends on.
std::string url_options(const SwarmMetadata& metadata) {
  SwarmUrl url;
  url.metadata = metadata;
  url.metadata.content_length.reset();
  url.metadata.authority.clear();
  const std::string text = url.to_string();
  const auto question = text.find('?');
  return question == std::string::npos ? "" : text.substr(question + 1);
}

tracker::PeerMode mode_of(const ActiveSwarm& swarm) {
  const bool has_all = swarm.url().metadata.live ? swarm.publishes() : swarm.complete();
  return has_all ? tracker::PeerMode::seeder : tracker::PeerMode::leech;
}

// A live swarm always does: part of its connections are to be from the tracker (12.2.3).
bool wants_peers(const ActiveSwarm& swarm) {
  if (!swarm.joined()) return false;
  if (swarm.url().metadata.live) return true;
  const std::size_t enough = swarm.complete() ? kEnoughForSeeder : kEnoughForLeech;
  return swarm.status().channels < enough;
}

}  // namespace

TrackerSink ActiveNode::tracker_sink() {
  return {
      .stats = [this] { return stream_stats(); },
      .addresses = [this] { return reachable_addresses(driver_.port().local_addresses()); },
      .peers_found =
          [this](const SwarmId& id, const std::vector<TransportAddress>& peers) {
            const auto found = swarms_.find(id);
            if (found == swarms_.end()) return;
            for (const TransportAddress& peer : peers) {
              found->second->add_peer(peer, PeerSource::tracker);
            }
          },
      .certificates_issued =
          [this](const SwarmId& id, const std::vector<tracker::Octets>& certificates) {
            take_certificates(id, certificates);
          },
  };
}

void ActiveNode::announce(ActiveSwarm& swarm) {
  const SwarmUrl& url = swarm.url();
  trackers_.announce(url.metadata.id, url.trackers,
                     {.mode = mode_of(swarm),
                      .wants_peers = swarm.joined(),
                      .wants_certificate = !url.metadata.authority.empty(),
                      .url_options = url_options(url.metadata)});
  look_after_trackers();
}

// Ours (12.2.2). One that the swarm's authority did not sign is worth nothing to anybody. A swarm
// that sleeps shows none: it gets another when everything is announced again.
void ActiveNode::take_certificates(const SwarmId& id,
                                   const std::vector<tracker::Octets>& certificates) {
  const auto found = swarms_.find(id);
  if (found == swarms_.end() || !found->second->joined()) return;
  for (const tracker::Octets& der : certificates) {
    const auto taken =
        driver_.endpoint().set_certificate(found->second->handle(), der, read_clocks());
    if (!taken) log(LogLevel::debug, "a tracker's certificate: {}", taken.error().context);
  }
  driver_.kick();
}

// Who has enough peers, and who has lost them.
void ActiveNode::look_after_trackers() {
  if (trackers_.empty() || by_handle_.empty() || std::exchange(tracker_timer_runs_, true)) return;
  tracker_timer_.expires_after(kLookInterval);
  tracker_timer_.async_wait([this, alive = alive_](const error_code& error) {
    if (!*alive || error) return;
    tracker_timer_runs_ = false;
    for (const auto& [handle, swarm] : by_handle_) {
      trackers_.set_wants_peers(swarm->url().metadata.id, wants_peers(*swarm));
    }
    look_after_trackers();
  });
}

std::vector<tracker::StreamStats> ActiveNode::stream_stats() const {
  std::vector<tracker::StreamStats> all;
  for (const auto& [handle, swarm] : by_handle_) {
    if (all.size() == tracker::Client::kMaxQuietActions) break;
    const SwarmStatus status = swarm->status();
    all.push_back({.swarm_id = swarm->url().metadata.id.to_hex(),
                   .uploaded_bytes = status.uploaded_bytes,
                   .downloaded_bytes = status.downloaded_bytes,
                   .concurrent_links = status.channels});
  }
  return all;
}

}  // namespace ppspp
