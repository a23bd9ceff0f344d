#include "net/trackers.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "crypto/system_random.h"
#include "net/clock.h"

namespace ppspp {
namespace {

void add(TrackerCounters& sum, const TrackerCounters& more) {
  sum.connects += more.connects;
  sum.finds += more.finds;
  sum.stat_reports += more.stat_reports;
  sum.peers += more.peers;
  for (std::size_t i = 0; i < kTrackerFailures; ++i) sum.failures[i] += more.failures[i];
}

TimePoint now() {
  return read_clocks().monotonic;
}

}  // namespace

Trackers::Trackers(boost::asio::io_context& io, TrackerSink sink)
    : io_(io),
      sink_(std::make_shared<const TrackerSink>(std::move(sink))),
      random_(make_system_random()) {}

Trackers::~Trackers() = default;

Result<void> Trackers::configure(const std::vector<std::string>& urls,
                                 const std::filesystem::path& ca) {
  std::vector<tracker::Url> parsed;
  for (const std::string& text : urls) {
    auto url = tracker::Url::parse(text);
    if (!url) return tl::unexpected(url.error());
    parsed.push_back(*std::move(url));
  }
  if (!ca.empty()) {
    auto trust = TrackerTrust::load(ca);
    if (!trust) return tl::unexpected(trust.error());
    trust_ = *std::move(trust);
    ca_ = ca;
  }
  for_all_ = std::move(parsed);
  return {};
}

std::vector<tracker::Url> Trackers::urls_of(const std::vector<std::string>& urls) const {
  std::vector<tracker::Url> all = for_all_;
  for (const std::string& text : urls) {
    auto url = tracker::Url::parse(text);
    if (!url) {
      log(LogLevel::warning, "{}", url.error().context);
    } else if (std::find(all.begin(), all.end(), *url) == all.end()) {
      all.push_back(*std::move(url));
    }
  }
  if (all.size() > kMaxTrackersPerSwarm) {
    log(LogLevel::warning, "a swarm has more than {} trackers: only the first are asked",
        kMaxTrackersPerSwarm);
    all.resize(kMaxTrackersPerSwarm);
  }
  return all;
}

std::shared_ptr<TrackerTrust> Trackers::trust_for(const tracker::Url& url) {
  if (!url.tls || trust_) return trust_;
  if (auto trust = TrackerTrust::load(ca_)) trust_ = *std::move(trust);
  return trust_;
}

TrackerLink* Trackers::link_to(const tracker::Url& url) {
  const std::string text = url.to_string();
  const auto found = std::find_if(links_.begin(), links_.end(),
                                  [&](const Link& link) { return link->url() == text; });
  if (found != links_.end()) return found->get();
  std::erase_if(links_, [this](const Link& link) {
    if (!link->unused()) return false;
    remember(*link);
    return true;
  });
  const auto trust = trust_for(url);
  if (links_.size() >= kMaxTrackers || (url.tls && !trust)) {
    log(LogLevel::warning, "no announcement to {}: {}", text,
        links_.size() >= kMaxTrackers ? "too many trackers" : "no certificates can be checked");
    return nullptr;
  }
  return links_.emplace_back(std::make_shared<TrackerLink>(io_, url, trust, sink_, random_)).get();
}

void Trackers::announce(const SwarmId& swarm, const std::vector<std::string>& urls,
                        const tracker::Client::Membership& membership) {
  for (const tracker::Url& url : urls_of(urls)) {
    TrackerLink* const link = link_to(url);
    if (link == nullptr) continue;
    link->client().set_addresses(own_addresses());
    link->client().join(swarm, membership, now());
    link->kick();
  }
}

// The interfaces are looked at once for many swarms.
const std::vector<tracker::PeerAddress>& Trackers::own_addresses() {
  const TimePoint time = now();
  if (time < addresses_until_) return addresses_;
  addresses_until_ = time + std::chrono::seconds(10);
  addresses_.clear();
  for (const TransportAddress& address : sink_->addresses()) {
    addresses_.push_back({.address = address,
                          .priority = 1,
                          .type = tracker::AddressType::host,
                          .peer_protocol = std::string(tracker::kPeerProtocol)});
  }
  return addresses_;
}

template <typename Command>
void Trackers::for_each_of(const SwarmId& swarm, Command command) {
  for (const Link& link : links_) {
    if (!link->client().knows(swarm)) continue;
    command(link->client());
    link->kick();
  }
}

void Trackers::set_wants_peers(const SwarmId& swarm, bool wants_peers) {
  for_each_of(swarm, [&](auto& client) { client.set_wants_peers(swarm, wants_peers, now()); });
}

void Trackers::set_mode(const SwarmId& swarm, tracker::PeerMode mode) {
  for_each_of(swarm, [&](auto& client) { client.set_mode(swarm, mode, now()); });
}

void Trackers::leave(const SwarmId& swarm) {
  for_each_of(swarm, [&](auto& client) { client.leave(swarm, now()); });
}

void Trackers::close() {
  for (const Link& link : std::exchange(links_, {})) {
    remember(*link);
    link->close();
  }
}

void Trackers::remember(const TrackerLink& link) {
  add(gone_, link.client().counters());
}

std::vector<TrackerStatus> Trackers::status() const {
  std::vector<TrackerStatus> all;
  all.reserve(links_.size());
  for (const Link& link : links_) all.push_back(link->status());
  return all;
}

std::vector<TrackerStatus> Trackers::status(const SwarmId& swarm) const {
  std::vector<TrackerStatus> all;
  for (const Link& link : links_) {
    if (!link->client().knows(swarm)) continue;
    all.push_back(link->status());
    all.back().knows_swarm = link->client().announced(swarm);
  }
  return all;
}

TrackerCounters Trackers::counters() const {
  TrackerCounters sum = gone_;
  for (const Link& link : links_) add(sum, link->client().counters());
  return sum;
}

}  // namespace ppspp
