#include "tracker/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/overloaded.h"
#include "tracker/codec.h"

namespace ppspp::tracker {

Client::Client(std::string peer_id, const ClientOptions& options, RandomSource& random)
    : peer_id_(std::move(peer_id)),
      options_(options),
      random_(random),
      interval_(options.report_interval) {
  PPSPP_ASSERT(!peer_id_.empty() && peer_id_.size() <= kMaxIdSize);
}

void Client::set_addresses(std::vector<PeerAddress> addresses) {
  if (addresses.size() > kMaxPeerAddresses) addresses.resize(kMaxPeerAddresses);
  addresses_ = std::move(addresses);
}

// --- What is to be announced

void Client::join(const SwarmId& id, const Membership& membership, TimePoint now) {
  if (closing_) return;
  Swarm& swarm = swarms_[id];
  const bool as_before = swarm.said && !swarm.leaving && swarm.wanted == membership;
  swarm.leaving = false;
  swarm.wanted = membership;
  if (!as_before) {
    schedule(id, swarm, kNever);
    enqueue(id, swarm);
  } else {
    plan_find(id, swarm, now);
  }
}

void Client::set_wants_peers(const SwarmId& id, bool wants_peers, TimePoint now) {
  const auto found = swarms_.find(id);
  if (found == swarms_.end() || found->second.leaving) return;
  Swarm& swarm = found->second;
  if (swarm.wanted.wants_peers == wants_peers) return;
  swarm.wanted.wants_peers = wants_peers;
  if (!swarm.said) {  // the CONNECT that is to come asks, if it goes with those that do
    if (swarm.queue != Queue::none) enqueue(id, swarm);
  } else if (wants_peers) {
    swarm.find_pause = kMinFindPause;
    plan_find(id, swarm, now);
  } else {
    schedule(id, swarm, kNever);
  }
}

void Client::set_mode(const SwarmId& id, PeerMode mode, TimePoint) {
  const auto found = swarms_.find(id);
  if (found == swarms_.end() || found->second.leaving) return;
  Swarm& swarm = found->second;
  if (swarm.wanted.mode == mode) return;
  swarm.wanted.mode = mode;
  enqueue(id, swarm);
}

void Client::leave(const SwarmId& id, TimePoint) {
  const auto found = swarms_.find(id);
  if (found == swarms_.end()) return;
  Swarm& swarm = found->second;
  schedule(id, swarm, kNever);
  swarm.leaving = true;
  if (swarm.said || swarm.uncertain) return enqueue(id, swarm);
  swarms_.erase(found);  // stale names in the queues are stepped over
}

void Client::close(TimePoint) {
  if (std::exchange(closing_, true)) return;
  urgent_.clear();
  quiet_.clear();
  finds_.clear();
  timed_.clear();
  repeat_.reset();
  not_before_ = TimePoint::min();
  gave_up_ = failures_in_a_row_ > 0;
  for (auto& [id, swarm] : swarms_) {
    swarm.leaving = true;
    swarm.wake_at = kNever;
    swarm.queue = Queue::quiet;
    if (!gave_up_) quiet_.push_back(id);
  }
}

bool Client::closed() const {
  return closing_ && quiet_.empty() && (!sent_ || gave_up_);
}

void Client::enqueue(const SwarmId& id, Swarm& swarm) {
  const bool urgent = swarm.wanted.wants_peers && !swarm.leaving && !swarm.said;
  const Queue wanted = urgent ? Queue::urgent : Queue::quiet;
  if (swarm.queue >= wanted) return;
  swarm.queue = wanted;
  (urgent ? urgent_ : quiet_).push_back(id);
}

void Client::schedule(const SwarmId& id, Swarm& swarm, TimePoint at) {
  if (swarm.wake_at != kNever) timed_.erase({swarm.wake_at, id});
  swarm.wake_at = at;
  if (at != kNever) timed_.insert({at, id});
}

// Asks for peers not before `earliest`, nor sooner than the pause after the last list.
void Client::plan_find(const SwarmId& id, Swarm& swarm, TimePoint earliest) {
  if (!swarm.wanted.wants_peers || !swarm.said || swarm.leaving || swarm.finding) return;
  if (swarm.wake_at != kNever) return;
  const TimePoint after_last = swarm.listed_at == TimePoint::min()
                                   ? earliest
                                   : swarm.listed_at + jittered(swarm.find_pause, 75, 125);
  schedule(id, swarm, std::max(earliest, after_last));
}

void Client::expire(TimePoint now) {
  while (!timed_.empty() && timed_.begin()->first <= now) {
    const SwarmId id = timed_.begin()->second;
    timed_.erase(timed_.begin());
    Swarm& swarm = swarms_.at(id);
    swarm.wake_at = kNever;
    if (!swarm.said) {
      enqueue(id, swarm);
    } else if (!std::exchange(swarm.finding, true)) {
      finds_.push_back(id);
    }
  }
}

// --- Requests

bool Client::reports_next(TimePoint now) const {
  return !sent_ && !repeat_ && !closing_ && now >= not_before_ && urgent_.empty() &&
         report_due(now);
}

std::optional<std::string> Client::poll_request(TimePoint now, std::vector<StreamStats> stats) {
  if (sent_ || now < not_before_) return std::nullopt;
  if (repeat_) return send(*std::exchange(repeat_, std::nullopt));
  auto next = next_request(now, stats);
  if (!next) return std::nullopt;
  return send(*std::move(next));
}

std::optional<Client::Sent> Client::next_request(TimePoint now, std::vector<StreamStats>& stats) {
  if (closing_) return leave_batch();
  expire(now);
  if (announced_ > 0 && now >= refresh_at_) refresh(now);
  if (auto urgent = connect(Queue::urgent, kMaxUrgentActions)) return urgent;
  if (report_due(now)) return report(stats);
  if (auto found = find()) return found;
  if (now < quiet_at_) return std::nullopt;
  auto quiet = connect(Queue::quiet, kMaxQuietActions);
  if (quiet) quiet_at_ = now + kQuietPause;
  return quiet;
}

std::optional<Client::Sent> Client::connect(Queue kind, std::size_t most) {
  std::deque<SwarmId>& queue = kind == Queue::urgent ? urgent_ : quiet_;
  Connect data{.addresses = addresses_};
  if (kind == Queue::urgent) data.peer_num = PeerNum{.peer_count = kMaxPeerCount};
  std::vector<std::pair<SwarmId, SwarmAction>> actions;
  while (!queue.empty() && actions.size() < most) {
    const SwarmId id = std::move(queue.front());
    queue.pop_front();
    const auto found = swarms_.find(id);
    if (found == swarms_.end() || found->second.queue != kind) continue;
    Swarm& swarm = found->second;
    swarm.queue = Queue::none;
    if (swarm.leaving && !swarm.said && !swarm.uncertain) {
      swarms_.erase(found);
      continue;
    }
    SwarmAction action{
        .swarm_id = id.to_hex(),
        .action = swarm.leaving ? Action::leave : Action::join,
        .mode = swarm.leaving ? swarm.said.value_or(swarm.wanted.mode) : swarm.wanted.mode};
    swarm.uncertain |= !swarm.leaving;
    if (!swarm.leaving) action.url_options = swarm.wanted.url_options;
    if (swarm.wanted.wants_certificate && !swarm.leaving) action.certificate_request.emplace();
    data.actions.push_back(action);
    actions.emplace_back(id, std::move(action));
  }
  if (actions.empty()) return std::nullopt;
  Sent sent = make(std::move(data));
  sent.actions = std::move(actions);
  return sent;
}

void Client::refresh(TimePoint now) {
  refresh_at_ = now + jittered(kRefresh, 75, 125);
  for (auto& [id, swarm] : swarms_) {
    if (swarm.said) enqueue(id, swarm);
  }
}

// What was never announced needs not be left, but for a join that may have arrived.
std::optional<Client::Sent> Client::leave_batch() {
  auto sent = connect(Queue::quiet, kMaxQuietActions);
  if (sent) std::get<Connect>(sent->request.data).addresses.clear();
  return sent;
}

std::optional<Client::Sent> Client::find() {
  while (!finds_.empty()) {
    const SwarmId id = std::move(finds_.front());
    finds_.pop_front();
    const auto found = swarms_.find(id);
    if (found == swarms_.end()) continue;
    Swarm& swarm = found->second;
    swarm.finding = false;
    if (!swarm.wanted.wants_peers || !swarm.said || swarm.leaving) continue;
    Sent sent = make(Find{id.to_hex(), PeerNum{.peer_count = kMaxPeerCount}});
    sent.found = id;
    return sent;
  }
  return std::nullopt;
}

Client::Sent Client::report(std::vector<StreamStats>& stats) {
  if (stats.size() > kMaxQuietActions) stats.resize(kMaxQuietActions);
  return make(StatReport{std::move(stats)});
}

Client::Sent Client::make(std::variant<Connect, Find, StatReport> data) {
  return {.request = {fmt::format("{:016x}", random_.next_u64()), peer_id_, std::move(data)}};
}

std::string Client::send(Sent sent) {
  std::visit(overloaded{[&](const Connect&) { ++counters_.connects; },
                        [&](const Find&) { ++counters_.finds; },
                        [&](const StatReport&) { ++counters_.stat_reports; }},
             sent.request.data);
  sent_ = std::move(sent);
  return to_json(sent_->request);
}

// --- What can be asked

std::optional<ClientEvent> Client::poll_event() {
  if (events_.empty()) return std::nullopt;
  ClientEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

TimePoint Client::deadline() const {
  if (sent_) return kNever;
  if (repeat_) return not_before_;
  TimePoint next = kNever;
  if (has_urgent() || (closing_ && !quiet_.empty())) next = TimePoint::min();
  if (!quiet_.empty()) next = std::min(next, quiet_at_);
  if (announced_ > 0 && !closing_) next = std::min({next, report_at_, refresh_at_});
  if (!timed_.empty()) next = std::min(next, timed_.begin()->first);
  return next == kNever ? kNever : std::max(next, not_before_);
}

bool Client::announced(const SwarmId& id) const {
  const auto found = swarms_.find(id);
  return found != swarms_.end() && found->second.said && !found->second.leaving;
}

TrackerStatus Client::status(TimePoint now) const {
  TrackerStatus status{.problem = problem_,
                       .failure = failure_,
                       .swarms = swarms_.size(),
                       .announced = announced_,
                       .counters = counters_};
  if (failures_in_a_row_ > 0) {
    status.state = TrackerState::failing;
  } else if (swarms_.empty()) {
    status.state = TrackerState::idle;
  } else {
    status.state = answered_ ? TrackerState::working : TrackerState::registering;
  }
  const TimePoint next = deadline();
  if (next != kNever) status.next_in = std::max(next, now) - now;
  return status;
}

void Client::set_said(Swarm& swarm, std::optional<PeerMode> mode) {
  if (swarm.said && !mode) --announced_;
  if (!swarm.said && mode) ++announced_;
  swarm.said = mode;
}

Microseconds Client::jittered(Microseconds pause, std::uint64_t percent_least,
                              std::uint64_t percent_most) {
  const auto percent =
      static_cast<Microseconds::rep>(percent_least + random_.below(percent_most - percent_least));
  return pause / 100 * percent;
}

}  // namespace ppspp::tracker
