// A client that does exactly what it is told, and a server in a thread of its own.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <future>
#include <string>
#include <string_view>
#include <thread>

#include "http/http_server.h"

namespace ppspp::http {

class Client {
 public:
  explicit Client(std::uint16_t port, int receive_buffer = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connect(&address, sizeof(address));
  }
  explicit Client(const std::string& path) {
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
    connect(&address, sizeof(address));
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { close(); }

  bool connected() const { return connected_; }
  int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void end() { ::shutdown(fd_, SHUT_WR); }
  bool send(std::string_view text) {
    return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  // Until the text is there, the server closes, or 20 s have passed.
  std::string read_until(std::string_view text) {
    while (received_.find(text) == std::string::npos && receive()) {
    }
    const std::size_t at = received_.find(text);
    if (at == std::string::npos) return std::exchange(received_, {});
    std::string front = received_.substr(0, at + text.size());
    received_.erase(0, front.size());
    return front;
  }
  std::string read_some(std::size_t size) {
    while (received_.size() < size && receive()) {
    }
    std::string front = received_.substr(0, size);
    received_.erase(0, front.size());
    return front;
  }
  std::string read_all() {
    while (receive()) {
    }
    return std::exchange(received_, {});
  }
  bool timed_out() const { return timed_out_; }

 private:
  template <typename Address>
  void connect(const Address* address, socklen_t size) {
    const timeval limit{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    connected_ =
        ::connect(fd_, static_cast<const sockaddr*>(static_cast<const void*>(address)), size) == 0;
  }
  bool receive() {
    char space[65536];
    const ssize_t size = ::recv(fd_, space, sizeof(space), 0);
    timed_out_ = size < 0 && errno == EAGAIN;
    if (size > 0) received_.append(space, static_cast<std::size_t>(size));
    return size > 0;
  }

  int fd_ = -1;
  bool connected_ = false;
  bool timed_out_ = false;
  std::string received_;
};

// A server on a port of its own. Handlers run in its thread.
class Host {
 public:
  template <typename Function>
  auto run(Function function) {
    std::packaged_task<decltype(function())()> task(std::move(function));
    auto result = task.get_future();
    boost::asio::post(io_, [&task] { task(); });
    return result.get();
  }
  // Until it holds, within 20 s.
  template <typename Condition>
  bool becomes(Condition condition) {
    for (int i = 0; i < 2000; ++i) {
      if (run(condition)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  explicit Host(Server::Handler handler, ServerOptions options = {}) {
    options.name = "test";
    server_.emplace(io_, options, std::move(handler));
    const boost::asio::ip::tcp::endpoint any(boost::asio::ip::address_v4::loopback(), 0);
    REQUIRE(server_->listen(any));
    const std::string address = server_->addresses().front();
    port_ = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Host() {
    run([this] { server_.reset(); });
    work_.reset();
    thread_.join();
  }
  std::uint16_t port() const { return port_; }
  Server& server() { return *server_; }
  boost::asio::io_context& io() { return io_; }

 private:
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  std::optional<Server> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace ppspp::http
