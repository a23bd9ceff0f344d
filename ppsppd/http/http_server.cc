#include "http/http_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <list>
#include <unordered_map>

#include "base/log.h"
#include "http/connection.h"
#include "http/response_head.h"
#include "http/unix_socket.h"

namespace ppspp::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;

// What of a body that is on its way may wait in the kernel unsent. Without this a slow reader has
// megabytes of it wait for him.
constexpr int kUnsentOctets = 256 * 1024;
constexpr std::chrono::seconds kAcceptPause{1};

using Endpoint = asio::generic::stream_protocol::endpoint;

std::string to_string(const Endpoint& endpoint) {
  switch (endpoint.data()->sa_family) {
    case AF_INET:
    case AF_INET6: {
      asio::ip::tcp::endpoint tcp;
      std::memcpy(tcp.data(), endpoint.data(), std::min(endpoint.size(), tcp.capacity()));
      const auto address = tcp.address();
      if (address.is_v6() && address.to_v6().is_v4_mapped()) {
        tcp.address(asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()));
      }
      const std::string host = tcp.address().to_string();
      const bool v6 = tcp.address().is_v6();
      return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(tcp.port());
    }
    case AF_UNIX: {
      sockaddr_un address{};
      std::memcpy(&address, endpoint.data(), std::min(endpoint.size(), sizeof(address)));
      const auto* path = static_cast<const char*>(address.sun_path);
      return {path, ::strnlen(path, sizeof(address.sun_path))};
    }
    default:
      return "?";
  }
}

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof(value));
}

int get_option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
}

std::string peer_of(const Socket& socket) {
  error_code error;
  const auto remote = socket.remote_endpoint(error);
  if (error) return "a client";
  const std::string text = to_string(remote);
  return text.empty() ? "a local client" : text;
}

// "192.0.2.1:50000" without its port.
std::string host_of(const std::string& peer) {
  return peer.substr(0, peer.rfind(':'));
}

}  // namespace

class Server::Impl {
 public:
  Impl(asio::io_context& io, ServerOptions options, Handler handler)
      : io_(io), owner_(std::make_shared<Connection::Owner>()) {
    owner_->options = std::move(options);
    owner_->handler = std::move(handler);
    owner_->closed = [this](const Connection* connection) { forget(connection); };
  }
  ~Impl() { stop(); }

  Result<void> listen(const asio::ip::tcp::endpoint& endpoint);
  Result<void> listen_unix(const std::filesystem::path& path, unsigned mode,
                           const std::string& group);
  Result<void> adopt(int fd);
  std::vector<std::string> addresses() const;
  void stop();
  std::size_t connections() const { return connections_.size(); }
  void set_tls(std::shared_ptr<TlsIdentity> identity) { owner_->tls = std::move(identity); }

 private:
  struct Held {
    std::shared_ptr<Connection> connection;
    std::string host;
  };
  struct Listener {
    explicit Listener(asio::io_context& io) : acceptor(io), pause(io) {}
    Acceptor acceptor;
    asio::steady_timer pause;
    std::optional<UnixListener> file;
    std::string address;
  };

  Result<void> add(int fd, std::optional<UnixListener> file);
  void accept(Listener& listener);
  void accepted(Listener& listener, error_code error, Socket socket);
  void welcome(Socket socket);
  void turn_away(Socket socket);
  bool make_room();
  bool has_too_many(const std::string& host) const;
  void forget(const Connection* connection);

  asio::io_context& io_;
  std::shared_ptr<Connection::Owner> owner_;
  std::list<Listener> listeners_;
  std::unordered_map<const Connection*, Held> connections_;
  std::unordered_map<std::string, std::size_t> by_host_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Result<void> Server::Impl::listen(const asio::ip::tcp::endpoint& endpoint) {
  error_code error;
  asio::ip::tcp::acceptor acceptor(io_);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error && endpoint.address().is_v6() && endpoint.address().is_unspecified()) {
    acceptor.set_option(asio::ip::v6_only(false), error);
  }
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    const Endpoint wanted(endpoint.data(), endpoint.size());
    return fail(
        error == asio::error::address_in_use ? Errc::exists : Errc::io,
        owner_->options.name + ": cannot listen on " + to_string(wanted) + ": " + error.message());
  }
  return add(acceptor.release(), std::nullopt);
}

Result<void> Server::Impl::listen_unix(const std::filesystem::path& path, unsigned mode,
                                       const std::string& group) {
  auto listener = UnixListener::open(path, mode, group);
  if (!listener) return tl::unexpected(listener.error());
  const int fd = listener->release_socket();
  return add(fd, std::move(*listener));
}

Result<void> Server::Impl::adopt(int fd) {
  if (get_option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1 ||
      get_option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM) {
    return fail(Errc::invalid_argument,
                owner_->options.name + ": the descriptor " + std::to_string(fd) +
                    " that was handed over is not a listening stream socket");
  }
  return add(fd, std::nullopt);
}

Result<void> Server::Impl::add(int fd, std::optional<UnixListener> file) {
  const int family = get_option(fd, SOL_SOCKET, SO_DOMAIN);
  const int protocol = family == AF_UNIX ? 0 : IPPROTO_TCP;
  Listener& listener = listeners_.emplace_back(io_);
  error_code error;
  listener.acceptor.assign(asio::generic::stream_protocol(family, protocol), fd, error);
  if (!error) listener.acceptor.non_blocking(true, error);
  if (error) {
    if (!listener.acceptor.is_open()) ::close(fd);
    listeners_.pop_back();
    return fail(Errc::io, owner_->options.name + ": cannot listen: " + error.message());
  }
  if (file) listener.file.emplace(std::move(*file));
  error_code ignored;
  listener.address = to_string(listener.acceptor.local_endpoint(ignored));
  accept(listener);
  return {};
}

void Server::Impl::accept(Listener& listener) {
  listener.acceptor.async_accept(
      io_, [this, &listener, alive = alive_](error_code error, Socket socket) {
        if (*alive) accepted(listener, error, std::move(socket));
      });
}

void Server::Impl::accepted(Listener& listener, error_code error, Socket socket) {
  if (!listener.acceptor.is_open()) return;
  if (!error) {
    const bool full = connections_.size() >= owner_->options.max_connections;
    if (has_too_many(host_of(peer_of(socket))) || (full && !make_room())) {
      turn_away(std::move(socket));
    } else {
      welcome(std::move(socket));
    }
    return accept(listener);
  }
  if (error == asio::error::connection_aborted) return accept(listener);
  // No descriptors, or no memory: others may give some back.
  log(LogLevel::warning, "{}: cannot take a connection: {}", owner_->options.name, error.message());
  listener.pause.expires_after(kAcceptPause);
  listener.pause.async_wait([this, &listener, alive = alive_](error_code stopped) {
    if (*alive && !stopped) accept(listener);
  });
}

void Server::Impl::welcome(Socket socket) {
  const int fd = socket.native_handle();
  if (get_option(fd, SOL_SOCKET, SO_DOMAIN) != AF_UNIX) {
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentOctets);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  }
  std::string peer = peer_of(socket);
  std::string host = host_of(peer);
  ++by_host_[host];
  auto connection = Connection::start(std::move(socket), std::move(peer), owner_);
  connections_.emplace(connection.get(), Held{connection, std::move(host)});
}

bool Server::Impl::has_too_many(const std::string& host) const {
  const std::size_t most = owner_->options.max_per_address;
  const auto found = by_host_.find(host);
  return most != 0 && found != by_host_.end() && found->second >= most;
}

void Server::Impl::forget(const Connection* connection) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return;
  const auto host = by_host_.find(found->second.host);
  if (--host->second == 0) by_host_.erase(host);
  connections_.erase(found);
}

// Of the connections that only wait for a next request, the oldest makes way for a new one.
bool Server::Impl::make_room() {
  std::shared_ptr<Connection> oldest;
  for (const auto& [key, held] : connections_) {
    const auto since = held.connection->idle_since();
    if (!since) continue;
    if (!oldest || *since < *oldest->idle_since()) oldest = held.connection;
  }
  if (oldest) oldest->close();
  return oldest != nullptr;
}

void Server::Impl::turn_away(Socket socket) {
  log(LogLevel::info, "{}: {} was turned away: {} connections are open", owner_->options.name,
      peer_of(socket), connections_.size());
  if (owner_->tls) return;  // an answer would need a handshake first
  const Headers headers = {{"Retry-After", "5"}};
  const std::string answer =
      response_head({.status = 503, .headers = headers, .keep_alive = false, .length = 0});
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(answer), ignored);
  socket.shutdown(Socket::shutdown_send, ignored);
}

std::vector<std::string> Server::Impl::addresses() const {
  std::vector<std::string> all;
  for (const auto& listener : listeners_) all.push_back(listener.address);
  return all;
}

void Server::Impl::stop() {
  *alive_ = false;
  alive_ = std::make_shared<bool>(true);
  listeners_.clear();
  owner_->closed = nullptr;
  owner_->handler = nullptr;
  by_host_.clear();
  for (const auto& [key, held] : std::exchange(connections_, {})) held.connection->close();
}

Server::Server(asio::io_context& io, ServerOptions options, Handler handler)
    : impl_(std::make_unique<Impl>(io, std::move(options), std::move(handler))) {}
Server::~Server() = default;

Result<void> Server::listen(const asio::ip::tcp::endpoint& endpoint) {
  return impl_->listen(endpoint);
}

Result<void> Server::listen_unix(const std::filesystem::path& path, unsigned mode,
                                 const std::string& group) {
  return impl_->listen_unix(path, mode, group);
}

Result<void> Server::adopt(int fd) {
  return impl_->adopt(fd);
}
void Server::set_tls(std::shared_ptr<TlsIdentity> identity) {
  impl_->set_tls(std::move(identity));
}
std::vector<std::string> Server::addresses() const {
  return impl_->addresses();
}
void Server::stop() {
  impl_->stop();
}
std::size_t Server::connections() const {
  return impl_->connections();
}

}  // namespace ppspp::http
