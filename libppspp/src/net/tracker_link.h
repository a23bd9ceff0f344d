// One tracker: the conversation with it, and the connection over which it is held.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/tracker_http.h"
#include "ppspp/random_source.h"
#include "ppspp/tracker_status.h"
#include "tracker/client.h"
#include "tracker/url.h"

namespace ppspp {

// What the trackers ask of, and tell to, the node that they work for. None of it may destroy them.
struct TrackerSink {
  // Of swarms in which something goes on, a bounded number.
  std::function<std::vector<tracker::StreamStats>()> stats;
  // Where peers reach us, as far as we know.
  std::function<std::vector<TransportAddress>()> addresses;
  std::function<void(const SwarmId&, const std::vector<TransportAddress>&)> peers_found;
  std::function<void(const SwarmId&, const std::vector<tracker::Octets>&)> certificates_issued;
};

class TrackerLink : public std::enable_shared_from_this<TrackerLink> {
 public:
  TrackerLink(boost::asio::io_context& io, const tracker::Url& url,
              std::shared_ptr<TrackerTrust> trust, std::shared_ptr<const TrackerSink> sink,
              std::shared_ptr<RandomSource> random);
  TrackerLink(const TrackerLink&) = delete;
  TrackerLink& operator=(const TrackerLink&) = delete;

  // After each command to the client: what follows from it happens in a turn of its own.
  tracker::Client& client() { return client_; }
  const tracker::Client& client() const { return client_; }
  void kick();

  // Leaves all swarms, and lives until that is done, whoever drops it; or until the tracker has not
  // answered for kCloseTimeout, or kLongestClose is over. The sink is not used any more.
  static constexpr Microseconds kCloseTimeout{2'000'000};
  static constexpr Microseconds kLongestClose{10'000'000};
  void close();

  // No swarm, nothing under way: it can be dropped.
  bool unused() const;
  TrackerStatus status() const;
  const std::string& url() const { return url_; }

 private:
  void pump();
  void wait_for_goodbye();
  void post(std::string body);
  void on_outcome(const TrackerHttp::Outcome& outcome);
  void dispatch_events();
  void on_peers(const tracker::PeersFound& found);
  void arm_timer();
  void note_state();

  boost::asio::io_context& io_;
  std::string url_;
  std::shared_ptr<const TrackerSink> sink_;
  std::shared_ptr<RandomSource> random_;
  tracker::Client client_;
  TrackerHttp http_;
  boost::asio::steady_timer timer_;
  bool kicked_ = false;
  bool failing_ = false;                   // as the log says
  boost::asio::steady_timer close_timer_;  // its handler owns us while we close
  boost::asio::steady_timer::time_point close_at_most_;
};

}  // namespace ppspp
