#include "control_client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <utility>

#include "event_parser.h"
#include "metadata/percent_coding.h"
#include "metadata/text.h"

namespace ppspp::tools {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Local = asio::local::stream_protocol;
using Stream = beast::basic_stream<Local>;
using Request = http::request<http::string_body>;
using Milliseconds = std::chrono::milliseconds;

constexpr std::chrono::seconds kSilence(60);  // the stream of events has a sign of life every 15 s
constexpr Milliseconds kPatience(15'000);     // until the stream of events begins
constexpr std::size_t kMaxSocketPath = 107;   // octets; sockaddr_un

Error timed_out() {
  return {
      Errc::timed_out,
      "the daemon does not answer: look at its log (journalctl -u ppsppd), or give it more time "
      "with --timeout"};
}

Error no_sense(std::string_view what) {
  return {Errc::io,
          fmt::format("the daemon's answer makes no sense ({}): are ppsppd and this program of the "
                      "same version, and is this its socket?",
                      what)};
}

// Why there is no connection, and what to do about it.
Error cannot_connect(const std::filesystem::path& socket, const error_code& error) {
  const std::string name = ppspp::quoted(socket.native());
  if (error == boost::system::errc::no_such_file_or_directory ||
      error == boost::system::errc::not_a_directory) {
    return {Errc::not_found,
            fmt::format("the daemon is not running, there is no socket {}: start it (systemctl "
                        "start ppsppd), or name its socket with --socket or PPSPP_SOCKET",
                        name)};
  }
  if (error == boost::system::errc::connection_refused) {
    return {
        Errc::not_found,
        fmt::format("the daemon is not running, nobody listens at {}: start it (systemctl start "
                    "ppsppd)",
                    name)};
  }
  if (error == boost::system::errc::permission_denied) {
    return {Errc::io,
            fmt::format("no permission to use {}: become a member of the group ppspp (adduser USER "
                        "ppspp, then log in again), or use sudo",
                        name)};
  }
  return {Errc::io, fmt::format("cannot connect to the daemon at {}: {}", name, error.message())};
}

Error cannot_read(const error_code& error) {
  if (error == beast::error::timeout) return timed_out();
  if (error == http::error::end_of_stream || error == http::error::partial_message ||
      error == asio::error::eof || error == asio::error::connection_reset ||
      error == asio::error::broken_pipe) {
    return {Errc::io,
            "the daemon closed the connection without an answer: look at its log (journalctl -u "
            "ppsppd)"};
  }
  return no_sense(error.message());
}

Request make_request(std::string_view method, const std::string& target, const std::string& body) {
  Request request(http::string_to_verb(beast::string_view(method.data(), method.size())), target,
                  11);
  request.set(http::field::host, "localhost");
  request.set(http::field::user_agent, "ppspp/" PPSPP_VERSION);
  request.keep_alive(false);
  if (!body.empty()) {
    request.set(http::field::content_type, "application/json");
    request.body() = body;
  }
  request.prepare_payload();
  return request;
}

// What an answer with an error status says.
Error refused(unsigned status, const std::string& body) {
  const auto error = control::error_from_json(body);
  if (error) return *error;
  return no_sense(fmt::format("status {}", status));
}

// A socket that is connected, or why not. A daemon whose queue of connections is full is waited
// for, which is why this blocks: an asynchronous connect() would take that for success.
Result<int> connect_to(const std::filesystem::path& socket, Milliseconds limit) {
  if (socket.empty() || socket.native().size() > kMaxSocketPath) {
    return fail(Errc::invalid_argument,
                fmt::format("{} cannot be a socket's path: it must have 1 to {} octets",
                            ppspp::quoted(socket.native()), kMaxSocketPath));
  }
  const auto system_error = [] { return error_code(errno, boost::system::system_category()); };
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return tl::unexpected(cannot_connect(socket, system_error()));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit);
  const timeval timeout = {.tv_sec = seconds.count(),
                           .tv_usec = std::chrono::microseconds(limit - seconds).count()};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  const Local::endpoint endpoint(socket.native());
  if (::connect(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0) return fd;
  const error_code error = system_error();
  ::close(fd);
  return tl::unexpected(error == boost::system::errc::resource_unavailable_try_again
                            ? timed_out()
                            : cannot_connect(socket, error));
}

// One request on its way. Everything is asynchronous, so that one deadline holds for all of it.
class Exchange {
 public:
  explicit Exchange(Request request) : request_(std::move(request)), stream_(io_) {
    parser_.body_limit(control::kMaxReplySize);
  }

  Result<std::string> run(int fd, Milliseconds limit) {
    stream_.socket().assign(Local(), fd);
    stream_.expires_after(limit);
    write();
    io_.run();
    if (error_) return tl::unexpected(*error_);
    const unsigned status = parser_.get().result_int();
    if (status >= 200 && status < 300) return std::move(parser_.get().body());
    return tl::unexpected(refused(status, parser_.get().body()));
  }

 private:
  // A daemon may refuse a large request before it has read all of it: its answer counts, whatever
  // became of the rest.
  void write() {
    http::async_write(stream_, request_, [this](const error_code& error, std::size_t) {
      if (error == beast::error::timeout) return void(error_ = timed_out());
      read();
    });
  }

  void read() {
    http::async_read(stream_, buffer_, parser_, [this](const error_code& error, std::size_t) {
      if (error) error_ = cannot_read(error);
    });
  }

  Request request_;
  asio::io_context io_;
  Stream stream_;
  beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  std::optional<Error> error_;
};

}  // namespace

std::filesystem::path default_control_socket() {
  const char* const given = std::getenv("PPSPP_SOCKET");
  return given != nullptr && *given != '\0' ? given : "/run/ppspp/control.sock";
}

std::string encode_segment(std::string_view text) {
  std::string encoded = percent_encode(text);
  for (auto slash = encoded.find('/'); slash != std::string::npos; slash = encoded.find('/')) {
    encoded.replace(slash, 1, "%2F");
  }
  return encoded;
}

Result<std::string> swarm_target(std::string_view ref, std::string_view rest) {
  const bool possible = !ref.empty() && std::all_of(ref.begin(), ref.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
  if (!possible) {
    return fail(
        Errc::invalid_argument,
        fmt::format("{} is not a swarm: give its number, its ID, or the first digits of its "
                    "ID (ppspp-ctl list shows them)",
                    ppspp::quoted(ref)));
  }
  return fmt::format("/v1/swarms/{}{}", ref, rest);
}

ControlClient::ControlClient(std::filesystem::path socket, Seconds limit)
    : socket_(std::move(socket)), limit_(limit) {}

Result<std::string> ControlClient::get(const std::string& target) const {
  return request("GET", target, "");
}

Result<std::string> ControlClient::post(const std::string& target, const std::string& body) const {
  return request("POST", target, body);
}

Result<std::string> ControlClient::patch(const std::string& target, const std::string& body) const {
  return request("PATCH", target, body);
}

Result<std::string> ControlClient::remove(const std::string& target) const {
  return request("DELETE", target, "");
}

Result<std::string> ControlClient::request(std::string_view method, const std::string& target,
                                           const std::string& body) const {
  const auto limit = std::chrono::duration_cast<Milliseconds>(limit_);
  const auto begin = std::chrono::steady_clock::now();
  const auto fd = connect_to(socket_, limit);
  if (!fd) return tl::unexpected(fd.error());
  const auto used = std::chrono::steady_clock::now() - begin;
  const auto left = limit - std::chrono::duration_cast<Milliseconds>(used);
  return Exchange(make_request(method, target, body)).run(*fd, std::max(left, Milliseconds(1)));
}

Error ControlClient::senseless(const std::string& what) {
  return no_sense(what);
}

// --- The stream of events

class EventStream::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& io, std::filesystem::path socket, Handlers handlers)
      : socket_(std::move(socket)), handlers_(std::move(handlers)), stream_(io) {
    http_.body_limit(boost::none);
  }

  // Later, since the owner is not ready for its handlers before its constructor has returned.
  void start() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] {
      const auto fd = connect_to(self->socket_, kPatience);
      if (!fd) return self->end(fd.error());
      self->stream_.socket().assign(Local(), *fd);
      self->stream_.expires_after(kPatience);
      self->ask();
    });
  }

  void stop() {
    handlers_ = {};
    stream_.close();
  }

 private:
  void ask() {
    http::async_write(stream_, request_, [self = shared_from_this()](auto error, std::size_t) {
      if (error) return self->end(cannot_read(error));
      self->read_header();
    });
  }

  void read_header() {
    http::async_read_header(stream_, buffer_, http_,
                            [self = shared_from_this()](auto error, std::size_t) {
                              if (error) return self->end(cannot_read(error));
                              const unsigned status = self->http_.get().result_int();
                              if (status != 200)
                                return self->end(no_sense(fmt::format("status {}", status)));
                              if (self->handlers_.on_open) self->handlers_.on_open();
                              self->read();
                            });
  }

  void read() {
    stream_.expires_after(kSilence);
    http_.get().body().data = room_;
    http_.get().body().size = sizeof room_;
    http::async_read_some(stream_, buffer_, http_,
                          [self = shared_from_this()](auto error, std::size_t) {
                            if (error == http::error::need_buffer) error = {};
                            self->take(error);
                          });
  }

  void take(const error_code& error) {
    const std::size_t size = sizeof room_ - http_.get().body().size;
    const auto on_event = handlers_.on_event;  // which may destroy the stream, and so itself
    const auto fed = events_.feed({room_, size}, [this, &on_event](const std::string& data) {
      const auto event = control::from_json<control::Event>(data);
      if (!event) return end(no_sense(event.error().context));
      if (handlers_.on_event) on_event(*event, data);
    });
    if (!fed) return end(no_sense(fed.error().context));
    if (error) return end(cannot_read(error));
    if (http_.is_done()) return end({Errc::io, "the daemon ended the stream of events"});
    if (handlers_.on_end) read();
  }

  void end(const Error& error) {
    const Handlers handlers = std::exchange(handlers_, {});
    stream_.close();
    if (handlers.on_end) handlers.on_end(error);
  }

  std::filesystem::path socket_;
  Handlers handlers_;
  Stream stream_;
  Request request_ = make_request("GET", "/v1/events", "");
  beast::flat_buffer buffer_;
  http::response_parser<http::buffer_body> http_;
  EventParser events_;
  char room_[16'384] = {};
};

EventStream::EventStream(boost::asio::io_context& io, std::filesystem::path socket,
                         Handlers handlers)
    : impl_(std::make_shared<Impl>(io, std::move(socket), std::move(handlers))) {
  impl_->start();
}

EventStream::~EventStream() {
  impl_->stop();
}

}  // namespace ppspp::tools
