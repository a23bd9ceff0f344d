// The members of each type, listed once for writing, reading and checking.
//
// members(visit, value) calls visit.must(name, member) for what has to be there, and
// visit.may(name, member) for what may be left out and then has its default.
#pragma once

#include <concepts>
#include <type_traits>

#include "control/control_types.h"

namespace ppspp::control {

template <typename T, typename Type>
concept Is = std::same_as<std::remove_const_t<T>, Type>;

template <typename Visit, Is<Limits> T>
void members(Visit& visit, T& limits) {
  visit.may("upload", limits.upload);
  visit.may("download", limits.download);
  visit.may("upload_per_peer", limits.upload_per_peer);
  visit.may("download_per_peer", limits.download_per_peer);
  visit.may("weight", limits.weight);
  visit.may("max_channels", limits.max_channels);
}

template <typename Visit, Is<TrackerInfo> T>
void members(Visit& visit, T& tracker) {
  visit.must("url", tracker.url);
  visit.must("state", tracker.state);
  visit.must("error", tracker.error);
  visit.must("announced", tracker.announced);
  visit.may("next_in", tracker.next_in);
}

template <typename Visit, Is<SwarmInfo> T>
void members(Visit& visit, T& swarm) {
  visit.must("number", swarm.number);
  visit.must("id", swarm.id);
  visit.must("url", swarm.url);
  visit.must("name", swarm.name);
  visit.must("label", swarm.label);
  visit.must("kind", swarm.kind);
  visit.must("state", swarm.state);
  visit.must("sleeping", swarm.sleeping);
  visit.must("error", swarm.error);
  visit.must("path", swarm.path);
  visit.may("length", swarm.length);
  visit.must("verified", swarm.verified);
  visit.must("uploaded", swarm.uploaded);
  visit.must("downloaded", swarm.downloaded);
  visit.must("upload_rate", swarm.upload_rate);
  visit.must("download_rate", swarm.download_rate);
  visit.must("chunks_rejected", swarm.chunks_rejected);
  visit.must("channels", swarm.channels);
  visit.must("readers", swarm.readers);
  visit.must("limits", swarm.limits);
  visit.must("added_at", swarm.added_at);
  visit.may("completed_at", swarm.completed_at);
  visit.may("opens_at", swarm.opens_at);
  visit.may("trackers", swarm.trackers);
}

template <typename Visit, Is<SwarmPage> T>
void members(Visit& visit, T& page) {
  visit.must("swarms", page.swarms);
  visit.must("total", page.total);
  visit.may("next", page.next);
}

template <typename Visit, Is<AddFile> T>
void members(Visit& visit, T& file) {
  visit.must("path", file.path);
  visit.may("chunk_size", file.chunk_size);
  visit.may("addressing", file.addressing);
  visit.may("hash", file.hash);
  visit.may("integrity", file.integrity);
}

template <typename Visit, Is<AddUrl> T>
void members(Visit& visit, T& url) {
  visit.must("url", url.url);
  visit.may("output", url.output);
  visit.may("force", url.force);
}

template <typename Visit, Is<AddLive> T>
void members(Visit& visit, T& live) {
  visit.must("input", live.input);
  visit.may("pace", live.pace);
  visit.may("key", live.key);
  visit.may("signature", live.signature);
  visit.may("chunk_size", live.chunk_size);
  visit.may("chunks_per_signature", live.chunks_per_signature);
  visit.may("discard_window", live.discard_window);
}

template <typename Visit, Is<AddRequest> T>
void members(Visit& visit, T& request) {
  visit.may("file", request.file);
  visit.may("url", request.url);
  visit.may("live", request.live);
  visit.may("name", request.name);
  visit.may("label", request.label);
  visit.may("peers", request.peers);
  visit.may("trackers", request.trackers);
  visit.may("authority", request.authority);
  visit.may("limits", request.limits);
  visit.may("paused", request.paused);
  visit.may("opens_at", request.opens_at);
}

template <typename Visit, Is<ChangeRequest> T>
void members(Visit& visit, T& request) {
  visit.may("name", request.name);
  visit.may("label", request.label);
  visit.may("limits", request.limits);
  visit.may("opens_at", request.opens_at);
}

template <typename Visit, Is<PeerRequest> T>
void members(Visit& visit, T& request) {
  visit.must("address", request.address);
}

template <typename Visit, Is<PeerInfo> T>
void members(Visit& visit, T& peer) {
  visit.must("address", peer.address);
  visit.must("state", peer.state);
  visit.must("inbound", peer.inbound);
  visit.must("complete", peer.complete);
  visit.must("choked", peer.choked);
  visit.must("available", peer.available);
  visit.must("uploaded", peer.uploaded);
  visit.must("downloaded", peer.downloaded);
  visit.must("upload_rate", peer.upload_rate);
  visit.must("download_rate", peer.download_rate);
  visit.must("window", peer.window);
  visit.must("flight_size", peer.flight_size);
  visit.must("datagram_size", peer.datagram_size);
  visit.must("rtt_ms", peer.rtt_ms);
  visit.must("queueing_delay_ms", peer.queueing_delay_ms);
  visit.must("base_delay_ms", peer.base_delay_ms);
  visit.must("requested_chunks", peer.requested_chunks);
  visit.must("queued_chunks", peer.queued_chunks);
  visit.must("chunks_rejected", peer.chunks_rejected);
  visit.must("connected_at", peer.connected_at);
}

template <typename Visit, Is<Availability> T>
void members(Visit& visit, T& availability) {
  visit.must("chunks", availability.chunks);
  visit.must("map", availability.map);
  visit.must("buckets", availability.buckets);
}

template <typename Visit, Is<GlobalLimits> T>
void members(Visit& visit, T& limits) {
  visit.may("upload", limits.upload);
  visit.may("download", limits.download);
  visit.may("upload_per_peer", limits.upload_per_peer);
  visit.may("download_per_peer", limits.download_per_peer);
  visit.must("schedule", limits.schedule);
  visit.may("upload_now", limits.upload_now);
  visit.may("download_now", limits.download_now);
}

template <typename Visit, Is<LimitsChange> T>
void members(Visit& visit, T& change) {
  visit.may("upload", change.upload);
  visit.may("download", change.download);
  visit.may("upload_per_peer", change.upload_per_peer);
  visit.may("download_per_peer", change.download_per_peer);
}

template <typename Visit, Is<BanInfo> T>
void members(Visit& visit, T& ban) {
  visit.must("network", ban.network);
  visit.must("reason", ban.reason);
  visit.must("automatic", ban.automatic);
  visit.may("until", ban.until);
}

template <typename Visit, Is<BanRequest> T>
void members(Visit& visit, T& request) {
  visit.must("network", request.network);
  visit.may("reason", request.reason);
  visit.may("seconds", request.seconds);
}

template <typename Visit, Is<AccountEntry> T>
void members(Visit& visit, T& entry) {
  visit.must("number", entry.number);
  visit.must("id", entry.id);
  visit.must("name", entry.name);
  visit.must("label", entry.label);
  visit.must("day", entry.day);
  visit.must("uploaded", entry.uploaded);
  visit.must("downloaded", entry.downloaded);
}

template <typename Visit, Is<AccountPage> T>
void members(Visit& visit, T& page) {
  visit.must("accounts", page.accounts);
  visit.may("next", page.next);
}

template <typename Visit, Is<DaemonInfo> T>
void members(Visit& visit, T& info) {
  visit.must("version", info.version);
  visit.must("started_at", info.started_at);
  visit.must("listen", info.listen);
  visit.must("gateway", info.gateway);
  visit.must("state_directory", info.state_directory);
  visit.must("swarms", info.swarms);
  visit.must("channels", info.channels);
  visit.must("upload_rate", info.upload_rate);
  visit.must("download_rate", info.download_rate);
  visit.must("uploaded", info.uploaded);
  visit.must("downloaded", info.downloaded);
}

template <typename Visit, Is<LogEntry> T>
void members(Visit& visit, T& entry) {
  visit.must("at", entry.at);
  visit.must("level", entry.level);
  visit.must("message", entry.message);
}

template <typename Visit, Is<Event> T>
void members(Visit& visit, T& event) {
  visit.must("type", event.type);
  visit.may("swarm", event.swarm);
  visit.must("message", event.message);
  visit.must("level", event.level);
  visit.must("at", event.at);
}

// The lists, each in an object of its own.
template <typename T>
struct ListName;
template <>
struct ListName<PeerInfo> {
  static constexpr const char* value = "peers";
};
template <>
struct ListName<BanInfo> {
  static constexpr const char* value = "bans";
};
template <>
struct ListName<LogEntry> {
  static constexpr const char* value = "log";
};

template <typename Visit, typename List>
requires requires {
  ListName<typename List::value_type>::value;
}
void members(Visit& visit, List& list) {
  visit.must(ListName<typename List::value_type>::value, list);
}

}  // namespace ppspp::control
