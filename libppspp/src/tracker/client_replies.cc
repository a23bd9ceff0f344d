// What comes back from the tracker, or does not.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/assert.h"
#include "metadata/text.h"
#include "tracker/client.h"
#include "tracker/codec.h"

namespace ppspp::tracker {
namespace {

std::string describe(const Response& response) {
  const auto name = to_string(response.error);
  return response.message.empty() ? std::string(name)
                                  : fmt::format("{}: {}", name, quoted(response.message));
}

// What another request, or another day, may change. The others need another peer or tracker.
bool is_temporary(ErrorCode code) {
  return code == ErrorCode::internal_error || code == ErrorCode::service_unavailable;
}

}  // namespace

void Client::handle_reply(const HttpReply& reply, TimePoint now) {
  PPSPP_ASSERT(sent_);
  auto response = read_response(reply.body);
  if (!response) {
    const bool status = reply.status / 100 != 2;
    return fail_with(status ? Failure::http : Failure::bad_response,
                     status ? fmt::format("HTTP status {}", reply.status)
                            : fmt::format("its answer makes no sense: {}", response.error()),
                     reply.retry_after, true, now);
  }
  if (response->transaction_id != sent_->request.transaction_id &&
      !(response->error != ErrorCode::none && response->transaction_id.empty())) {
    return fail_with(Failure::bad_response, "its answer is for another request", {}, true, now);
  }
  if (response->interval) {
    interval_ = std::clamp(Microseconds(std::chrono::seconds(*response->interval)), kMinInterval,
                           kMaxInterval);
  }
  Sent sent = *std::exchange(sent_, std::nullopt);
  if (response->error != ErrorCode::none) {
    return handle_error(*response, reply, std::move(sent), now);
  }
  failures_in_a_row_ = 0;
  answered_ = true;
  problem_.clear();
  handle_success(*response, sent, now);
}

void Client::handle_failure(Failure failure, std::string_view problem, TimePoint now) {
  PPSPP_ASSERT(sent_);
  fail_with(failure, std::string(problem), {}, true, now);
}

// `pause`: what the tracker asks for. `repeat`: the same request again, since it may not have been
// seen, or the answer was none (4.3).
void Client::fail_with(Failure failure, std::string problem, std::optional<Microseconds> pause,
                       bool repeat, TimePoint now) {
  ++counters_.failures[static_cast<std::size_t>(failure)];
  problem_ = std::move(problem);
  failure_ = failure;
  const int doublings = std::min(failures_in_a_row_++, 10);
  const Microseconds own = jittered(std::min(kMinPause * (1 << doublings), kMaxPause), 50, 150);
  const Microseconds asked = std::min(pause.value_or(Microseconds(0)), kMaxRetryAfter);
  not_before_ = now + std::max(own, jittered(asked, 100, 125));
  auto sent = std::exchange(sent_, std::nullopt);
  if (closing_) {
    gave_up_ = true;
    quiet_.clear();
  } else if (sent && repeat && sent->repeats < kMaxRepeats) {
    ++sent->repeats;
    repeat_ = std::move(sent);
  } else if (sent) {
    requeue(*sent);
  }
}

// To be said later, in another request.
void Client::requeue(const Sent& sent) {
  for (const auto& [id, action] : sent.actions) {
    if (const auto found = swarms_.find(id); found != swarms_.end()) enqueue(id, found->second);
  }
  const auto found = swarms_.find(sent.found);
  if (found != swarms_.end()) plan_find(sent.found, found->second, not_before_);
}

void Client::handle_error(const Response& response, const HttpReply& reply, Sent sent,
                          TimePoint now) {
  const bool connects = std::holds_alternative<Connect>(sent.request.data);
  sent_ = std::move(sent);
  const bool unknown_to_it = response.error == ErrorCode::forbidden_action && !connects;
  if (unknown_to_it && !closing_) {
    requeue(*std::exchange(sent_, std::nullopt));
    return forgotten(now);
  }
  if (is_temporary(response.error)) {
    return fail_with(Failure::refused, describe(response), reply.retry_after, true, now);
  }
  // Something about these swarms: the others go on.
  if (response.error == ErrorCode::bad_request || response.error == ErrorCode::forbidden_action) {
    const Sent refused = *std::exchange(sent_, std::nullopt);
    fail_with(Failure::refused, describe(response), reply.retry_after, false, now);
    for (const auto& action : refused.actions) on_action(action, false, now);
    return;
  }
  fail_with(Failure::refused, describe(response),
            std::max(reply.retry_after.value_or(kRefusedPause), kRefusedPause), false, now);
}

// A FIND or STAT_REPORT of a peer that is not registered is a forbidden action (2.3.2): the tracker
// was started again, or took us for dead. At once the first time, then ever slower.
void Client::forgotten(TimePoint now) {
  ++counters_.failures[static_cast<std::size_t>(Failure::refused)];
  for (auto& [id, swarm] : swarms_) {
    set_said(swarm, std::nullopt);
    swarm.uncertain = false;
    schedule(id, swarm, kNever);
    enqueue(id, swarm);
  }
  report_at_ = kNever;
  const int doublings = std::min(times_forgotten_++, 8);
  not_before_ =
      now + jittered(doublings == 0 ? kMinPause / 2 : kMinPause * (1 << doublings), 0, 100);
}

void Client::handle_success(Response& response, const Sent& sent, TimePoint now) {
  report_at_ = now + jittered(interval_, 80, 100);  // any request keeps us alive (2.3.1)
  if (std::holds_alternative<StatReport>(sent.request.data)) times_forgotten_ = 0;
  if (refresh_at_ == kNever) refresh_at_ = now + jittered(kRefresh, 75, 125);
  std::map<std::string_view, bool> accepted;
  for (const SwarmResult& result : response.results) {
    accepted.emplace(result.swarm_id, result.successful);
  }
  for (const auto& action : sent.actions) {
    const auto result = accepted.find(action.second.swarm_id);
    on_action(action, result == accepted.end() || result->second, now);
  }
  if (closing_) return;
  for (SwarmResult& result : response.results) on_result(result);
  for (const auto& [id, action] : sent.actions) {
    if (action.action == Action::join) on_listed(id, now);
  }
  on_listed(sent.found, now);
}

// We asked for peers, whether or not some came: again after a pause.
void Client::on_listed(const SwarmId& id, TimePoint now) {
  const auto found = swarms_.find(id);
  if (found == swarms_.end() || !found->second.wanted.wants_peers) return;
  Swarm& swarm = found->second;
  if (swarm.listed_at != TimePoint::min()) {
    swarm.find_pause = std::min(swarm.find_pause * 2, kMaxFindPause);
  }
  swarm.listed_at = now;
  plan_find(id, swarm, now);
}

void Client::on_action(const std::pair<SwarmId, SwarmAction>& action, bool accepted,
                       TimePoint now) {
  const auto found = swarms_.find(action.first);
  if (found == swarms_.end()) return;
  Swarm& swarm = found->second;
  if (action.second.action == Action::leave) {
    set_said(swarm, std::nullopt);
    swarm.uncertain = false;
    if (swarm.leaving) {
      swarms_.erase(found);
    } else {
      enqueue(action.first, swarm);
    }
    return;
  }
  swarm.uncertain = false;
  if (!accepted) {
    if (closing_ || swarm.leaving) return;
    set_said(swarm, std::nullopt);
    return schedule(action.first, swarm, now + jittered(kRefusedPause, 75, 125));
  }
  set_said(swarm, action.second.mode);
  if (closing_) return;
  if (swarm.leaving || swarm.wanted.mode != action.second.mode) enqueue(action.first, swarm);
}

void Client::on_result(SwarmResult& result) {
  const auto id = SwarmId::from_hex(result.swarm_id);
  if (!id) return;
  const auto found = swarms_.find(*id);
  if (found == swarms_.end() || found->second.leaving) return;
  if (!result.certificates.empty()) {
    events_.push_back(CertificatesIssued{*id, std::move(result.certificates)});
  }
  if (!result.successful && found->second.said) {  // of a FIND: it does not know that we are in it
    set_said(found->second, std::nullopt);
    return enqueue(*id, found->second);
  }
  if (!result.peers) return;
  std::erase_if(*result.peers, [this](const PeerInfo& peer) { return peer.peer_id == peer_id_; });
  if (result.peers->empty()) return;
  counters_.peers += result.peers->size();
  found->second.find_pause = std::max(found->second.find_pause, kGoodFindPause);
  events_.push_back(PeersFound{*id, *std::move(result.peers)});
}

}  // namespace ppspp::tracker
