// All trackers of a node. A swarm is announced to each of its trackers, one connection and one
// registration per tracker for all swarms; the failure of one is nothing to the others.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/tracker_link.h"
#include "ppspp/random_source.h"
#include "ppspp/result.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/tracker_status.h"

namespace ppspp {

class Trackers {
 public:
  static constexpr std::size_t kMaxTrackers = 100;
  static constexpr std::size_t kMaxTrackersPerSwarm = 10;

  Trackers(boost::asio::io_context& io, TrackerSink sink);
  ~Trackers();
  Trackers(const Trackers&) = delete;
  Trackers& operator=(const Trackers&) = delete;

  // For all swarms from now on, besides their own. `ca`: whose certificates are good, besides the
  // system's; or empty. Errors: a URL that is none, a file without certificates.
  Result<void> configure(const std::vector<std::string>& urls, const std::filesystem::path& ca);

  // To the trackers for all and to `urls`, of which those that make no sense are left out with a
  // word in the log.
  void announce(const SwarmId& swarm, const std::vector<std::string>& urls,
                const tracker::Client::Membership& membership);
  void set_wants_peers(const SwarmId& swarm, bool wants_peers);
  void set_mode(const SwarmId& swarm, tracker::PeerMode mode);
  void leave(const SwarmId& swarm);
  // The last swarm was left: says so at once. The io_context has something to do until that is
  // done, or the tracker does not answer (TrackerLink::kCloseTimeout), also when we are gone. What
  // is announced from now on is a new registration.
  void close();

  bool empty() const { return links_.empty(); }
  std::vector<TrackerStatus> status() const;
  std::vector<TrackerStatus> status(const SwarmId& swarm) const;
  // Of all trackers that there ever were.
  TrackerCounters counters() const;

 private:
  using Link = std::shared_ptr<TrackerLink>;

  std::vector<tracker::Url> urls_of(const std::vector<std::string>& urls) const;
  TrackerLink* link_to(const tracker::Url& url);
  std::shared_ptr<TrackerTrust> trust_for(const tracker::Url& url);
  template <typename Command>
  void for_each_of(const SwarmId& swarm, Command command);
  void remember(const TrackerLink& link);
  const std::vector<tracker::PeerAddress>& own_addresses();

  boost::asio::io_context& io_;
  std::shared_ptr<const TrackerSink> sink_;
  std::shared_ptr<RandomSource> random_;
  std::vector<tracker::Url> for_all_;
  std::filesystem::path ca_;
  std::shared_ptr<TrackerTrust> trust_;  // loaded when it is needed first
  std::vector<Link> links_;
  TrackerCounters gone_;                         // of those that were dropped
  std::vector<tracker::PeerAddress> addresses_;  // ours
  TimePoint addresses_until_ = TimePoint::min();
};

}  // namespace ppspp
