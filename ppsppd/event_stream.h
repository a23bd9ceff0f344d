// One who watches the events: server-sent events over one exchange.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "control/control_types.h"
#include "http/http_server.h"

namespace ppspp::daemon {

class EventStream : public std::enable_shared_from_this<EventStream> {
 public:
  // Who is more events behind is told so (`lagging`) and cut.
  static constexpr std::size_t kMostBehind = 1'000;

  EventStream(boost::asio::io_context& io, std::shared_ptr<http::Exchange> exchange);

  // `gone` is called once, when nobody watches any more.
  void start(std::function<void()> gone);
  void send(const control::Event& event);
  void end();

 private:
  void write_next();
  void written(bool ok);
  void beat();
  void close();

  std::shared_ptr<http::Exchange> exchange_;
  boost::asio::steady_timer heartbeat_;
  std::deque<std::string> queue_;
  std::string writing_;
  std::function<void()> gone_;
  bool busy_ = false;
  bool ending_ = false;  // after what is queued
  bool closed_ = false;
};

}  // namespace ppspp::daemon
