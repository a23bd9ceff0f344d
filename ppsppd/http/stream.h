// A connection's octets, in the clear or under TLS. Meets what Asio asks of a stream that is read
// and written asynchronously; one operation of each kind at a time.
#pragma once

#include <boost/asio/error.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "http/tls.h"

namespace ppspp::http {

struct TlsIdentity::Impl {
  boost::asio::ssl::context context{boost::asio::ssl::context::tls_server};
};

class Stream {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;
  using executor_type = Socket::executor_type;
  using error_code = boost::system::error_code;

  // `identity` null: no TLS.
  Stream(Socket socket, std::shared_ptr<TlsIdentity> identity)
      : socket_(std::move(socket)), identity_(std::move(identity)) {
    if (identity_) tls_.emplace(socket_, identity_->impl().context);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool is_secure() const { return tls_.has_value(); }
  Socket& socket() { return socket_; }
  executor_type get_executor() { return socket_.get_executor(); }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->async_read_some(buffers, std::forward<Handler>(handler));
    } else {
      socket_.async_read_some(buffers, std::forward<Handler>(handler));
    }
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->async_write_some(buffers, std::forward<Handler>(handler));
    } else {
      socket_.async_write_some(buffers, std::forward<Handler>(handler));
    }
  }
  // Only under TLS.
  template <typename Handler>
  void async_handshake(Handler&& handler) {
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(handler));
  }
  // Only under TLS: says that nothing more comes, and waits for the client to say so, too.
  template <typename Handler>
  void async_shutdown(Handler&& handler) {
    tls_->async_shutdown(std::forward<Handler>(handler));
  }

 private:
  Socket socket_;
  std::shared_ptr<TlsIdentity> identity_;  // a context that is replaced serves on
  std::optional<boost::asio::ssl::stream<Socket&>> tls_;
};

}  // namespace ppspp::http
