// One connection: requests in order, each answered before the next one is looked at.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "http/http_server.h"
#include "http/tls.h"

namespace ppspp::http {

using Socket = boost::asio::generic::stream_protocol::socket;

class Connection {
 public:
  struct Owner {
    ServerOptions options;
    Server::Handler handler;                        // gone when the server is
    std::function<void(const Connection*)> closed;  // likewise
    std::shared_ptr<TlsIdentity> tls;               // of connections from now on; null: none
  };

  static std::shared_ptr<Connection> start(Socket socket, std::string peer,
                                           std::shared_ptr<Owner> owner);
  virtual ~Connection() = default;
  virtual void close() = 0;
  // Since when it waits for a request of which nothing has come yet.
  virtual std::optional<std::chrono::steady_clock::time_point> idle_since() const = 0;
};

}  // namespace ppspp::http
