// What the API asks for: add, remove, pause, resume, change.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "control/json.h"
#include "live_feeder.h"
#include "service_impl.h"
#include "service_tools.h"
#include "tracker/url.h"

namespace ppspp::daemon {

using control::SwarmKind;
using control::SwarmState;

namespace {

namespace fs = std::filesystem;

SwarmRecord record_of(const control::AddRequest& request) {
  SwarmRecord record;
  record.name = request.name;
  record.label = request.label;
  record.peers = request.peers;
  record.limits = request.limits;
  record.paused = request.paused;
  record.opens_at = request.opens_at;
  record.added_at = seconds_since_1970();
  record.request = control::to_json(request);
  return record;
}

// Two names of one file are one: what is there is asked for its real name.
fs::path real_path(const fs::path& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  return error ? path.lexically_normal() : real;
}

Result<void> check_readable(const fs::path& path) {
  if (!path.is_absolute()) {
    return fail(
        Errc::invalid_argument,
        fmt::format("'{}' is not absolute: the daemon runs in another directory", path.string()));
  }
  if (::access(path.c_str(), R_OK) == 0) return {};
  const int reason = errno;
  const Errc code = reason == ENOENT || reason == ENOTDIR ? Errc::not_found : Errc::io;
  return fail(code, fmt::format("{}: {}{}", path.string(), std::generic_category().message(reason),
                                reason == EACCES ? ": the user that ppsppd runs as must be able to "
                                                   "read it"
                                                 : ""));
}

Unexpected already_there(const SwarmEntry& entry) {
  return fail(Errc::exists, fmt::format("it is there already, as swarm {} ({})",
                                        entry.record.number, entry.record.name));
}

}  // namespace

// --- Adding

void Service::Impl::add(control::AddRequest request, Done<SwarmInfo> done) {
  const int kinds =
      int{request.file.has_value()} + int{request.url.has_value()} + int{request.live.has_value()};
  if (kinds != 1) {
    return refuse({Errc::invalid_argument, "name one thing: a file, a URL or a live input"}, done);
  }
  if (const auto room = room_for_one_more(); !room) return refuse(room.error(), done);
  for (const std::string& peer : request.peers) {
    if (const auto parsed = HostPort::parse(peer); !parsed) return refuse(parsed.error(), done);
  }
  for (std::string& tracker : request.trackers) {
    const auto parsed = tracker::Url::parse(tracker);
    if (!parsed) return refuse(parsed.error(), done);
    tracker = parsed->to_string();
  }
  Result<Entry*> added = request.file  ? add_file(request)
                         : request.url ? add_url(request)
                                       : add_live(request);
  if (!added) return refuse(added.error(), done);
  const Number number = (*added)->record.number;
  save(**added, [this, number, done = std::move(done)](const Result<void>& saved) {
    Entry* entry = find(number);
    if (!saved) {
      if (entry != nullptr) erase(number);
      return done(tl::unexpected(saved.error()));
    }
    if (entry == nullptr) return done(fail(Errc::left, "it was removed meanwhile"));
    const SwarmInfo info = describe(*entry);
    events_.tell({.type = "added", .swarm = info});
    done(info);
    // Only now: it must not be hashed, or fetched, by somebody who will not know of it.
    if (Entry* still = find(number); still != nullptr && !still->swarm) begin(*still);
  });
}

Result<SwarmEntry*> Service::Impl::add_file(const control::AddRequest& request) {
  const control::AddFile& file = *request.file;
  if (const auto readable = check_readable(file.path); !readable) {
    return tl::unexpected(readable.error());
  }
  const fs::path path = real_path(file.path);
  if (const auto found = by_path_.find(path.string()); found != by_path_.end()) {
    return already_there(*find(found->second));
  }
  std::error_code error;
  const bool directory = fs::is_directory(path, error);
  if (!directory) {
    const auto stamp = stamp_of(path);
    if (!stamp) return tl::unexpected(stamp.error());
    if (stamp->size == 0) {
      return fail(Errc::invalid_argument,
                  fmt::format("{} is empty: there is nothing to publish", path.string()));
    }
  }
  if (const auto metadata = metadata_of(file); !metadata) return tl::unexpected(metadata.error());
  SwarmRecord record = record_of(request);
  record.kind = directory ? SwarmKind::directory : SwarmKind::file;
  record.path = path.string();
  if (record.name.empty()) record.name = path.filename().string();
  record.number = take_number();
  Entry& entry = insert(std::move(record));
  if (!entry.record.paused) set_state(entry, SwarmState::hashing);
  return &entry;
}

Result<SwarmEntry*> Service::Impl::add_url(const control::AddRequest& request) {
  auto url = SwarmUrl::parse(request.url->url);
  if (!url) return tl::unexpected(url.error());
  if (const auto valid = url->metadata.validate(); !valid) return tl::unexpected(valid.error());
  if (!url->metadata.live && url->metadata.integrity != IntegrityMethod::merkle) {
    return fail(Errc::not_supported,
                "the daemon fetches content with hashes only: use ppspp-get for "
                "a swarm without");
  }
  const std::string id = url->metadata.id.to_hex();
  if (Entry* there = find_id(id)) {
    if (!there->on_demand) return already_there(*there);
    erase(there->record.number);  // what was fetched for the moment is fetched for good
  }
  SwarmRecord record = record_of(request);
  record.number = take_number();
  record.kind = url->metadata.live ? SwarmKind::live : SwarmKind::download;
  record.peers.insert(record.peers.end(), url->peers.begin(), url->peers.end());
  add_missing(url->trackers, request.trackers);
  if (record.name.empty()) record.name = url->file_name();
  url->peers.clear();
  record.id = id;
  record.url = url->to_string();
  if (record.kind == SwarmKind::live) {
    if (!request.url->output.empty()) {
      return fail(Errc::invalid_argument,
                  "a live swarm is not written to a file: it is relayed, and "
                  "read through the gateway");
    }
    if (const auto room = room_in_memory(0); !room) return tl::unexpected(room.error());
    return &insert(std::move(record));
  }
  const auto output = output_for(*request.url, *url);
  if (!output) return tl::unexpected(output.error());
  record.path = output->string();
  record.fetched = true;
  const auto room = room_for_download(record, url->metadata.content_length);
  if (!room) return tl::unexpected(room.error());
  Entry& entry = insert(std::move(record));
  if (entry.record.paused || entry.record.opens_at) return &entry;
  // Now, so that an output that is in the way is said to who asks.
  if (const auto begun = begin_download(entry, request.url->force); !begun) {
    const Error error = begun.error();
    erase(entry.record.number);
    return tl::unexpected(error);
  }
  return &entry;
}

// Where a download goes. Nothing that is there is overwritten, unless that was asked for.
Result<fs::path> Service::Impl::output_for(const control::AddUrl& request, const SwarmUrl& url) {
  fs::path output = request.output;
  if (output.empty()) {
    output = state_.content() / url.file_name();
    std::error_code error;
    if (by_path_.contains(output.string()) || fs::exists(output, error)) {
      output += fmt::format("-{}", url.metadata.id.to_hex().substr(0, 12));
    }
  }
  if (!output.is_absolute()) {
    return fail(Errc::invalid_argument,
                fmt::format("the output '{}' is not absolute: the daemon runs in another directory",
                            output.string()));
  }
  output = real_path(output);
  std::error_code error;
  if (fs::is_directory(output, error)) {
    return fail(Errc::invalid_argument,
                fmt::format("{} is a directory: name a file in it", output.string()));
  }
  const fs::path parent = output.parent_path();
  if (!fs::is_directory(parent, error)) {
    return fail(Errc::not_found, fmt::format("there is no directory {}", parent.string()));
  }
  if (::access(parent.c_str(), W_OK | X_OK) != 0) {
    return fail(Errc::io, fmt::format("{}: {}: the user that ppsppd runs as must be able to write "
                                      "there",
                                      parent.string(), std::generic_category().message(errno)));
  }
  if (const auto found = by_path_.find(output.string()); found != by_path_.end()) {
    return fail(Errc::exists,
                fmt::format("{} belongs to swarm {}", output.string(), found->second));
  }
  fs::path record = output;
  record += ".ppspp";
  if (!request.force && fs::exists(output, error) && !fs::exists(record, error)) {
    return fail(Errc::exists,
                fmt::format("{} exists: name another output, or force it", output.string()));
  }
  return output;
}

Result<SwarmEntry*> Service::Impl::add_live(const control::AddRequest& request) {
  const control::AddLive& live = *request.live;
  if (const auto checked = LiveFeeder::check(live); !checked) {
    return tl::unexpected(checked.error());
  }
  const std::uint64_t window =
      live.discard_window.value_or(0) * live.chunk_size.value_or(kDefaultChunkSize);
  if (const auto room = room_in_memory(window); !room) return tl::unexpected(room.error());
  SwarmRecord record = record_of(request);
  record.kind = SwarmKind::feed;
  record.path = live.input;
  if (record.name.empty()) {
    record.name =
        live.input.starts_with("file:") ? fs::path(live.input).filename().string() : live.input;
  }
  record.number = take_number();
  Entry& entry = insert(std::move(record));
  if (entry.record.paused || entry.record.opens_at) return &entry;
  entry.feeder = std::make_unique<LiveFeeder>(*this, entry);
  if (const auto begun = entry.feeder->begin(); !begun) {
    const Error error = begun.error();
    erase(entry.record.number);
    return tl::unexpected(error);
  }
  return &entry;
}

// --- Removing

void Service::Impl::remove(const std::string& ref, bool delete_content, Done<void> done) {
  auto found = resolve(ref);
  if (!found) return refuse(found.error(), done);
  Entry& entry = **found;
  if (delete_content && !entry.record.fetched && !entry.on_demand) {
    return refuse({Errc::invalid_argument,
                   fmt::format("'{}' was not fetched by the daemon: delete it yourself, and remove "
                               "the swarm without its content",
                               entry.record.path)},
                  done);
  }
  if (entry.on_demand) {
    const SwarmInfo info = describe(entry);
    erase(entry.record.number);
    events_.tell({.type = "removed", .swarm = info});
    asio::post(io_, [done] { done({}); });
    return;
  }
  const SwarmInfo info = describe(entry);
  end(entry);
  entry.removing = true;
  write_totals();  // the bill stays when the swarm is gone
  catalogue_->erase(entry.record.number, [this, info, delete_content,
                                          done = std::move(done)](const Result<void>& erased) {
    Entry* gone = find(info.number);
    if (gone == nullptr) return done(erased);
    if (!erased) {
      gone->removing = false;
      begin(*gone);
      return done(erased);
    }
    delete_files(gone->record, delete_content);
    erase(info.number);
    events_.tell({.type = "removed", .swarm = info});
    done({});
  });
}

void Service::Impl::delete_files(const SwarmRecord& record, bool content_too) {
  std::error_code ignored;
  if (!record.tree.empty()) fs::remove(state_.tree(record.number), ignored);
  if (record.kind == SwarmKind::directory) fs::remove(state_.bundle(record.number), ignored);
  if (!content_too || record.path.empty()) return;
  fs::path resume = record.path;
  resume += ".ppspp";
  fs::remove(resume, ignored);
  std::error_code error;
  if (!fs::remove(record.path, error) && error) {
    log(LogLevel::warning, "{} cannot be deleted: {}", record.path, error.message());
  }
}

// --- Changing

Result<SwarmEntry*> Service::Impl::resolve_kept(const std::string& ref) {
  auto found = resolve(ref);
  if (found && (*found)->on_demand) {
    return fail(
        Errc::invalid_argument,
        fmt::format("swarm {} is here for a reader of the gateway only: add its URL to keep "
                    "it",
                    (*found)->record.number));
  }
  return found;
}

// Takes the record as it is now to the disk, then tells. What the disk refuses is taken back.
void Service::Impl::save_change(Entry& entry, SwarmRecord before, Done<SwarmInfo> done) {
  const Number number = entry.record.number;
  events_.changed(number);
  save(entry, [this, number, before = std::move(before),
               done = std::move(done)](const Result<void>& saved) {
    Entry* found = find(number);
    if (found == nullptr) return done(fail(Errc::left, "it was removed meanwhile"));
    if (saved) return done(describe(*found));
    SwarmRecord& record = found->record;
    record.name = before.name;
    record.label = before.label;
    record.limits = before.limits;
    record.opens_at = before.opens_at;
    record.peers = before.peers;
    if (found->swarm) found->swarm->set_limits(node_limits(record.limits));
    if (record.paused != before.paused) {
      record.paused = before.paused;
      end(*found);
      begin(*found);
    }
    done(tl::unexpected(saved.error()));
  });
}

void Service::Impl::pause(const std::string& ref, Done<SwarmInfo> done) {
  auto found = resolve_kept(ref);
  if (!found) return refuse(found.error(), done);
  Entry& entry = **found;
  SwarmRecord before = entry.record;
  entry.record.paused = true;
  end(entry);
  set_state(entry, SwarmState::paused);
  save_change(entry, std::move(before), std::move(done));
}

void Service::Impl::resume(const std::string& ref, Done<SwarmInfo> done) {
  auto found = resolve_kept(ref);
  if (!found) return refuse(found.error(), done);
  Entry& entry = **found;
  SwarmRecord before = entry.record;
  const bool failed = !entry.record.error.empty();
  entry.record.paused = false;
  entry.record.error.clear();
  entry.warning.clear();
  const bool on_disk = entry.record.kind == SwarmKind::file ||
                       entry.record.kind == SwarmKind::directory ||
                       entry.record.kind == SwarmKind::download;
  if (failed && on_disk && entry.record.complete) {
    // Whatever was wrong: the file is hashed again, unless it is surely the one that it was.
    const auto stamp = stamp_of(content_path(entry.record));
    std::error_code error;
    if (!stamp || !entry.record.stamp || *stamp != *entry.record.stamp ||
        !fs::exists(state_.tree(entry.record.number), error)) {
      end(entry);
      queue_hashing(entry);
      return save_change(entry, std::move(before), std::move(done));
    }
  }
  if (failed) end(entry);
  begin(entry);
  save_change(entry, std::move(before), std::move(done));
}

void Service::Impl::change(const std::string& ref, control::ChangeRequest change,
                           Done<SwarmInfo> done) {
  auto found = resolve_kept(ref);
  if (!found) return refuse(found.error(), done);
  Entry& entry = **found;
  SwarmRecord before = entry.record;
  if (change.name) entry.record.name = *change.name;
  if (change.label) entry.record.label = *change.label;
  if (change.limits) {
    entry.record.limits = *change.limits;
    if (entry.swarm) entry.swarm->set_limits(node_limits(*change.limits));
  }
  if (change.opens_at) {
    entry.record.opens_at.reset();
    if (*change.opens_at > 0) entry.record.opens_at = *change.opens_at;
    const bool waits = *change.opens_at > seconds_since_1970();
    if (waits && entry.swarm) end(entry);
    if (waits || entry.state == SwarmState::scheduled) begin(entry);
  }
  save_change(entry, std::move(before), std::move(done));
}

void Service::Impl::add_peer(const std::string& ref, const std::string& address, Done<void> done) {
  auto found = resolve(ref);
  if (!found) return refuse(found.error(), done);
  Entry& entry = **found;
  if (const auto parsed = HostPort::parse(address); !parsed) return refuse(parsed.error(), done);
  if (entry.swarm) {
    if (const auto added = entry.swarm->add_peer(address); !added)
      return refuse(added.error(), done);
  }
  auto& peers = entry.record.peers;
  if (std::find(peers.begin(), peers.end(), address) == peers.end()) {
    peers.push_back(address);
    if (peers.size() > kMostPeers) peers.erase(peers.begin());
  }
  if (entry.on_demand) return asio::post(io_, [done] { done({}); });
  save(entry, std::move(done));
}

}  // namespace ppspp::daemon
