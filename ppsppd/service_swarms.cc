// How swarms begin and end, and what the node says of them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "live_feeder.h"
#include "service_impl.h"
#include "service_tools.h"

namespace ppspp::daemon {

using control::SwarmKind;
using control::SwarmState;

namespace {

constexpr std::size_t kShortestPrefix = 6;

bool is_number(const std::string& text) {
  return !text.empty() && text.size() <= 18 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Not before: a file has no ID. Or its tree could not be kept.
bool needs_hashing(const SwarmRecord& record) {
  switch (record.kind) {
    case SwarmKind::file:
    case SwarmKind::directory:
      return !record.complete || record.tree.empty();
    case SwarmKind::download:
      return record.complete && record.tree.empty();
    case SwarmKind::feed:
    case SwarmKind::live:
      return false;
  }
  return false;
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

}  // namespace

// --- Tables

SwarmEntry* Service::Impl::find(Number number) const {
  const auto found = entries_.find(number);
  return found == entries_.end() ? nullptr : found->second.get();
}

SwarmEntry* Service::Impl::find_id(const std::string& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : find(found->second);
}

Result<SwarmEntry*> Service::Impl::resolve(const std::string& ref) {
  if (is_number(ref)) {
    if (Entry* entry = find(std::stoull(ref)); entry != nullptr && !entry->removing) return entry;
  }
  const std::string id = lower(ref);
  if (id.size() >= kShortestPrefix) {
    const auto first = by_id_.lower_bound(id);
    if (first != by_id_.end() && first->first.starts_with(id)) {
      const auto second = std::next(first);
      if (first->first != id && second != by_id_.end() && second->first.starts_with(id)) {
        return fail(Errc::invalid_argument,
                    fmt::format("'{}' fits more than one swarm: give more digits", ref));
      }
      if (Entry* entry = find(first->second); !entry->removing) return entry;
    }
  }
  return fail(Errc::not_found,
              fmt::format("there is no swarm '{}': give its number, its ID, or six or more digits "
                          "with which its ID begins",
                          ref));
}

Result<const SwarmEntry*> Service::Impl::resolve(const std::string& ref) const {
  return const_cast<Impl*>(this)->resolve(ref);
}

SwarmEntry& Service::Impl::insert(SwarmRecord record) {
  const Number number = record.number;
  auto entry = std::make_unique<Entry>();
  entry->record = std::move(record);
  if (!entry->record.id.empty()) by_id_[entry->record.id] = number;
  if (holds_path(entry->record)) by_path_[entry->record.path] = number;
  ++counts_[entry->record.kind][entry->state];
  return *(entries_[number] = std::move(entry));
}

void Service::Impl::erase(Number number) {
  Entry* entry = find(number);
  if (entry == nullptr) return;
  end(*entry);
  const auto by_id = by_id_.find(entry->record.id);
  if (by_id != by_id_.end() && by_id->second == number) by_id_.erase(by_id);
  const auto by_path = by_path_.find(entry->record.path);
  if (by_path != by_path_.end() && by_path->second == number) by_path_.erase(by_path);
  --counts_[entry->record.kind][entry->state];
  awake_.erase(number);
  dirty_.erase(number);
  unsaved_.erase(number);
  on_demand_.erase(number);
  entries_.erase(number);
}

void Service::Impl::set_state(Entry& entry, SwarmState state) {
  if (entry.state == state) return;
  --counts_[entry.record.kind][entry.state];
  ++counts_[entry.record.kind][state];
  entry.state = state;
  events_.changed(entry.record.number);
}

void Service::Impl::set_id(Entry& entry, const SwarmUrl& url) {
  const std::string id = url.metadata.id.to_hex();
  if (entry.record.id != id) {
    by_id_.erase(entry.record.id);
    entry.record.id = id;
    by_id_[id] = entry.record.number;
  }
  SwarmUrl kept = url;
  kept.peers.clear();  // ours stand in the record
  entry.record.url = kept.to_string();
}

// --- Beginning

void Service::Impl::begin(Entry& entry) {
  const SwarmRecord& record = entry.record;
  if (entry.swarm || entry.feeder || entry.removing || stopping_) return;
  if (!record.error.empty()) return set_state(entry, SwarmState::failed);
  if (record.paused) return set_state(entry, SwarmState::paused);
  if (needs_hashing(record)) return queue_hashing(entry);
  if (record.opens_at && *record.opens_at > seconds_since_1970()) {
    wait_for_opening(entry);
    return set_state(entry, SwarmState::scheduled);
  }
  Result<void> begun;
  switch (record.kind) {
    case SwarmKind::file:
    case SwarmKind::directory:
    case SwarmKind::download:
      begun = record.complete ? begin_hosting(entry) : begin_download(entry, false);
      break;
    case SwarmKind::live:
      begun = begin_following(entry);
      break;
    case SwarmKind::feed:
      entry.feeder = std::make_unique<LiveFeeder>(*this, entry);
      begun = entry.feeder->begin_again();
      break;
  }
  if (!begun) fail_entry(entry, begun.error());
}

Result<void> Service::Impl::begin_download(Entry& entry, bool force) {
  auto url = SwarmUrl::parse(entry.record.url);
  if (!url) return tl::unexpected(url.error());
  url->peers = entry.record.peers;
  JoinOptions options;
  options.output = entry.record.path;
  options.force = force;
  options.limits = node_limits(entry.record.limits);
  options.allow_unprotected = url->metadata.integrity == IntegrityMethod::none;
  bool there = false;  // and is looked at first, which may take long
  if (!options.output.empty()) {
    std::error_code ignored;
    there = std::filesystem::exists(options.output, ignored);
    options.keep_tree = state_.tree(entry.record.number);
    if (url->metadata.content_length) {
      const auto room = room_on_disk(options.output, *url->metadata.content_length);
      if (!room) return room;
    }
  }
  if (entry.on_demand) options.policy = PickPolicy::on_demand;
  const Number number = entry.record.number;
  options.check_progress = [this, number, alive = std::weak_ptr(alive_)](std::uint64_t done,
                                                                         std::uint64_t) {
    if (alive.expired()) return;
    if (Entry* found = find(number)) {
      found->hashed = done;
      events_.changed(number);
    }
  };
  auto swarm = node_->join(*url, options);
  if (!swarm) return tl::unexpected(swarm.error());
  entry.hashed = 0;
  began(entry, *std::move(swarm), there ? SwarmState::opening : SwarmState::downloading);
  entry.length_known = url->metadata.content_length.has_value();
  return {};
}

std::filesystem::path Service::Impl::content_path(const SwarmRecord& record) const {
  if (record.kind == SwarmKind::directory) return state_.bundle(record.number);
  return record.path;
}

Result<void> Service::Impl::begin_hosting(Entry& entry) {
  auto url = SwarmUrl::parse(entry.record.url);
  if (!url) return tl::unexpected(url.error());
  url->display_name = entry.record.name;
  HostedFile file;
  file.allow_unprotected = url->metadata.integrity == IntegrityMethod::none;
  file.url = *std::move(url);
  file.file = content_path(entry.record);
  file.tree = state_.tree(entry.record.number);  // wherever the state directory is now
  file.stamp = entry.record.stamp;
  file.limits = node_limits(entry.record.limits);
  auto swarm = node_->host(file);
  if (!swarm) return tl::unexpected(swarm.error());
  began(entry, *std::move(swarm), SwarmState::seeding);
  entry.hosted = true;
  awake_.erase(entry.record.number);  // it sleeps
  return {};
}

Result<void> Service::Impl::begin_following(Entry& entry) {
  auto url = SwarmUrl::parse(entry.record.url);
  if (!url) return tl::unexpected(url.error());
  url->peers = entry.record.peers;
  JoinOptions options;
  options.limits = node_limits(entry.record.limits);
  auto swarm = node_->join(*url, options);
  if (!swarm) return tl::unexpected(swarm.error());
  began(entry, *std::move(swarm), SwarmState::live);
  return {};
}

template <typename... Args, typename Function>
auto Service::Impl::while_it_lives(const Entry& entry, Function function) {
  return [this, alive = std::weak_ptr(alive_), number = entry.record.number, life = entry.life,
          function = std::move(function)](Args... args) {
    if (alive.expired()) return;
    Entry* found = find(number);
    if (found != nullptr && found->life == life && found->swarm) function(*found, args...);
  };
}

void Service::Impl::began(Entry& entry, Swarm swarm, SwarmState state) {
  ++entry.life;
  entry.hosted = false;
  entry.length_known = true;
  entry.channels = 0;
  entry.counted = {};
  entry.idle_since = std::chrono::steady_clock::now();
  entry.swarm.emplace(std::move(swarm));
  awake_.insert(entry.record.number);
  set_state(entry, state);
  entry.swarm->on_error(while_it_lives<const Error&>(
      entry, [this](Entry& found, const Error& error) { fail_entry(found, error); }));
  // What is hosted is complete, and told nobody.
  if (state == SwarmState::seeding) return;
  entry.swarm->on_complete(while_it_lives<>(entry, [this](Entry& found) { on_complete(found); }));
}

// --- Ending

void Service::Impl::end(Entry& entry) {
  if (entry.feeder) {
    entry.feeder->stop();
    entry.feeder.reset();
  }
  stop_hashing(entry);
  if (!entry.swarm) return;
  count(entry, entry.swarm->status());
  ++entry.life;
  entry.swarm->leave();
  entry.swarm.reset();
}

void Service::Impl::fail_entry(Entry& entry, const Error& error) {
  end(entry);
  entry.record.error = error.context.empty() ? "it cannot go on" : error.context;
  log(LogLevel::error, "swarm {} ({}) has failed: {}", entry.record.number, entry.record.name,
      entry.record.error);
  set_state(entry, SwarmState::failed);
  if (entry.on_demand) return erase(entry.record.number);
  save(entry);
  events_.tell({.type = "failed",
                .swarm = describe(entry),
                .message = entry.record.error,
                .level = "error"});
}

// --- Completing

void Service::Impl::on_complete(Entry& entry) {
  SwarmRecord& record = entry.record;
  const bool live = record.kind == SwarmKind::live || record.kind == SwarmKind::feed;
  if (!record.completed_at) record.completed_at = seconds_since_1970();
  record.complete = true;
  if (!live && !entry.on_demand) {
    set_id(entry, entry.swarm->url());
    record.stamp = entry.swarm->file_stamp();
    std::error_code error;
    const std::filesystem::path tree = state_.tree(record.number);
    record.tree = std::filesystem::exists(tree, error) ? tree.string() : std::string();
  }
  if (!live) set_state(entry, SwarmState::seeding);
  if (!entry.on_demand) save(entry);
  events_.tell({.type = "completed", .swarm = describe(entry)});
}

// What was hashed or fetched in this run is left and registered as what sleeps when nobody wants
// it, at a moment when nobody does.
void Service::Impl::host_when_idle(Entry& entry) {
  const SwarmRecord& record = entry.record;
  if (!record.complete || record.tree.empty() || entry.on_demand) return;
  end(entry);
  if (const auto begun = begin_hosting(entry); !begun) fail_entry(entry, begun.error());
}

void Service::Impl::wait_for_opening(Entry& entry) {
  openings_.emplace(*entry.record.opens_at, entry.record.number);
}

void Service::Impl::open_scheduled() {
  const std::int64_t now = seconds_since_1970();
  while (!openings_.empty() && openings_.begin()->first <= now) {
    Entry* entry = find(openings_.begin()->second);
    openings_.erase(openings_.begin());
    // It may have been changed since, and wait for another time.
    if (entry != nullptr && entry->state == SwarmState::scheduled) begin(*entry);
  }
}

}  // namespace ppspp::daemon
