// Hands events to those who watch, never from within the call that caused them. What changes often
// is told at most twice a second for each swarm.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "control/control_types.h"

namespace ppspp::daemon {

class EventHub {
 public:
  using Handler = std::function<void(const control::Event&)>;
  // A swarm as it is now; absent: it is gone.
  using Describe = std::function<std::optional<control::SwarmInfo>(std::uint64_t number)>;
  // Events that wait for their turn; the oldest are dropped beyond it.
  static constexpr std::size_t kMostQueued = 10'000;

  EventHub(boost::asio::io_context& io, Describe describe);

  unsigned subscribe(Handler handler);
  void unsubscribe(unsigned subscription);
  bool watched() const { return !handlers_.empty(); }

  void tell(control::Event event);
  void changed(std::uint64_t number);
  void stop();  // nobody is told anything any more

 private:
  void schedule();
  void deliver();
  void tell_changes();

  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  Describe describe_;
  std::map<unsigned, Handler> handlers_;
  unsigned last_ = 0;
  std::deque<control::Event> queue_;
  std::set<std::uint64_t> changed_;
  bool scheduled_ = false;
  bool timing_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

std::int64_t seconds_since_1970();

}  // namespace ppspp::daemon
