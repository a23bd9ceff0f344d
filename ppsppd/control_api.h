// The HTTP interface of the daemon: /v1 over the service, as in ppsppd-api(7).
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

#include "config.h"
#include "http/http_server.h"
#include "service.h"

namespace ppspp::daemon {

// Opens the control socket as configured. A group that does not exist, or that the socket cannot be
// given to, is a warning in the log: the socket then belongs to the group of the process.
Result<void> listen_control(http::Server& server, const Config::Control& control);

class ControlApi {
 public:
  ControlApi(boost::asio::io_context& io, Service& service);
  ~ControlApi();  // ends what is being streamed
  ControlApi(const ControlApi&) = delete;
  ControlApi& operator=(const ControlApi&) = delete;

  // For http::Server. What is not below /v1 goes to `other`.
  void handle(std::shared_ptr<http::Exchange> exchange);
  void set_other(std::function<void(std::shared_ptr<http::Exchange>)> other);
  std::size_t subscribers() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace ppspp::daemon
