// Speaks to the daemon: HTTP and JSON over its Unix socket.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "control/control_types.h"
#include "control/json.h"
#include "ppspp/result.h"

namespace ppspp::tools {

// $PPSPP_SOCKET, else /run/ppspp/control.sock.
std::filesystem::path default_control_socket();

// A part of a path: everything that has a meaning in URLs is encoded, '/' as well.
std::string encode_segment(std::string_view text);
// "/v1/swarms/REF" and what follows it. An error if `ref` cannot be a number, ID or prefix.
Result<std::string> swarm_target(std::string_view ref, std::string_view rest = "");

// One request after the other, each on a connection of its own and bounded in time and size.
//
// Errors are ready to be shown: a daemon that is not there or not ours to use, no answer in time
// (Errc::timed_out), an answer that makes no sense, or what the daemon says (with its Errc).
class ControlClient {
 public:
  using Seconds = std::chrono::duration<double>;

  explicit ControlClient(std::filesystem::path socket, Seconds limit = Seconds(15));

  // The body of the answer: JSON, or empty where there is nothing to tell (204).
  Result<std::string> get(const std::string& target) const;
  Result<std::string> post(const std::string& target, const std::string& body) const;
  Result<std::string> patch(const std::string& target, const std::string& body) const;
  Result<std::string> remove(const std::string& target) const;

  // The same, and the answer as what it is.
  template <typename T>
  Result<T> get_as(const std::string& target) const {
    return as<T>(get(target));
  }
  template <typename T>
  static Result<T> as(const Result<std::string>& body) {
    if (!body) return tl::unexpected(body.error());
    auto value = control::from_json<T>(*body);
    if (!value) return tl::unexpected(senseless(value.error().context));
    return value;
  }

  const std::filesystem::path& socket() const { return socket_; }

 private:
  Result<std::string> request(std::string_view method, const std::string& target,
                              const std::string& body) const;
  static Error senseless(const std::string& what);

  std::filesystem::path socket_;
  Seconds limit_;
};

// GET /v1/events, until it ends. The handlers are called from `io`, and not any more after the
// destructor.
class EventStream {
 public:
  struct Handlers {
    std::function<void()> on_open;  // from now on nothing is missed
    std::function<void(const control::Event&, const std::string& json)> on_event;
    std::function<void(const Error&)> on_end;  // once; the daemon closing is an error as well
  };

  EventStream(boost::asio::io_context& io, std::filesystem::path socket, Handlers handlers);
  ~EventStream();
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace ppspp::tools
