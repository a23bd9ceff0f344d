// Limits of the whole daemon, bans, and a configuration that changes.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/log.h"
#include "control/json.h"
#include "schedule.h"
#include "service_impl.h"
#include "service_tools.h"

namespace ppspp::daemon {

using control::SwarmKind;

namespace {

// So much of a disk stays free: a full one hurts more than a download that waits.
constexpr std::uint64_t kReserve = std::uint64_t{64} << 20;
// What the window of a live swarm takes that says nothing else.
constexpr std::uint64_t kLiveWindow = std::uint64_t{32} << 20;

control::GlobalLimits configured(const Config& config) {
  control::GlobalLimits limits;
  limits.upload = config.limits.upload;
  limits.download = config.limits.download;
  limits.upload_per_peer = config.limits.upload_per_peer;
  limits.download_per_peer = config.limits.download_per_peer;
  return limits;
}

// What was set through the API, and the configuration's limits of then.
std::string limits_text(const control::GlobalLimits& set, const Config& config) {
  return control::to_json(set) + "\n" + control::to_json(configured(config));
}

Error no_network(const std::string& text) {
  return {Errc::invalid_argument,
          fmt::format("'{}' is no network: write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32", text)};
}

}  // namespace

// --- Rates

void Service::Impl::load_limits(const std::string& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string::npos) return;
  const auto set = control::from_json<control::GlobalLimits>(text.substr(0, end));
  if (!set) return;
  if (text.substr(end + 1) == control::to_json(configured(config_))) {
    api_limits_ = *set;
  } else {
    log(LogLevel::warning,
        "the limits of the configuration have changed: they hold in place of "
        "those that were set while ppsppd ran");
  }
}

control::GlobalLimits Service::Impl::limits() const {
  control::GlobalLimits limits = api_limits_.value_or(configured(config_));
  limits.schedule.clear();
  limits.upload_now = limits.upload;
  limits.download_now = limits.download;
  if (const ScheduleEntry* entry = schedule_now(config_.schedule)) {
    limits.schedule = entry->name;
    if (entry->upload) limits.upload_now = *entry->upload;
    if (entry->download) limits.download_now = *entry->download;
  }
  return limits;
}

// Cheap enough for every second: schedules begin on the minute.
void Service::Impl::apply_limits() {
  const control::GlobalLimits now = limits();
  if (applied_limits_ == now) return;
  const bool told = applied_limits_.has_value();
  if (told && applied_limits_->schedule != now.schedule) {
    log(LogLevel::info, "{}",
        now.schedule.empty() ? "no schedule is in force any more"
                             : fmt::format("the schedule '{}' is in force", now.schedule));
  }
  applied_limits_ = now;
  node_->set_limits(now.upload_now, now.download_now);
  node_->set_peer_limits({now.upload_per_peer, now.download_per_peer});
  if (told) events_.tell({.type = "limits", .message = control::to_json(now)});
}

void Service::Impl::set_limits(const control::LimitsChange& change,
                               Done<control::GlobalLimits> done) {
  const auto before = api_limits_;
  control::GlobalLimits set = control::apply(api_limits_.value_or(configured(config_)), change);
  set.schedule.clear();
  set.upload_now.reset();
  set.download_now.reset();
  api_limits_ = set;
  apply_limits();
  catalogue_->put_setting(kLimitsSetting, limits_text(set, config_),
                          [this, before, done = std::move(done)](const Result<void>& put) {
                            if (put) return done(limits());
                            api_limits_ = before;
                            apply_limits();
                            done(tl::unexpected(put.error()));
                          });
}

// --- Bans

void Service::Impl::load_bans(std::vector<BanRecord> bans) {
  for (BanRecord& ban : bans) {
    const std::string network = ban.network;
    bans_.emplace(network, std::move(ban));
  }
  drop_expired_bans();
  for (const auto& [network, ban] : bans_) apply_ban(ban);
}

void Service::Impl::apply_ban(const BanRecord& ban) {
  const auto network = Network::parse(ban.network);
  if (!network) return;
  std::optional<Microseconds> duration;
  if (ban.until) {
    duration = std::chrono::seconds(std::max<std::int64_t>(1, *ban.until - seconds_since_1970()));
  }
  node_->ban(*network, duration);
}

std::vector<control::BanInfo> Service::Impl::bans() const {
  std::vector<control::BanInfo> result;
  const std::int64_t now = seconds_since_1970();
  for (const auto& [network, ban] : bans_) {
    if (!ban.until || *ban.until > now) result.push_back({network, ban.reason, false, ban.until});
  }
  for (const Ban& ban : node_->bans()) {
    if (!ban.automatic) continue;
    control::BanInfo info;
    info.network = ban.network.to_string();
    info.reason = "faults";
    info.automatic = true;
    if (ban.remaining) {
      info.until = now + std::chrono::duration_cast<std::chrono::seconds>(*ban.remaining).count();
    }
    result.push_back(std::move(info));
  }
  return result;
}

void Service::Impl::ban(const control::BanRequest& request, Done<control::BanInfo> done) {
  const auto network = Network::parse(request.network);
  if (!network) return refuse(no_network(request.network), std::move(done));
  BanRecord record;
  record.network = network->to_string();
  record.reason = request.reason;
  if (request.seconds) {
    const auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max());
    record.until =
        seconds_since_1970() + static_cast<std::int64_t>(std::min(*request.seconds, most));
  }
  const auto had = bans_.find(record.network);
  const std::optional<BanRecord> before =
      had == bans_.end() ? std::nullopt : std::optional(had->second);
  bans_[record.network] = record;
  apply_ban(record);
  catalogue_->put_ban(
      record, [this, record, before, done = std::move(done)](const Result<void>& put) {
        if (!put) {
          bans_.erase(record.network);
          if (const auto parsed = Network::parse(record.network)) node_->unban(*parsed);
          if (before) {
            bans_[record.network] = *before;
            apply_ban(*before);
          }
          return done(tl::unexpected(put.error()));
        }
        events_.tell({.type = "peer_banned", .message = record.network + " " + record.reason});
        done(control::BanInfo{record.network, record.reason, false, record.until});
      });
}

void Service::Impl::unban(const std::string& name, Done<void> done) {
  const auto network = Network::parse(name);
  if (!network) return refuse(no_network(name), std::move(done));
  const std::string key = network->to_string();
  const bool automatic = node_->unban(*network);
  if (bans_.erase(key) == 0) {
    if (automatic) return asio::post(io_, [done = std::move(done)] { done({}); });
    return refuse(Error{Errc::not_found, fmt::format("{} is not banned", key)}, std::move(done));
  }
  catalogue_->erase_ban(key, std::move(done));
}

void Service::Impl::drop_expired_bans() {
  const std::int64_t now = seconds_since_1970();
  for (auto ban = bans_.begin(); ban != bans_.end();) {
    if (!ban->second.until || *ban->second.until > now) {
      ++ban;
      continue;
    }
    catalogue_->erase_ban(ban->first, {});
    ban = bans_.erase(ban);
  }
}

// --- Room

Result<void> Service::Impl::room_for_one_more() const {
  if (entries_.size() < config_.node.max_swarms) return {};
  return fail(Errc::no_space,
              fmt::format("there are {} swarms, and no more are allowed: remove some, or raise "
                          "max_swarms in [node]",
                          entries_.size()));
}

Result<void> Service::Impl::room_in_memory(std::uint64_t window) const {
  if (!config_.limits.memory) return {};
  std::uint64_t used = std::max(window, kLiveWindow);
  for (const auto kind : {SwarmKind::live, SwarmKind::feed}) {
    const auto counts = counts_.find(kind);
    if (counts == counts_.end()) continue;
    for (const auto& [state, count] : counts->second) used += count * kLiveWindow;
  }
  if (used <= *config_.limits.memory) return {};
  return fail(Errc::no_space,
              "the windows of so many live swarms do not fit the memory that is "
              "allowed: remove some, or raise memory in [limits]");
}

Result<void> Service::Impl::room_on_disk(const std::filesystem::path& path,
                                         std::uint64_t octets) const {
  // What has been fetched of it stands on the disk already.
  const std::uint64_t there = allocated_octets(path);
  const std::uint64_t needed = octets - std::min(octets, there);
  const std::uint64_t free = free_space(path);
  if (needed == 0 || free >= kReserve + needed) return {};
  return fail(Errc::no_space,
              fmt::format("{}: {} MiB are needed and {} MiB are free, of which {} stay so: make "
                          "room and resume",
                          path.string(), (needed >> 20) + 1, free >> 20, kReserve >> 20));
}

bool Service::Impl::is_in_state(const SwarmRecord& record) const {
  return record.fetched && record.path.starts_with(content_prefix_);
}

// What all of them come to when they are complete, and readers on demand with them, against what is
// allowed. Not what is on the disk now: two that fit one by one may not fit together.
Result<void> Service::Impl::room_in_state(std::uint64_t octets, const Entry* but) const {
  if (!config_.limits.disk) return {};
  const std::uint64_t most = *config_.limits.disk;
  std::uint64_t left = most;
  const auto take = [&left](std::uint64_t more) { left -= std::min(left, more); };
  for (const auto& [number, entry] : entries_) {
    const SwarmRecord& record = entry->record;
    if (entry.get() == but || record.kind != SwarmKind::download || !record.fetched) continue;
    if (!entry->on_demand && !is_in_state(record)) continue;
    if (record.stamp) {
      take(record.stamp->size);
    } else if (entry->swarm) {
      take(entry->swarm->url().metadata.content_length.value_or(0));
    } else if (const auto url = SwarmUrl::parse(record.url)) {
      take(url->metadata.content_length.value_or(0));
    }
  }
  if (octets <= left) return {};
  return fail(Errc::no_space,
              fmt::format("it has {} MiB, and of the {} MiB that downloads without an output and "
                          "readers of the gateway may take {} MiB are left: name an output, remove "
                          "some, or raise disk in [limits]",
                          (octets >> 20) + 1, most >> 20, left >> 20));
}

Result<void> Service::Impl::room_for_download(const SwarmRecord& record,
                                              const std::optional<std::uint64_t>& length) const {
  if (is_in_state(record)) {
    if (const auto room = room_in_state(length.value_or(0)); !room) return room;
  }
  return length ? room_on_disk(record.path, *length) : Result<void>();
}

// --- A new configuration

void Service::Impl::reload(const Config& config) {
  const bool limits_changed = configured(config) != configured(config_);
  const bool access_changed = config.access != config_.access;
  Config now = config;  // but for what needs a restart
  now.node = config_.node;
  now.node.max_swarms = config.node.max_swarms;
  now.state = config_.state;
  now.tracker = config_.tracker;
  config_ = std::move(now);
  if (limits_changed && api_limits_) {
    api_limits_.reset();
    catalogue_->put_setting(kLimitsSetting, "", {});
    log(LogLevel::warning,
        "the limits of the configuration have changed: they hold in place of "
        "those that were set while ppsppd ran");
  }
  if (access_changed) {
    if (auto rules = rules_of(config_.access)) {
      node_->set_address_rules(*std::move(rules));
    } else {
      log(LogLevel::error, "the access rules stay as they were: {}", rules.error().context);
    }
  }
  apply_limits();
}

}  // namespace ppspp::daemon
