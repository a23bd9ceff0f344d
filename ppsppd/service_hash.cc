// Hashing, one file at a time (it uses all cores), and what comes of it.
#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "control/json.h"
#include "gateway/bundle.h"
#include "service_impl.h"
#include "service_tools.h"

namespace ppspp::daemon {

using control::SwarmKind;
using control::SwarmState;

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAtOnce = 2;  // so that a small file does not wait for a large one

fs::path fresh_tree(const fs::path& tree) {
  fs::path fresh = tree;
  fresh += ".new";
  return fresh;
}

}  // namespace

void Service::Impl::queue_hashing(Entry& entry) {
  set_state(entry, SwarmState::hashing);
  if (std::exchange(entry.hashing, true)) return;
  entry.hashed = 0;
  to_hash_.push_back(entry.record.number);
  hash_next();
}

// What it has come to is thrown away. The thread that is at it ends soon; until then the file is
// not hashed again.
void Service::Impl::stop_hashing(Entry& entry) {
  if (!std::exchange(entry.hashing, false)) return;
  std::erase(to_hash_, entry.record.number);
  if (const auto give_up = std::exchange(entry.give_up, nullptr)) *give_up = true;
  ++entry.life;
}

void Service::Impl::hash_next() {
  for (auto next = to_hash_.begin(); hashing_ < kAtOnce && next != to_hash_.end() && !stopping_;) {
    Entry* entry = find(*next);
    // The swarm that hashes this file may be removed by now: its end is waited for, or the content
    // would be there twice for a moment, which the node refuses.
    if (entry != nullptr && hashing_paths_.contains(entry->record.path)) {
      ++next;
      continue;
    }
    to_hash_.erase(next);
    if (entry != nullptr && !entry->removing && entry->state == SwarmState::hashing) {
      hash(*entry);
    } else if (entry != nullptr) {
      entry->hashing = false;
    }
    next = to_hash_.begin();  // a failure may have called us
  }
}

void Service::Impl::hashing_ended(const std::string& path) {
  --hashing_;
  hashing_paths_.erase(path);
}

// A directory is one file first.
void Service::Impl::bundle(Entry& entry) {
  const Number number = entry.record.number;
  const std::uint64_t life = ++entry.life;
  const fs::path directory = entry.record.path, output = content_path(entry.record);
  auto building = std::make_shared<Result<BundleSummary>>();
  BundleOptions options;
  if (const auto how = how_to_hash(entry)) options.alignment = how->metadata.chunk_size;
  entry.give_up = std::make_shared<std::atomic<bool>>(false);
  options.progress = [this, give_up = entry.give_up](std::uint64_t, std::uint64_t) {
    return !background_.cancelled() && !*give_up;
  };
  ++hashing_;
  hashing_paths_.insert(entry.record.path);
  const auto build = [directory, output, options, building] {
    std::error_code ignored;
    fs::remove(output, ignored);
    *building = build_bundle(directory, output, options);
  };
  background_.run(build, [this, number, life, building, path = entry.record.path] {
    hashing_ended(path);
    Entry* found = find(number);
    if (found != nullptr && !found->removing && found->life == life &&
        found->state == SwarmState::hashing) {
      take_bundle(*found, *building);
    } else {
      std::error_code ignored;
      fs::remove(state_.bundle(number), ignored);
    }
    hash_next();
  });
}

void Service::Impl::take_bundle(Entry& entry, const Result<BundleSummary>& built) {
  if (!built) return fail_entry(entry, built.error());
  for (const std::string& name : built->left_out) {
    log(LogLevel::warning, "{}: {} is left out of the bundle", entry.record.path, name);
  }
  hash_file(entry);
}

// Only how, without what: ID, length and peers.
Result<SwarmUrl> Service::Impl::how_to_hash(const Entry& entry) const {
  if (!entry.record.url.empty()) {  // it was hashed, or fetched, before: in the same way
    auto url = SwarmUrl::parse(entry.record.url);
    if (!url) return tl::unexpected(url.error());
    url->metadata.id = {};
    url->metadata.content_length.reset();
    return *std::move(url);
  }
  const auto request = control::from_json<control::AddRequest>(entry.record.request);
  if (!request) return tl::unexpected(request.error());
  auto metadata = metadata_of(request->file.value_or(control::AddFile{}));
  if (!metadata) return tl::unexpected(metadata.error());
  metadata->authority = authority_of(*request);
  SwarmUrl url;
  url.metadata = *std::move(metadata);
  url.trackers = request->trackers;
  return url;
}

void Service::Impl::hash(Entry& entry) {
  if (entry.record.kind == SwarmKind::directory) return bundle(entry);
  hash_file(entry);
}

void Service::Impl::hash_file(Entry& entry) {
  const Number number = entry.record.number;
  const auto how = how_to_hash(entry);
  if (!how) return fail_entry(entry, how.error());
  SeedOptions options;
  options.metadata = how->metadata;
  options.trackers = how->trackers;
  options.allow_unprotected = options.metadata.integrity == IntegrityMethod::none;
  options.display_name = entry.record.name;
  options.keep_tree = fresh_tree(state_.tree(number));
  options.cancel = entry.give_up = std::make_shared<std::atomic<bool>>(false);
  options.limits = node_limits(entry.record.limits);
  options.progress = [this, number, alive = std::weak_ptr(alive_)](std::uint64_t done,
                                                                   std::uint64_t) {
    if (alive.expired()) return;
    if (Entry* found = find(number)) {
      found->hashed = done;
      events_.changed(number);
    }
  };
  const std::uint64_t life = ++entry.life;
  ++hashing_;
  hashing_paths_.insert(entry.record.path);
  node_->async_seed(content_path(entry.record), std::move(options),
                    [this, number, life, path = entry.record.path,
                     alive = std::weak_ptr(alive_)](Result<Swarm> swarm) {
                      if (alive.expired()) return;
                      hashing_ended(path);
                      hashed(number, life, std::move(swarm));
                      hash_next();
                    });
}

void Service::Impl::hashed(Number number, std::uint64_t life, Result<Swarm> swarm) {
  std::optional<SwarmUrl> url;
  std::optional<FileStamp> stamp;
  if (swarm) {
    url = swarm->url();
    stamp = swarm->file_stamp();
    swarm->leave();  // it is served as what sleeps when nobody wants it, and not before its time
  }
  std::error_code ignored;
  Entry* entry = find(number);
  if (entry != nullptr && entry->life == life) {
    entry->hashing = false;
    entry->give_up.reset();
  }
  const bool wanted = entry != nullptr && !entry->removing && entry->life == life &&
                      entry->state == SwarmState::hashing;
  if (!wanted) {
    fs::remove(fresh_tree(state_.tree(number)), ignored);
    return;
  }
  if (swarm) return take_hashed(*entry, *url, stamp);
  fs::remove(fresh_tree(state_.tree(number)), ignored);
  fail_entry(*entry, swarm.error());
}

void Service::Impl::take_hashed(Entry& entry, const SwarmUrl& url,
                                const std::optional<FileStamp>& stamp) {
  SwarmRecord& record = entry.record;
  const std::string id = url.metadata.id.to_hex();
  const fs::path tree = state_.tree(record.number);
  std::error_code error;
  const Entry* other = find_id(id);
  if (!record.id.empty() && record.id != id) {
    fs::remove(fresh_tree(tree), error);
    return fail_entry(
        entry, {Errc::content_changed,
                fmt::format("{} has changed: its content is another swarm now ({}). To publish it, "
                            "remove this swarm and add the file again; or put the old content back "
                            "and resume",
                            record.path, id)});
  }
  if (other != nullptr && other != &entry) {
    fs::remove(fresh_tree(tree), error);
    return fail_entry(
        entry, {Errc::exists, fmt::format("{} has the same content as swarm {} ({})", record.path,
                                          other->record.number, other->record.path)});
  }
  fs::rename(fresh_tree(tree), tree, error);
  if (error) {
    return fail_entry(entry, {Errc::io, fmt::format("{}: {}", tree.string(), error.message())});
  }
  const bool again = record.complete;
  set_id(entry, url);
  record.tree = tree.string();
  record.stamp = stamp;
  record.complete = true;
  if (!record.completed_at) record.completed_at = seconds_since_1970();
  // The row first: what was told to be complete is complete after a crash as well.
  save(entry, [this, number = record.number, life = entry.life, again](const Result<void>& saved) {
    Entry* found = find(number);
    if (found == nullptr || found->life != life || found->state != SwarmState::hashing) return;
    if (!saved) return fail_entry(*found, saved.error());
    begin(*found);
    if (!again) events_.tell({.type = "completed", .swarm = describe(*found)});
  });
}

}  // namespace ppspp::daemon
