// HTTP/1.1 over TCP, TLS or Unix sockets (Boost.Beast inside, none in this header).
// Used by the control socket, the gateway, the metrics and the tracker. One io_context thread;
// nothing blocks. Bounds: connections, header size (16 KiB), body size, time to send a request,
// idle time, what a slow reader may leave unread.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include "http/tls.h"
#include "ppspp/result.h"
namespace ppspp::http {

struct Request {
  std::string method;  // upper case
  std::string target;  // as sent
  std::string path;  // percent-decoded, without the query; begins with '/'; no "..": refused before
  std::vector<std::pair<std::string, std::string>> query;    // decoded, in order
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string peer;  // address of the client, for logs
  std::string_view header(std::string_view lower_case_name) const;  // empty: none
};

using Headers = std::vector<std::pair<std::string, std::string>>;

// One request and its answer. Exactly one of respond() and begin(). Destroying the last reference
// without an answer sends 500. All functions may be called after the client is gone; they then do
// nothing.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const Request& request() const = 0;
  virtual void respond(int status, const Headers& headers,
                       std::string body) = 0;  // Content-Length is set; HEAD sends no body
  // A body that is written piece by piece: with its length, or chunked.
  virtual void begin(int status, const Headers& headers, std::optional<std::uint64_t> length) = 0;
  // One write at a time; `bytes` stay valid until done(ok) is called. ok false: the client is gone
  // (or too slow).
  virtual void write(std::span<const std::byte> bytes, std::function<void(bool ok)> done) = 0;
  virtual void finish() = 0;
  virtual void abort() = 0;  // the body cannot be completed: closes the connection
  virtual void on_gone(
      std::function<void()> handler) = 0;  // the client went away while nothing was being written
  virtual boost::asio::any_io_executor executor() const = 0;
};

struct ServerOptions {
  std::size_t max_connections = 256;
  std::size_t max_body = 1 << 20;
  std::chrono::seconds request_timeout{
      10};  // from the first octet (or the connection) to a whole request
  std::chrono::seconds idle_timeout{60};  // keep-alive
  std::chrono::seconds write_timeout{
      30};  // a client that takes nothing for so long is dropped, with a log line
  std::size_t max_per_address = 0;  // connections of one IP address; 0: as many as there may be
  std::string name;                 // for log lines: "control", "gateway"
};

class Server {
 public:
  using Handler = std::function<void(std::shared_ptr<Exchange>)>;
  Server(boost::asio::io_context& io, ServerOptions options, Handler handler);
  ~Server();  // closes every connection
  Result<void> listen(const boost::asio::ip::tcp::endpoint& endpoint);
  // A stale socket file that nobody listens on is replaced; one that is in use, or anything else in
  // the way, is an error.
  Result<void> listen_unix(const std::filesystem::path& path, unsigned mode,
                           const std::string& group);
  Result<void> adopt(int fd);  // a listening socket, TCP or Unix (socket activation)
  // Connections that are made from now on speak TLS; null: do not. Others go on as they are.
  void set_tls(std::shared_ptr<TlsIdentity> identity);
  std::vector<std::string> addresses() const;  // "127.0.0.1:8778", "/run/ppspp/control.sock"
  void stop();
  std::size_t connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};
}  // namespace ppspp::http
