// Rates, totals and accounts: once a second, of what is awake. Ten thousand swarms that sleep cost
// nothing here.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "service_impl.h"
#include "service_tools.h"

namespace ppspp::daemon {

using control::SwarmState;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kTick = std::chrono::seconds(1);
constexpr auto kWriteInterval = std::chrono::seconds(5);   // at most so much is lost in a crash
constexpr auto kCheckInterval = std::chrono::minutes(10);  // of the files on the disk
constexpr auto kIdle = std::chrono::seconds(60);           // then a complete swarm is hosted

// A counter of the node begins anew when its swarm does.
std::uint64_t growth(std::uint64_t& counted, std::uint64_t now) {
  const std::uint64_t more = now >= counted ? now - counted : now;
  counted = now;
  return more;
}

}  // namespace

void Service::Impl::start_ticking() {
  const auto now = Clock::now();
  next_write_ = now + kWriteInterval;
  next_check_ = now;
  tick();
}

void Service::Impl::tick() {
  if (stopping_) return;
  const auto now = Clock::now();
  std::set<Number> awake;
  for (const Swarm& swarm : node_->awake()) {
    Entry* entry = find_id(swarm.url().metadata.id.to_hex());
    if (entry == nullptr || !entry->swarm) continue;
    awake.insert(entry->record.number);
    if (entry->state == SwarmState::opening) set_state(*entry, SwarmState::downloading);
  }
  // What has fallen asleep since is measured once more.
  awake_.merge(std::set<Number>(awake));
  for (const Number number : std::exchange(awake_, std::move(awake))) {
    if (Entry* entry = find(number); entry != nullptr && entry->swarm) measure(*entry, now);
  }
  const Totals more = std::exchange(since_tick_, {});
  upload_rate_.add(more.uploaded, now);
  download_rate_.add(more.downloaded, now);
  open_scheduled();
  apply_limits();
  drop_idle_on_demand(now);
  if (now >= next_check_) check_files();
  if (now >= next_write_) {
    next_write_ = now + kWriteInterval;
    drop_expired_bans();
    write_totals();
  }
  ticker_.expires_at(std::max(ticker_.expiry() + kTick, now + kTick / 2));
  ticker_.async_wait([this, alive = std::weak_ptr(alive_)](const error_code& error) {
    if (!error && !alive.expired()) tick();
  });
}

void Service::Impl::measure(Entry& entry, Clock::time_point now) {
  const SwarmStatus status = entry.swarm->status();
  const Totals before = entry.record.totals;
  count(entry, status);
  const std::uint64_t up = entry.record.totals.uploaded - before.uploaded;
  const std::uint64_t down = entry.record.totals.downloaded - before.downloaded;
  entry.upload_rate.add(up, now);
  entry.download_rate.add(down, now);
  const std::size_t channels = status.channels;
  if (up != 0 || down != 0 || channels != entry.channels) events_.changed(entry.record.number);
  entry.channels = channels;
  if (!entry.length_known && status.content_length) {
    entry.length_known = true;
    const bool counts = is_in_state(entry.record) || entry.on_demand;
    const auto room = counts && !entry.record.complete
                          ? room_in_state(*status.content_length, &entry)
                          : Result<void>();
    if (!room) return fail_entry(entry, room.error());
  }
  if (status.content_changed) {
    return fail_entry(
        entry,
        {Errc::content_changed,
         entry.record.path + " is not what was hashed any more, and is not served: put the old "
                             "content back and resume, or remove this swarm and add the file "
                             "again"});
  }
  if (channels > 0 || entry.swarm->readers() > 0 || entry.readers > 0) entry.idle_since = now;
  // What began as a download, or was just hashed, is not one that sleeps by itself.
  const bool joined = entry.state == SwarmState::seeding && !entry.hosted && !entry.on_demand;
  if (joined && now - entry.idle_since >= kIdle) host_when_idle(entry);
}

// What has come since the last time, to the totals and the account of the day.
void Service::Impl::count(Entry& entry, const SwarmStatus& status) {
  const Totals more = {growth(entry.counted.uploaded, status.uploaded_bytes),
                       growth(entry.counted.downloaded, status.downloaded_bytes),
                       growth(entry.counted.rejected, status.chunks_rejected)};
  if (more == Totals{}) return;
  const auto add = [&more](Totals& to) {
    to.uploaded += more.uploaded;
    to.downloaded += more.downloaded;
    to.rejected += more.rejected;
  };
  const std::string today = day_of(seconds_since_1970());
  if (entry.day != today) {
    if (!entry.day.empty() && dirty_.contains(entry.record.number)) {
      finished_days_.push_back(totals_update(entry));
    }
    entry.day = today;
    entry.of_day = {};
  }
  add(entry.record.totals);
  add(entry.of_day);
  add(all_time_);
  since_tick_.uploaded += more.uploaded;
  since_tick_.downloaded += more.downloaded;
  dirty_.insert(entry.record.number);
}

// With what has come since the last tick.
Totals Service::Impl::totals_now() const {
  Totals totals = all_time_;
  const auto more = [](std::uint64_t counted, std::uint64_t is) {
    return is - std::min(is, counted);
  };
  for (const Swarm& swarm : node_->awake()) {
    const Entry* entry = find_id(swarm.url().metadata.id.to_hex());
    if (entry == nullptr || !entry->swarm) continue;
    const SwarmStatus status = swarm.status();
    totals.uploaded += more(entry->counted.uploaded, status.uploaded_bytes);
    totals.downloaded += more(entry->counted.downloaded, status.downloaded_bytes);
  }
  return totals;
}

TotalsUpdate Service::Impl::totals_update(const Entry& entry) const {
  const SwarmRecord& record = entry.record;
  return {record.number, record.totals,
          control::AccountEntry{record.number, record.id, record.name, record.label, entry.day,
                                entry.of_day.uploaded, entry.of_day.downloaded}};
}

void Service::Impl::write_totals() {
  for (const Number number : std::exchange(unsaved_, {})) {
    if (Entry* entry = find(number); entry != nullptr && !entry->removing) save(*entry);
  }
  if (dirty_.empty() && finished_days_.empty()) return;
  std::vector<TotalsUpdate> updates = std::exchange(finished_days_, {});
  std::set<Number> written = std::exchange(dirty_, {});
  for (const Number number : written) {
    if (const Entry* entry = find(number)) updates.push_back(totals_update(*entry));
  }
  catalogue_->put_totals(updates, [this, written](const Result<void>& put) {
    if (put) {
      told_disk_trouble_ = false;
      return;
    }
    for (const Number number : written) {
      if (find(number) != nullptr) dirty_.insert(number);
    }
    tell_disk_trouble(put.error());
  });
  catalogue_->put_setting(kUploadedSetting, std::to_string(all_time_.uploaded), {});
  catalogue_->put_setting(kDownloadedSetting, std::to_string(all_time_.downloaded), {});
}

// Once, not every few seconds.
void Service::Impl::tell_disk_trouble(const Error& error) {
  if (std::exchange(told_disk_trouble_, true)) return;
  log(LogLevel::error, "the catalogue cannot be written, and changes are refused until it can: {}",
      error.context);
}

// --- Files

void Service::Impl::check_files() {
  next_check_ = Clock::now() + kCheckInterval;
  std::vector<FileWatch::File> files;
  for (const auto& [number, entry] : entries_) {
    const SwarmRecord& record = entry->record;
    if (record.complete && holds_path(record) && entry->state == SwarmState::seeding) {
      const bool bundle = record.kind == control::SwarmKind::directory;
      files.push_back({number, content_path(record), record.stamp,
                       bundle ? record.path : std::string(), !entry->warning.empty()});
    }
  }
  if (files.empty()) return;
  watch_->look(std::move(files), [this](const std::vector<FileWatch::Finding>& findings) {
    for (const FileWatch::Finding& finding : findings) file_seen(finding);
  });
}

// Said once.
void Service::Impl::warn(Entry& entry, std::string warning) {
  if (entry.warning == warning) return;
  if (!warning.empty()) {
    log(LogLevel::warning, "swarm {} ({}): {}", entry.record.number, entry.record.name, warning);
  }
  entry.warning = std::move(warning);
  events_.changed(entry.record.number);
}

void Service::Impl::file_seen(const FileWatch::Finding& finding) {
  Entry* entry = find(finding.number);
  if (entry == nullptr || entry->state != SwarmState::seeding) return;
  switch (finding.sight) {
    case FileWatch::Sight::as_it_was:
      return warn(*entry, "");
    case FileWatch::Sight::touched:
      return warn(*entry, "written since it was hashed: each chunk is checked before it is sent");
    case FileWatch::Sight::outdated:
      return warn(*entry, fmt::format("the directory has changed ({}), and is served as it was: to "
                                      "publish it as it is, remove this swarm and add it again",
                                      finding.reason));
    case FileWatch::Sight::changed:
      return fail_entry(*entry, {Errc::content_changed,
                                 entry->record.path +
                                     " has another length than when it was hashed, and is not "
                                     "served: put the old content back and resume, or remove this "
                                     "swarm and add the file again"});
    case FileWatch::Sight::gone:
      return fail_entry(
          *entry, {Errc::not_found, finding.reason + ": put it back and resume, or remove this "
                                                     "swarm"});
  }
}

}  // namespace ppspp::daemon
