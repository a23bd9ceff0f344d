#include "event_hub.h"

#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>
#include <vector>

namespace ppspp::daemon {
namespace {

constexpr auto kChangeInterval = std::chrono::milliseconds(500);

}  // namespace

std::int64_t seconds_since_1970() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

EventHub::EventHub(boost::asio::io_context& io, Describe describe)
    : io_(io), timer_(io), describe_(std::move(describe)) {}

unsigned EventHub::subscribe(Handler handler) {
  handlers_.emplace(++last_, std::move(handler));
  return last_;
}

void EventHub::unsubscribe(unsigned subscription) {
  handlers_.erase(subscription);
}

void EventHub::tell(control::Event event) {
  if (!watched()) return;
  if (event.at == 0) event.at = seconds_since_1970();
  queue_.push_back(std::move(event));
  if (queue_.size() > kMostQueued) queue_.pop_front();
  schedule();
}

void EventHub::changed(std::uint64_t number) {
  if (!watched()) return;
  changed_.insert(number);
  if (std::exchange(timing_, true)) return;
  timer_.expires_after(kChangeInterval);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (!error && !alive.expired()) tell_changes();
  });
}

void EventHub::stop() {
  alive_.reset();
  timer_.cancel();
  handlers_.clear();
  queue_.clear();
}

void EventHub::tell_changes() {
  timing_ = false;
  for (const std::uint64_t number : std::exchange(changed_, {})) {
    auto swarm = describe_(number);
    if (swarm) tell({.type = "changed", .swarm = std::move(swarm)});
  }
}

void EventHub::schedule() {
  if (std::exchange(scheduled_, true)) return;
  boost::asio::post(io_, [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) deliver();
  });
}

// A handler may subscribe, unsubscribe and cause events.
void EventHub::deliver() {
  scheduled_ = false;
  for (const control::Event& event : std::exchange(queue_, {})) {
    std::vector<unsigned> subscribers;
    for (const auto& [subscription, handler] : handlers_) subscribers.push_back(subscription);
    for (const unsigned subscription : subscribers) {
      const auto found = handlers_.find(subscription);
      if (found == handlers_.end()) continue;
      const Handler handler = found->second;
      handler(event);
    }
  }
}

}  // namespace ppspp::daemon
