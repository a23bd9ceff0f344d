// What can be asked.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "json/base64.h"
#include "service_impl.h"
#include "service_tools.h"

namespace ppspp::daemon {

using control::SwarmKind;
using control::SwarmState;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kMostBuckets = 65'536;

double milliseconds(Microseconds time) {
  return static_cast<double>(time.count()) / 1'000;
}

std::string_view name_of(ChannelState state) {
  switch (state) {
    case ChannelState::connecting:
      return "connecting";
    case ChannelState::established:
      return "established";
    case ChannelState::closing:
      return "closing";
  }
  return "closing";
}

control::PeerInfo peer_of(const ChannelStatus& channel, std::uint64_t chunk_count) {
  control::PeerInfo peer;
  peer.address = channel.peer.to_string();
  peer.state = name_of(channel.state);
  peer.inbound = channel.inbound;
  peer.complete = channel.peer_complete;
  peer.choked = channel.choked_by_peer;
  if (channel.peer_complete) {
    peer.available = 1;
  } else if (chunk_count > 0) {
    peer.available =
        std::min(1.0, static_cast<double>(channel.peer_chunks) / static_cast<double>(chunk_count));
  }
  peer.uploaded = channel.bytes_sent;
  peer.downloaded = channel.bytes_received;
  peer.upload_rate = channel.upload_rate;
  peer.download_rate = channel.download_rate;
  peer.window = channel.window;
  peer.flight_size = channel.flight_size;
  peer.datagram_size = channel.datagram_size;
  peer.rtt_ms = milliseconds(channel.rtt);
  peer.queueing_delay_ms = milliseconds(channel.queueing_delay);
  peer.base_delay_ms = milliseconds(channel.base_delay);
  peer.requested_chunks = channel.requested_chunks;
  peer.queued_chunks = channel.queued_chunks;
  peer.chunks_rejected = channel.chunks_rejected;
  peer.connected_at =
      seconds_since_1970() -
      std::chrono::duration_cast<std::chrono::seconds>(channel.connected_for).count();
  return peer;
}

std::uint64_t chunks_of(const SwarmMetadata& metadata) {
  const std::uint64_t length = metadata.content_length.value_or(0);
  return length == 0 ? 0 : (length - 1) / metadata.chunk_size + 1;
}

bool contains(const std::string& text, const std::string& part) {
  const auto equal = [](char a, char b) {
    const auto lower = [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return lower(a) == lower(b);
  };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), equal) != text.end();
}

bool fits(const SwarmEntry& entry, const control::SwarmQuery& query) {
  const SwarmRecord& record = entry.record;
  if (entry.removing) return false;
  if (query.kind && record.kind != *query.kind) return false;
  if (query.state && entry.state != *query.state) return false;
  if (!query.label.empty() && record.label != query.label) return false;
  return query.text.empty() || contains(record.name, query.text) ||
         contains(record.path, query.text) || contains(record.id, query.text);
}

std::vector<control::TrackerInfo> trackers_of(const Swarm& swarm) {
  std::vector<control::TrackerInfo> trackers;
  for (const TrackerStatus& status : swarm.trackers()) {
    control::TrackerInfo info{.url = status.url,
                              .state = std::string(to_string(status.state)),
                              .error = status.problem,
                              .announced = status.knows_swarm};
    if (status.next_in)
      info.next_in = static_cast<std::uint64_t>(status.next_in->count()) / 1'000'000;
    trackers.push_back(std::move(info));
  }
  return trackers;
}

}  // namespace

Result<control::SwarmInfo> Service::Impl::info(const std::string& ref) const {
  const auto found = resolve(ref);
  if (!found) return tl::unexpected(found.error());
  control::SwarmInfo info = describe(**found);
  if ((*found)->swarm) info.trackers = trackers_of(*(*found)->swarm);
  return info;
}

control::SwarmInfo Service::Impl::describe(const Entry& entry) const {
  const SwarmRecord& record = entry.record;
  const auto now = Clock::now();
  SwarmInfo info;
  info.number = record.number;
  info.id = record.id;
  info.url = url_for_others(record);
  info.name = record.name;
  info.label = record.label;
  info.kind = record.kind;
  info.state = entry.state;
  info.error = record.error.empty() ? entry.warning : record.error;
  info.path = record.path;
  info.uploaded = record.totals.uploaded;
  info.downloaded = record.totals.downloaded;
  info.chunks_rejected = record.totals.rejected;
  info.upload_rate = entry.upload_rate.at(now);
  info.download_rate = entry.download_rate.at(now);
  info.readers = entry.readers;
  info.limits = record.limits;
  info.added_at = record.added_at;
  info.completed_at = record.completed_at;
  info.opens_at = record.opens_at;
  if (record.stamp) info.length = record.stamp->size;
  if (record.complete) info.verified = info.length.value_or(0);
  if (entry.state == SwarmState::hashing || entry.state == SwarmState::opening) {
    info.verified = entry.hashed;
  }
  if (!entry.swarm) return info;
  info.sleeping = entry.swarm->sleeping();
  if (info.sleeping) return info;
  const SwarmStatus status = entry.swarm->status();
  if (status.content_length) info.length = status.content_length;
  if (entry.state != SwarmState::opening) info.verified = status.verified_bytes;
  info.channels = status.channels;
  // What has come since the last tick.
  const auto more = [](std::uint64_t counted, std::uint64_t is) {
    return is - std::min(is, counted);
  };
  info.uploaded += more(entry.counted.uploaded, status.uploaded_bytes);
  info.downloaded += more(entry.counted.downloaded, status.downloaded_bytes);
  info.chunks_rejected += more(entry.counted.rejected, status.chunks_rejected);
  return info;
}

// With the name and the trackers that know it; peers are for the one who hands it on to say.
std::string Service::Impl::url_for_others(const SwarmRecord& record) const {
  if (record.url.empty()) return {};
  auto url = SwarmUrl::parse(record.url);
  if (!url) return record.url;
  url->display_name = record.name;
  add_missing(url->trackers, config_.tracker.urls);
  return url->to_string();
}

control::SwarmPage Service::Impl::list(const control::SwarmQuery& query) const {
  control::SwarmPage page;
  const std::size_t limit = std::clamp<std::size_t>(query.limit, 1, 1'000);
  for (const auto& [number, entry] : entries_) {
    if (!fits(*entry, query)) continue;
    ++page.total;
    if (number <= query.after) continue;
    if (page.swarms.size() < limit) {
      page.swarms.push_back(describe(*entry));
    } else {
      page.next = page.swarms.back().number;
    }
  }
  return page;
}

Result<std::vector<control::PeerInfo>> Service::Impl::peers(const std::string& ref) const {
  const auto found = resolve(ref);
  if (!found) return tl::unexpected(found.error());
  std::vector<control::PeerInfo> peers;
  const Entry& entry = **found;
  if (!entry.swarm || entry.swarm->sleeping()) return peers;
  const std::uint64_t chunks = chunks_of(entry.swarm->url().metadata);
  for (const ChannelStatus& channel : entry.swarm->channels()) {
    peers.push_back(peer_of(channel, chunks));
  }
  return peers;
}

Result<control::Availability> Service::Impl::availability(const std::string& ref,
                                                          std::size_t buckets) const {
  const auto found = resolve(ref);
  if (!found) return tl::unexpected(found.error());
  if (buckets == 0 || buckets > kMostBuckets) {
    return fail(Errc::invalid_argument,
                fmt::format("{} buckets are not possible: 1 to {}", buckets, kMostBuckets));
  }
  const Entry& entry = **found;
  control::Availability availability;
  if (const auto url = SwarmUrl::parse(entry.record.url)) {
    availability.chunks = chunks_of(url->metadata);
  }
  std::vector<std::uint8_t> map;
  if (entry.swarm && !entry.swarm->sleeping()) {
    availability.chunks = std::max(availability.chunks, chunks_of(entry.swarm->url().metadata));
    map = entry.swarm->availability(buckets);
  } else {
    map.assign(buckets, entry.record.complete ? 255 : 0);
  }
  availability.buckets = map.size();
  availability.map = to_base64(map);
  return availability;
}

control::DaemonInfo Service::Impl::daemon_info() const {
  control::DaemonInfo info;
  info.version = PPSPP_VERSION;
  info.started_at = started_at_;
  for (const TransportAddress& address : node_->local_addresses()) {
    info.listen.push_back(address.to_string());
  }
  info.gateway = gateway_;
  info.state_directory = state_.path().string();
  info.swarms = entries_.size();
  info.channels = node_->statistics().endpoint.channels_established;
  const auto now = Clock::now();
  info.upload_rate = upload_rate_.at(now);
  info.download_rate = download_rate_.at(now);
  const Totals totals = totals_now();
  info.uploaded = totals.uploaded;
  info.downloaded = totals.downloaded;
  return info;
}

Snapshot Service::Impl::snapshot() const {
  Snapshot snapshot;
  snapshot.node = node_->statistics();
  snapshot.swarms = counts_;
  snapshot.sleeping = snapshot.node.sleeping;
  for (const auto& [number, entry] : entries_) snapshot.readers += entry->readers;
  const Totals totals = totals_now();
  snapshot.uploaded = totals.uploaded;
  snapshot.downloaded = totals.downloaded;
  const auto now = Clock::now();
  snapshot.upload_rate = upload_rate_.at(now);
  snapshot.download_rate = download_rate_.at(now);
  snapshot.catalogue_commits = catalogue_->commits();
  snapshot.catalogue_failures = catalogue_->failures();
  snapshot.started_at = started_at_;
  return snapshot;
}

}  // namespace ppspp::daemon
