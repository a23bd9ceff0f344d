// Swarms that the gateway asks for: joined when they are wanted, within bounds, and left some time
// after the last reader has gone. They are in no catalogue, and their content has no name on the
// disk.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "service_impl.h"
#include "service_tools.h"

namespace ppspp::daemon {

using control::SwarmKind;
using control::SwarmState;

namespace {

constexpr std::size_t kMostOnDemand = 100;

Unexpected cannot_be_read(const SwarmEntry& entry) {
  return fail(Errc::not_found,
              fmt::format("swarm {} is {}{}", entry.record.number, to_string(entry.state),
                          entry.record.error.empty() ? "" : ": " + entry.record.error));
}

}  // namespace

Result<Content> Service::Impl::open(const SwarmUrl& url) {
  const std::string id = url.metadata.id.to_hex();
  if (Entry* entry = find_id(id)) {
    if (entry->removing || !entry->swarm) return cannot_be_read(*entry);
    entry->idle_since = std::chrono::steady_clock::now();
    for (const std::string& peer : url.peers) static_cast<void>(entry->swarm->add_peer(peer));
    return Content{*entry->swarm, entry->record.name};
  }
  if (const auto may = may_join_on_demand(url); !may) return tl::unexpected(may.error());
  SwarmRecord record;
  record.number = take_passing_number();
  record.kind = url.metadata.live ? SwarmKind::live : SwarmKind::download;
  record.id = id;
  record.name = url.file_name();
  record.peers = url.peers;
  if (record.peers.size() > kMostPeers) record.peers.resize(kMostPeers);
  SwarmUrl kept = url;
  kept.peers.clear();
  record.url = kept.to_string();
  record.fetched = true;
  record.added_at = seconds_since_1970();
  Entry& entry = insert(std::move(record));
  entry.on_demand = true;
  on_demand_.insert(entry.record.number);
  const auto begun = url.metadata.live ? begin_following(entry) : begin_download(entry, false);
  if (!begun) {
    const Error error = begun.error();
    erase(entry.record.number);
    return tl::unexpected(error);
  }
  events_.tell({.type = "added", .swarm = describe(entry)});
  return Content{*entry.swarm, entry.record.name};
}

Result<void> Service::Impl::may_join_on_demand(const SwarmUrl& url) const {
  if (!config_.gateway.join_on_demand) {
    return fail(Errc::not_found,
                "there is no such swarm, and none is joined on demand: add it, or "
                "set join_on_demand in [gateway]");
  }
  if (const auto valid = url.metadata.validate(); !valid) return valid;
  if (const auto room = room_for_one_more(); !room) return room;
  if (on_demand_.size() >= kMostOnDemand) {
    return fail(Errc::no_space, fmt::format("{} swarms are being read on demand, and no more are "
                                            "joined: try again later, or add the swarm",
                                            on_demand_.size()));
  }
  if (url.metadata.live) return room_in_memory(0);
  const std::uint64_t wanted = url.metadata.content_length.value_or(0);
  if (const auto room = room_in_state(wanted); !room) return room;
  return room_on_disk(std::filesystem::temp_directory_path() / "ppsppd", wanted);
}

void Service::Impl::note_readers(const SwarmId& id, int change) {
  Entry* entry = find_id(id.to_hex());
  if (entry == nullptr) return;
  if (change > 0) entry->readers += static_cast<std::size_t>(change);
  if (change < 0) entry->readers -= std::min(entry->readers, static_cast<std::size_t>(-change));
  entry->idle_since = std::chrono::steady_clock::now();
  events_.changed(entry->record.number);
}

std::vector<Listed> Service::Impl::listed(std::size_t limit) const {
  std::vector<Listed> listed;
  for (const auto& [number, entry] : entries_) {
    if (listed.size() >= limit) break;
    if (!entry->swarm || entry->on_demand || entry->removing) continue;
    const SwarmMetadata& metadata = entry->swarm->url().metadata;
    listed.push_back({metadata.id, entry->record.name, metadata.content_length, metadata.live});
  }
  return listed;
}

void Service::Impl::drop_idle_on_demand(std::chrono::steady_clock::time_point now) {
  const std::chrono::minutes idle{config_.gateway.idle_minutes};
  for (const Number number : std::set<Number>(on_demand_)) {
    Entry* entry = find(number);
    if (entry == nullptr) continue;
    if (entry->readers > 0 || now - entry->idle_since < idle) continue;
    log(LogLevel::info, "swarm {} ({}) is left: nobody reads it any more", number,
        entry->record.name);
    const SwarmInfo info = describe(*entry);
    erase(number);
    events_.tell({.type = "removed", .swarm = info});
  }
}

}  // namespace ppspp::daemon
