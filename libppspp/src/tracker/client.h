// A peer's side of its conversation with one tracker (RFC 7846), without I/O: time, randomness and
// replies go in; requests, peers and certificates come out. One registration, under one peer ID,
// for all swarms that are announced to this tracker.
//
// One request is under way at a time. Thousands of swarms cost little: those that need no peers are
// announced a hundred in a CONNECT, a few times a second; afterwards one STAT_REPORT at an interval
// keeps all of them registered, since the tracker's timer is that of the peer (2.3). Swarms that
// need peers go first, a few in a CONNECT, and ask again with FIND, ever more seldom.
//
// When the tracker does not answer, the same request goes again (4.3) after a pause that doubles,
// with jitter, and is never shorter than a Retry-After; a tracker that has forgotten us is told
// everything again. Not for several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ppspp/random_source.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/time.h"
#include "ppspp/tracker_status.h"
#include "tracker/message.h"

namespace ppspp::tracker {

struct ClientOptions {
  // Between two STAT_REPORTs, where the tracker does not say it.
  Microseconds report_interval{120'000'000};
};

using Failure = TrackerFailure;

struct HttpReply {
  unsigned status = 200;
  std::string body;
  std::optional<Microseconds> retry_after;
};

struct PeersFound {
  SwarmId swarm;
  std::vector<PeerInfo> peers;  // without us
};
struct CertificatesIssued {
  SwarmId swarm;
  std::vector<Octets> certificates;  // ours, in DER
};
using ClientEvent = std::variant<PeersFound, CertificatesIssued>;

class Client {
 public:
  static constexpr std::size_t kMaxUrgentActions = 16;  // in a CONNECT that asks for peers
  static constexpr std::size_t kMaxQuietActions = 100;  // in one that does not
  static constexpr Microseconds kQuietPause{250'000};   // between two of those
  static constexpr Microseconds kMinPause{2'000'000};   // after a failure
  static constexpr Microseconds kMaxPause{300'000'000};
  static constexpr Microseconds kMaxRetryAfter{3'600'000'000};
  static constexpr Microseconds kRefusedPause{600'000'000};  // of a swarm, or of everything
  static constexpr int kMaxRepeats = 3;                      // of a request as it stands
  static constexpr Microseconds kMinFindPause{5'000'000};
  static constexpr Microseconds kGoodFindPause{30'000'000};  // after a list that had somebody
  static constexpr Microseconds kMaxFindPause{300'000'000};
  // Everything is said again: a tracker that was started again between two of our CONNECTs has
  // forgotten what came before, and nothing else would show it.
  static constexpr Microseconds kRefresh{1'800'000'000};
  static constexpr Microseconds kMinInterval{10'000'000};
  static constexpr Microseconds kMaxInterval{3'600'000'000};

  // `random` outlives the client.
  Client(std::string peer_id, const ClientOptions& options, RandomSource& random);

  // Where peers reach us, as far as we know: told with each CONNECT.
  void set_addresses(std::vector<PeerAddress> addresses);

  struct Membership {
    PeerMode mode = PeerMode::leech;
    bool wants_peers = true;
    bool wants_certificate = false;  // with each JOIN, also those that repeat it (kRefresh)
    std::string url_options = {};    // SwarmAction::url_options
    friend bool operator==(const Membership&, const Membership&) = default;
  };
  // Announces the swarm, or what has changed of it.
  void join(const SwarmId& swarm, const Membership& membership, TimePoint now);
  // For swarms that are announced; else nothing happens.
  void set_wants_peers(const SwarmId& swarm, bool wants_peers, TimePoint now);
  void set_mode(const SwarmId& swarm, PeerMode mode, TimePoint now);
  void leave(const SwarmId& swarm, TimePoint now);
  // Leaves all swarms, as fast as the tracker answers, and gives up at the first failure.
  void close(TimePoint now);
  bool closed() const;  // and everything was said, or given up

  // Whether the next request will be a STAT_REPORT: then poll_request() takes statistics.
  bool reports_next(TimePoint now) const;
  // The body of the next request, if it is time for one. `stats`: of the swarms in which something
  // goes on; at most kMaxQuietActions of them are said.
  std::optional<std::string> poll_request(TimePoint now, std::vector<StreamStats> stats = {});
  // What came of it: exactly one of these for each request.
  void handle_reply(const HttpReply& reply, TimePoint now);
  void handle_failure(Failure failure, std::string_view problem, TimePoint now);

  std::optional<ClientEvent> poll_event();
  // When poll_request() may have one. In the past: at once. kNever: not before something changes.
  TimePoint deadline() const;

  bool request_under_way() const { return sent_.has_value(); }
  bool knows(const SwarmId& swarm) const { return swarms_.contains(swarm); }
  bool announced(const SwarmId& swarm) const;
  bool closing() const { return closing_; }
  // Without its URL.
  TrackerStatus status(TimePoint now) const;
  const TrackerCounters& counters() const { return counters_; }

 private:
  enum class Queue : std::uint8_t { none, quiet, urgent };

  struct Swarm {
    Membership wanted;
    bool leaving = false;
    std::optional<PeerMode> said;  // what the tracker knows
    bool uncertain = false;        // it may know of it: a JOIN left, and no answer came yet
    Queue queue = Queue::none;     // in which its name counts
    bool finding = false;          // in finds_
    TimePoint wake_at = kNever;    // in timed_: ask for peers, or announce a refused one again
    TimePoint listed_at = TimePoint::min();
    Microseconds find_pause = kMinFindPause;
  };
  using Swarms = std::map<SwarmId, Swarm>;

  struct Sent {
    Request request;
    std::vector<std::pair<SwarmId, SwarmAction>> actions;  // of a CONNECT
    SwarmId found;                                         // of a FIND
    int repeats = 0;
  };

  void enqueue(const SwarmId& id, Swarm& swarm);
  void schedule(const SwarmId& id, Swarm& swarm, TimePoint at);
  void plan_find(const SwarmId& id, Swarm& swarm, TimePoint earliest);
  void expire(TimePoint now);
  std::optional<Sent> next_request(TimePoint now, std::vector<StreamStats>& stats);
  std::optional<Sent> connect(Queue kind, std::size_t most);
  std::optional<Sent> leave_batch();
  std::optional<Sent> find();
  Sent report(std::vector<StreamStats>& stats);
  Sent make(std::variant<Connect, Find, StatReport> data);
  std::string send(Sent sent);
  bool report_due(TimePoint now) const { return announced_ > 0 && now >= report_at_; }
  bool has_urgent() const { return !urgent_.empty() || !finds_.empty(); }

  void fail_with(Failure failure, std::string problem, std::optional<Microseconds> pause,
                 bool repeat, TimePoint now);
  void handle_error(const Response& response, const HttpReply& reply, Sent sent, TimePoint now);
  void handle_success(Response& response, const Sent& sent, TimePoint now);
  void forgotten(TimePoint now);
  void on_action(const std::pair<SwarmId, SwarmAction>& action, bool accepted, TimePoint now);
  void on_listed(const SwarmId& id, TimePoint now);
  void on_result(SwarmResult& result);
  void refresh(TimePoint now);
  void requeue(const Sent& sent);
  void set_said(Swarm& swarm, std::optional<PeerMode> mode);
  Microseconds jittered(Microseconds pause, std::uint64_t percent_least,
                        std::uint64_t percent_most);

  std::string peer_id_;
  ClientOptions options_;
  RandomSource& random_;
  std::vector<PeerAddress> addresses_;

  Swarms swarms_;
  std::deque<SwarmId> urgent_;  // to be announced; those that want peers
  std::deque<SwarmId> quiet_;   // and the others, and those to be left
  std::deque<SwarmId> finds_;
  std::set<std::pair<TimePoint, SwarmId>> timed_;
  std::size_t announced_ = 0;  // swarms with `said`
  bool closing_ = false;
  bool gave_up_ = false;  // closing

  std::optional<Sent> sent_;    // under way
  std::optional<Sent> repeat_;  // to be sent again as it stands
  TimePoint not_before_ = TimePoint::min();
  TimePoint quiet_at_ = TimePoint::min();
  TimePoint report_at_ = kNever;
  TimePoint refresh_at_ = kNever;
  Microseconds interval_;
  int failures_in_a_row_ = 0;
  int times_forgotten_ = 0;  // in a row
  bool answered_ = false;
  std::string problem_;
  Failure failure_ = Failure::unreachable;
  std::deque<ClientEvent> events_;
  TrackerCounters counters_;
};

}  // namespace ppspp::tracker
