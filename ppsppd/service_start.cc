// How the service begins and ends, and what it takes to the disk.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "live_feeder.h"
#include "log_ring.h"
#include "service_impl.h"
#include "service_tools.h"

namespace ppspp::daemon {

using control::SwarmState;

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kNumbersAhead = 100;  // are kept as used, for swarms on demand

Result<NodeOptions> node_options(const Config& config, std::vector<int> sockets) {
  NodeOptions options;
  options.listen = config.node.listen;
  options.max_channels = config.node.max_channels;
  options.max_channels_per_swarm = config.node.max_channels_per_swarm;
  options.max_half_open = config.node.max_half_open;
  options.max_queued_chunks_per_peer = config.node.max_queued_chunks_per_peer;
  options.upload_limit = config.limits.upload;
  options.download_limit = config.limits.download;
  options.per_peer = {config.limits.upload_per_peer, config.limits.download_per_peer};
  options.sockets = std::move(sockets);
  options.discovery.local = config.discovery.local;
  options.discovery.local_means = config.discovery.local_by;
  options.discovery.pex = config.discovery.pex;
  options.discovery.pex_on_internet = config.discovery.pex_on_internet;
  options.trackers = config.tracker.urls;
  options.tracker_ca = config.tracker.ca;
  options.threads = config.node.threads;
  auto rules = rules_of(config.access);
  if (!rules) return tl::unexpected(rules.error());
  options.rules = *std::move(rules);
  return options;
}

void close_all(const std::vector<int>& sockets) {
  for (const int socket : sockets) ::close(socket);
}

}  // namespace

Result<std::unique_ptr<Service>> Service::start(asio::io_context& io, const Config& config,
                                                std::vector<int> udp_sockets) {
  auto state = StateDirectory::open(config.state.directory);
  if (!state) {
    close_all(udp_sockets);
    return tl::unexpected(state.error());
  }
  auto opened = Catalogue::open(io, state->catalogue(), day_of(seconds_since_1970()));
  if (!opened) {
    close_all(udp_sockets);
    return tl::unexpected(opened.error());
  }
  if (!opened->warning.empty()) log(LogLevel::error, "{}", opened->warning);
  auto options = node_options(config, std::move(udp_sockets));
  if (!options) return tl::unexpected(options.error());
  auto node = Node::open(io, *options);
  if (!node) return tl::unexpected(node.error());
  CatalogueContent content = std::move(opened->content);
  auto impl = std::make_unique<Impl>(io, config, *std::move(state), std::move(opened->catalogue),
                                     *std::move(node));
  impl->load(std::move(content));
  return std::unique_ptr<Service>(new Service(std::move(impl)));
}

Service::Impl::Impl(asio::io_context& io, const Config& config, StateDirectory state,
                    std::unique_ptr<Catalogue> catalogue, Node node)
    : io_(io),
      config_(config),
      state_(std::move(state)),
      catalogue_(std::move(catalogue)),
      node_(std::move(node)),
      events_(io,
              [this](Number number) -> std::optional<SwarmInfo> {
                const Entry* entry = find(number);
                if (entry == nullptr || entry->removing) return std::nullopt;
                return describe(*entry);
              }),
      ticker_(io),
      started_at_(seconds_since_1970()),
      watch_(std::make_unique<FileWatch>(io)),
      background_(io) {
  std::error_code error;
  const fs::path content = fs::weakly_canonical(state_.content(), error);
  content_prefix_ = (error ? state_.content() : content).string() + "/";
  log_ring().set_observer([this, alive = std::weak_ptr(alive_)](const LogLine& line) {
    asio::post(io_, [this, alive, line] {
      if (alive.expired()) return;
      events_.tell({.type = "log",
                    .message = line.message,
                    .level = std::string(to_string(line.level)),
                    .at = line.at});
    });
  });
}

// The order of the ends: nobody is told anything any more; swarms are left; what they have still
// changed is written.
Service::Impl::~Impl() {
  log_ring().set_observer({});
  events_.stop();
  stopping_ = true;
  for (auto& [number, entry] : entries_) end(*entry);
  write_totals();
  alive_.reset();
  watch_.reset();
  entries_.clear();
  node_.reset();
  catalogue_.reset();
}

void Service::Impl::load(CatalogueContent content) {
  next_number_ = content.next_number;
  reserved_ = next_number_;
  for (const auto& [name, value] : content.settings) {
    if (name == kUploadedSetting) all_time_.uploaded = std::strtoull(value.c_str(), nullptr, 10);
    if (name == kDownloadedSetting) {
      all_time_.downloaded = std::strtoull(value.c_str(), nullptr, 10);
    }
    if (name == kLimitsSetting) load_limits(value);
  }
  load_bans(std::move(content.bans));
  remove_strays(content.swarms);
  by_path_.reserve(content.swarms.size());
  for (SwarmRecord& record : content.swarms) insert(std::move(record));
  const std::string today = day_of(seconds_since_1970());
  for (const control::AccountEntry& account : content.today) {
    if (Entry* entry = find(account.number)) {
      entry->day = today;
      entry->of_day = {account.uploaded, account.downloaded, 0};
    }
  }
  for (const auto& [number, entry] : entries_) {
    // What failed is tried again, but for files: they are known to be others than those hashed.
    if (!entry->record.complete) entry->record.error.clear();
    begin(*entry);
  }
  apply_limits();
  start_ticking();
}

// Of swarms that were removed, or never came to be, when the daemon was killed.
void Service::Impl::remove_strays(const std::vector<SwarmRecord>& swarms) {
  std::unordered_set<std::string> known;
  known.reserve(swarms.size());
  for (const SwarmRecord& record : swarms) {
    known.insert(state_.tree(record.number).filename().string());
    if (record.kind == control::SwarmKind::directory) {
      known.insert(state_.bundle(record.number).filename().string());
    }
  }
  for (const char* place : {"trees", "bundles"}) {
    std::error_code error;
    std::vector<fs::path> stray;
    for (const auto& file : fs::directory_iterator(state_.path() / place, error)) {
      if (!known.contains(file.path().filename().string())) stray.push_back(file.path());
    }
    for (const fs::path& file : stray) fs::remove(file, error);
  }
}

void Service::Impl::save(Entry& entry, Catalogue::Done done) {
  const Number number = entry.record.number;
  if (entry.on_demand) {
    if (done) asio::post(io_, [done = std::move(done)] { done({}); });
    return;
  }
  if (entry.removing) {  // a row behind its removal would bring it back
    const Error error{Errc::left, "it is being removed"};
    if (done) asio::post(io_, [done = std::move(done), error] { done(tl::unexpected(error)); });
    return;
  }
  catalogue_->put(entry.record, [this, number, done = std::move(done)](const Result<void>& put) {
    if (!put) {
      if (find(number) != nullptr) unsaved_.insert(number);
      tell_disk_trouble(put.error());
    }
    if (done) done(put);
  });
}

Service::Impl::Number Service::Impl::take_number() {
  const Number number = next_number_++;
  return number;
}

// Numbers of swarms on demand stand in no row: they are kept as used a hundred at a time.
Service::Impl::Number Service::Impl::take_passing_number() {
  const Number number = take_number();
  if (number >= reserved_) {
    reserved_ = number + kNumbersAhead;
    catalogue_->keep_numbers(reserved_, {});
  }
  return number;
}

void Service::Impl::stop(std::function<void()> done) {
  if (stopping_) {
    asio::post(io_, std::move(done));
    return;
  }
  stopping_ = true;
  ticker_.cancel();
  watch_.reset();
  for (auto& [number, entry] : entries_) end(*entry);
  write_totals();
  // Behind everything that is queued.
  catalogue_->put_setting(kUploadedSetting, std::to_string(all_time_.uploaded),
                          [done = std::move(done)](const Result<void>&) { done(); });
}

}  // namespace ppspp::daemon
