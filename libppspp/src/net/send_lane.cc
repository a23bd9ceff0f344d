#include "net/send_lane.h"

#include <poll.h>

#include <utility>

namespace ppspp {
namespace {

constexpr int kLookUpMs = 20;  // while the socket is full: how soon we see that we are to end

}  // namespace

SendLane::SendLane(UdpSocket* v4, UdpSocket* v6, std::function<void()> on_news)
    : v4_(v4), v6_(v6), on_news_(std::move(on_news)) {
  thread_.emplace("ppspp-send");
}

bool SendLane::idle() const {
  const std::lock_guard lock(mutex_);
  return !busy_;
}

bool SendLane::take(std::unique_ptr<SendQueue>& queue) {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = busy_;
    if (busy_) return false;
    busy_ = true;
    queue_.swap(queue);
  }
  thread_->run([this] { send(); });
  return true;
}

void SendLane::finish() {
  ending_ = true;
  thread_.reset();
}

UdpCounters SendLane::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

void SendLane::report(const SendQueue::TooBig& too_big) {
  std::vector<Refusal> refusals;
  {
    const std::lock_guard lock(mutex_);
    refusals.swap(refusals_);
  }
  for (const Refusal& refusal : refusals) too_big(refusal.to, refusal.size);
}

// On the lane's thread, which has the queue to itself.
void SendLane::send() {
  UdpCounters counters;
  std::vector<Refusal> refusals;
  const auto refused = [&refusals](const TransportAddress& to, std::size_t size) {
    refusals.push_back({to, size});
  };
  while (queue_->send(v4_, v6_, counters, refused) == SendQueue::Status::would_block) {
    if (!wait_writable()) break;
  }
  queue_->clear();

  bool news = !refusals.empty();
  {
    const std::lock_guard lock(mutex_);
    busy_ = false;
    add(counters_, counters);
    refusals_.insert(refusals_.end(), refusals.begin(), refusals.end());
    news |= std::exchange(wanted_, false);
  }
  if (news) on_news_();
}

// False: the lane is to end.
bool SendLane::wait_writable() const {
  const UdpSocket* const socket = queue_->front().to.is_v4() ? v4_ : v6_;
  pollfd writable = {socket->fd(), POLLOUT, 0};
  while (!ending_ && poll(&writable, 1, kLookUpMs) <= 0) {
  }
  return !ending_;
}

void add(UdpCounters& sum, const UdpCounters& more) {
  sum.receive_calls += more.receive_calls;
  sum.send_calls += more.send_calls;
  sum.datagrams_in += more.datagrams_in;
  sum.datagrams_out += more.datagrams_out;
  sum.would_block += more.would_block;
  sum.send_errors += more.send_errors;
  sum.too_big += more.too_big;
  sum.trains_split += more.trains_split;
}

}  // namespace ppspp
