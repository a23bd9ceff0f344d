#include "net/tracker_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/log.h"
#include "net/clock.h"

namespace ppspp {
namespace {

TimePoint now() {
  return read_clocks().monotonic;
}

// A name that nobody can guess, and that says nothing of us: of 128 bits, as a UUID's (1.1).
std::string random_id(RandomSource& random) {
  const std::uint64_t high = random.next_u64();
  return fmt::format("{:016x}{:016x}", high, random.next_u64());
}

bool is_multicast(const TransportAddress& address) {
  const auto& octets = address.bytes();
  return address.is_v4() ? octets[12] >= 224 : octets[0] == 0xff;
}

}  // namespace

TrackerLink::TrackerLink(boost::asio::io_context& io, const tracker::Url& url,
                         std::shared_ptr<TrackerTrust> trust,
                         std::shared_ptr<const TrackerSink> sink,
                         std::shared_ptr<RandomSource> random)
    : io_(io),
      url_(url.to_string()),
      sink_(std::move(sink)),
      random_(std::move(random)),
      client_(random_id(*random_), {}, *random_),
      http_(io, url, std::move(trust)),
      timer_(io),
      close_timer_(io) {}

void TrackerLink::kick() {
  if (std::exchange(kicked_, true)) return;
  boost::asio::post(io_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->kicked_ = false;
    self->pump();
  });
}

void TrackerLink::close() {
  client_.close(now());
  timer_.cancel();
  close_at_most_ = std::chrono::steady_clock::now() + kLongestClose;
  wait_for_goodbye();
  pump();
}

void TrackerLink::wait_for_goodbye() {
  const auto self = shared_from_this();  // the handler of the wait before lets go of us
  close_timer_.expires_at(
      std::min(std::chrono::steady_clock::now() + kCloseTimeout, close_at_most_));
  close_timer_.async_wait([self](const boost::system::error_code&) {});
}

void TrackerLink::pump() {
  dispatch_events();
  const TimePoint time = now();
  if (!client_.request_under_way()) {
    auto stats = client_.reports_next(time) ? sink_->stats() : std::vector<tracker::StreamStats>();
    if (auto body = client_.poll_request(time, std::move(stats))) post(*std::move(body));
  }
  if (client_.closed()) {
    close_timer_.cancel();
  } else {
    arm_timer();
  }
}

void TrackerLink::post(std::string body) {
  http_.post(std::move(body), [weak = weak_from_this()](const TrackerHttp::Outcome& outcome) {
    if (const auto self = weak.lock()) self->on_outcome(outcome);
  });
}

void TrackerLink::on_outcome(const TrackerHttp::Outcome& outcome) {
  if (outcome) {
    client_.handle_reply(*outcome, now());
  } else {
    client_.handle_failure(outcome.error().failure, outcome.error().problem, now());
  }
  note_state();
  if (client_.closing()) wait_for_goodbye();
  pump();
}

void TrackerLink::dispatch_events() {
  if (client_.closing()) return;
  while (const auto event = client_.poll_event()) {
    if (const auto* found = std::get_if<tracker::PeersFound>(&*event)) {
      on_peers(*found);
    } else if (const auto* issued = std::get_if<tracker::CertificatesIssued>(&*event)) {
      sink_->certificates_issued(issued->swarm, issued->certificates);
    }
  }
}

// A tracker out there does not send us to addresses inside.
void TrackerLink::on_peers(const tracker::PeersFound& found) {
  const auto remote = http_.remote();
  const bool inside = remote && remote->is_internal();
  std::vector<TransportAddress> addresses;
  for (const tracker::PeerInfo& peer : found.peers) {
    const TransportAddress& address = peer.address.address;
    const std::string& protocol = peer.address.peer_protocol;
    if (!protocol.empty() && protocol != tracker::kPeerProtocol) continue;
    if (address.is_unspecified() || is_multicast(address)) continue;
    if (address.is_internal() && !inside) continue;
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  if (!addresses.empty()) sink_->peers_found(found.swarm, addresses);
}

void TrackerLink::arm_timer() {
  const TimePoint next = std::max(client_.deadline(), TimePoint{});
  if (next == kNever) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(std::chrono::steady_clock::time_point(next.time_since_epoch()));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (self && !error) self->pump();
  });
}

// Once when it begins, and once when it is over.
void TrackerLink::note_state() {
  const TrackerStatus status = this->status();
  const bool failing = status.state == TrackerState::failing;
  if (std::exchange(failing_, failing) == failing) return;
  if (failing && !client_.closing()) {
    log(LogLevel::warning, "{}; trying again later", describe_failure(status));
  } else if (!failing) {
    log(LogLevel::info, "the tracker at {} answers again", url_);
  }
}

bool TrackerLink::unused() const {
  return !client_.request_under_way() && client_.status(now()).swarms == 0;
}

TrackerStatus TrackerLink::status() const {
  TrackerStatus status = client_.status(now());
  status.url = url_;
  return status;
}

}  // namespace ppspp
