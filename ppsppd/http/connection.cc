#include "http/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "http/request_reader.h"
#include "http/response_head.h"
#include "http/stream.h"

namespace ppspp::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

// How long, and for how many octets, we listen to a client that was refused, so that it can read
// why: a socket that is closed with unread octets takes the answer back.
constexpr std::chrono::seconds kLinger{2};
constexpr std::size_t kLingerOctets = 1 << 20;

class ConnectionImpl;

class ExchangeImpl final : public Exchange {
 public:
  ExchangeImpl(std::shared_ptr<ConnectionImpl> connection, Request request)
      : connection_(std::move(connection)), request_(std::move(request)) {}
  ~ExchangeImpl() override;

  const Request& request() const override { return request_; }
  void respond(int status, const Headers& headers, std::string body) override;
  void begin(int status, const Headers& headers, std::optional<std::uint64_t> length) override;
  void write(std::span<const std::byte> bytes, std::function<void(bool ok)> done) override;
  void finish() override;
  void abort() override;
  void on_gone(std::function<void()> handler) override;
  asio::any_io_executor executor() const override;

 private:
  std::shared_ptr<ConnectionImpl> connection_;
  const Request request_;
};

class ConnectionImpl final : public Connection,
                             public std::enable_shared_from_this<ConnectionImpl> {
 public:
  ConnectionImpl(Socket socket, std::string peer, std::shared_ptr<Owner> owner)
      : stream_(std::move(socket), owner->tls),
        timer_(stream_.get_executor()),
        peer_(std::move(peer)),
        owner_(std::move(owner)),
        reader_(owner_->options.max_body) {}

  void begin_reading();
  void close() override;
  std::optional<Clock::time_point> idle_since() const override {
    return state_ == State::idle ? std::optional(idle_since_) : std::nullopt;
  }

  // Of the exchange; nothing of it counts once another is answered.
  void respond(const ExchangeImpl* from, int status, const Headers& headers, std::string body);
  void begin(const ExchangeImpl* from, int status, const Headers& headers,
             std::optional<std::uint64_t> length);
  void write(const ExchangeImpl* from, std::span<const std::byte> bytes,
             std::function<void(bool)> done);
  void finish(const ExchangeImpl* from);
  void abort(const ExchangeImpl* from);
  void on_gone(const ExchangeImpl* from, std::function<void()> handler);
  void dropped(const ExchangeImpl* from);
  asio::any_io_executor executor() { return stream_.get_executor(); }

 private:
  enum class State : std::uint8_t {
    idle,       // between requests
    receiving,  // a request has begun
    handling,   // the handler has it
    answering,  // begin() was called
    ending,     // its last octets are being sent
    lingering,  // refused: what still comes is thrown away
    closed,
  };

  bool is_current(const ExchangeImpl* from) const {
    return from == exchange_ && (state_ == State::handling || state_ == State::answering);
  }
  void read_some();
  void took(error_code error, std::size_t size);
  void client_went();
  void next_request();
  void handle();
  void refuse(int status, const std::string& reason);
  void linger();
  void call_gone_handler();
  void say_continue();
  void limit_time(std::chrono::seconds limit);
  void unlimit_time() { deadline_ = Clock::time_point::max(); }
  void await_deadline();
  void timed_out();

  using Sent = void (ConnectionImpl::*)();
  struct Sending {
    std::span<const std::byte> body;
    Sent sent = nullptr;
  };
  void send_head();
  void send(Sending what);
  void taken(error_code error, Sent sent);
  void piece_sent();
  void answered();

  Stream stream_;
  asio::steady_timer timer_;
  const std::string peer_;
  const std::shared_ptr<Owner> owner_;
  RequestReader reader_;
  State state_ = State::idle;
  Clock::time_point idle_since_ = Clock::now();
  Clock::time_point deadline_ = Clock::time_point::max();
  bool timer_runs_ = false;
  bool reading_ = false;  // a read is under way
  bool gone_ = false;     // the client has sent its last octet
  std::size_t thrown_away_ = 0;
  std::array<std::byte, 8192> incoming_;

  const ExchangeImpl* exchange_ = nullptr;
  std::function<void()> gone_handler_;
  bool head_only_ = false;  // HEAD, 204, 304
  bool keep_alive_ = false;
  bool chunked_ = false;
  std::optional<std::uint64_t> left_;  // octets of the body that are still to be written

  bool sending_ = false;
  std::optional<Sending> next_;  // behind the head, which is being sent by itself
  std::string head_;             // goes before what is sent next
  std::string sent_head_;
  std::string body_;
  std::string_view tail_;
  std::function<void(bool)> write_done_;
};

// Reading.

void ConnectionImpl::begin_reading() {
  limit_time(owner_->options.request_timeout);
  if (!stream_.is_secure()) return read_some();
  stream_.async_handshake([self = shared_from_this()](error_code error) {
    if (!error && self->state_ != State::closed) return self->read_some();
    if (error) {
      log(LogLevel::debug, "{}: {}: no TLS: {}", self->owner_->options.name, self->peer_,
          error.message());
    }
    self->close();
  });
}

void ConnectionImpl::limit_time(std::chrono::seconds limit) {
  deadline_ = Clock::now() + limit;
  if (!timer_runs_ || timer_.expiry() > deadline_) await_deadline();
}

// The timer may run out before the deadline, which moves often, and is then set again.
void ConnectionImpl::await_deadline() {
  timer_runs_ = true;
  timer_.expires_at(deadline_);
  timer_.async_wait([self = shared_from_this()](error_code error) {
    if (error || self->state_ == State::closed) return;
    self->timer_runs_ = false;
    if (self->deadline_ == Clock::time_point::max()) return;
    if (self->deadline_ <= Clock::now()) return self->timed_out();
    self->await_deadline();
  });
}

void ConnectionImpl::timed_out() {
  unlimit_time();
  if (state_ == State::receiving) return refuse(408, "The request took too long.");
  if (sending_) {
    log(LogLevel::info, "{}: {} takes nothing of its answer: dropped after {} s",
        owner_->options.name, peer_, owner_->options.write_timeout.count());
  }
  close();
}

// One read is always under way, as long as there is room: that is how we learn that a client went.
void ConnectionImpl::read_some() {
  if (reading_ || gone_ || state_ == State::closed) return;
  // There may be more room when it ends, but never less.
  const std::size_t room = state_ == State::lingering ? incoming_.size() : reader_.prepare().size();
  if (room == 0) return;
  reading_ = true;
  stream_.async_read_some(asio::buffer(incoming_, room),
                          [self = shared_from_this()](error_code error, std::size_t size) {
                            self->reading_ = false;
                            self->took(error, size);
                          });
}

void ConnectionImpl::took(error_code error, std::size_t size) {
  if (state_ == State::closed) return;
  if (error) return client_went();
  if (state_ == State::lingering) {
    thrown_away_ += size;
    return thrown_away_ > kLingerOctets ? close() : read_some();
  }
  std::memcpy(reader_.prepare().data(), incoming_.data(), size);
  reader_.commit(size);
  if (state_ == State::idle || state_ == State::receiving) return next_request();
  read_some();
}

// Its side of the connection is closed, or all of it: what it was promised is still sent as long as
// somebody takes it.
void ConnectionImpl::client_went() {
  gone_ = true;
  if (state_ == State::idle || state_ == State::receiving || state_ == State::lingering) {
    return close();
  }
  keep_alive_ = false;
  if (!write_done_) call_gone_handler();
}

void ConnectionImpl::call_gone_handler() {
  if (auto handler = std::exchange(gone_handler_, nullptr)) {
    asio::post(stream_.get_executor(), std::move(handler));
  }
}

void ConnectionImpl::next_request() {
  switch (reader_.parse()) {
    case RequestReader::State::complete:
      return handle();
    case RequestReader::State::refused:
      return refuse(reader_.refusal().status, reader_.refusal().reason);
    case RequestReader::State::more_expected:
      say_continue();
      break;
    case RequestReader::State::more:
      break;
  }
  if (gone_) return close();
  if (state_ == State::idle && reader_.begun()) {
    state_ = State::receiving;
    limit_time(owner_->options.request_timeout);
  }
  read_some();
}

// All that was sent before has been taken, so that there is room for these few octets.
void ConnectionImpl::say_continue() {
  if (stream_.is_secure()) return;  // under TLS there may be none: the client sends after a moment
  error_code ignored;
  stream_.socket().non_blocking(true, ignored);
  const std::string_view text = continue_response();
  stream_.socket().write_some(asio::buffer(text), ignored);
}

void ConnectionImpl::handle() {
  unlimit_time();
  state_ = State::handling;
  Request request = reader_.take();
  request.peer = peer_;
  keep_alive_ = reader_.keep_alive() && !gone_;
  head_only_ = request.method == "HEAD";
  auto exchange = std::make_shared<ExchangeImpl>(shared_from_this(), std::move(request));
  exchange_ = exchange.get();
  read_some();
  if (const auto handler = owner_->handler) handler(std::move(exchange));
}

// What is wrong with one request leaves no beginning of the next one to be found.
void ConnectionImpl::refuse(int status, const std::string& reason) {
  log(LogLevel::debug, "{}: {}: {} ({})", owner_->options.name, peer_, status, reason);
  state_ = State::ending;
  keep_alive_ = false;
  body_ = reason + "\n";
  const Headers headers = {{"Content-Type", "text/plain"}};
  head_ = response_head({.status = status,
                         .headers = headers,
                         .http_1_0 = reader_.is_http_1_0(),
                         .keep_alive = false,
                         .length = body_.size()});
  send({std::as_bytes(std::span(body_)), &ConnectionImpl::answered});
}

void ConnectionImpl::linger() {
  if (gone_) return close();
  state_ = State::lingering;
  limit_time(kLinger);
  if (stream_.is_secure()) {
    return stream_.async_shutdown([self = shared_from_this()](error_code) { self->close(); });
  }
  error_code ignored;
  stream_.socket().shutdown(Socket::shutdown_send, ignored);
  read_some();
}

void ConnectionImpl::close() {
  if (state_ == State::closed) return;
  const auto self = shared_from_this();
  state_ = State::closed;
  exchange_ = nullptr;
  timer_.cancel();
  error_code ignored;
  stream_.socket().close(ignored);
  if (write_done_ && !sending_) {
    asio::post(stream_.get_executor(),
               [done = std::exchange(write_done_, nullptr)] { done(false); });
  } else if (!write_done_) {
    call_gone_handler();
  }
  gone_handler_ = nullptr;
  if (owner_->closed) owner_->closed(this);
}

// Answering.

void ConnectionImpl::respond(const ExchangeImpl* from, int status, const Headers& headers,
                             std::string body) {
  if (!is_current(from) || state_ != State::handling) return;
  const bool bodiless = status == 204 || status == 304;
  head_ += response_head(
      {.status = status,
       .headers = headers,
       .http_1_0 = reader_.is_http_1_0(),
       .keep_alive = keep_alive_,
       .length = bodiless ? std::nullopt : std::optional<std::uint64_t>(body.size())});
  body_ = head_only_ || bodiless ? std::string() : std::move(body);
  state_ = State::ending;
  gone_handler_ = nullptr;
  exchange_ = nullptr;
  send({std::as_bytes(std::span(body_)), &ConnectionImpl::answered});
}

void ConnectionImpl::begin(const ExchangeImpl* from, int status, const Headers& headers,
                           std::optional<std::uint64_t> length) {
  if (!is_current(from) || state_ != State::handling) return;
  const bool bodiless = status == 204 || status == 304;
  chunked_ = !length && !reader_.is_http_1_0() && !bodiless;
  if (!length && !chunked_ && !bodiless) keep_alive_ = false;  // its end is that of the connection
  head_ += response_head({.status = status,
                          .headers = headers,
                          .http_1_0 = reader_.is_http_1_0(),
                          .keep_alive = keep_alive_,
                          .chunked = chunked_,
                          .length = bodiless ? std::nullopt : length});
  head_only_ = head_only_ || bodiless;
  left_ = length;
  state_ = State::answering;
  // Together with the first piece of the body, if that is here by then.
  asio::post(stream_.get_executor(), [self = shared_from_this()] { self->send_head(); });
}

void ConnectionImpl::write(const ExchangeImpl* from, std::span<const std::byte> bytes,
                           std::function<void(bool)> done) {
  PPSPP_ASSERT(!is_current(from) || !write_done_);
  const bool refused = !is_current(from) || state_ != State::answering;
  if (refused || head_only_ || bytes.empty()) {
    asio::post(stream_.get_executor(), [done = std::move(done), refused] { done(!refused); });
    return;
  }
  if (left_) {
    PPSPP_ASSERT(bytes.size() <= *left_);
    *left_ -= bytes.size();
  }
  write_done_ = std::move(done);
  if (chunked_) {
    head_ += chunk_head(bytes.size());
    tail_ = chunk_tail();
  }
  send({bytes, &ConnectionImpl::piece_sent});
}

void ConnectionImpl::piece_sent() {
  if (const auto done = std::exchange(write_done_, nullptr)) done(true);
  if (gone_ && !write_done_) call_gone_handler();
}

void ConnectionImpl::finish(const ExchangeImpl* from) {
  if (!is_current(from) || state_ != State::answering) return;
  PPSPP_ASSERT(!write_done_);
  if (!head_only_ && left_.value_or(0) > 0) return abort(from);
  state_ = State::ending;
  gone_handler_ = nullptr;
  exchange_ = nullptr;
  if (chunked_ && !head_only_) head_ += last_chunk();
  send({{}, &ConnectionImpl::answered});
}

void ConnectionImpl::abort(const ExchangeImpl* from) {
  if (!is_current(from)) return;
  gone_handler_ = nullptr;
  close();
}

void ConnectionImpl::on_gone(const ExchangeImpl* from, std::function<void()> handler) {
  if (is_current(from) && !gone_) {
    gone_handler_ = std::move(handler);
  } else if (handler) {
    asio::post(stream_.get_executor(), std::move(handler));
  }
}

void ConnectionImpl::dropped(const ExchangeImpl* from) {
  if (!is_current(from)) return;
  if (state_ == State::answering) return abort(from);
  respond(from, 500, {{"Content-Type", "text/plain"}}, "The server failed.\n");
}

void ConnectionImpl::send_head() {
  if (!sending_ && !head_.empty() && state_ != State::closed) send({});
}

void ConnectionImpl::send(Sending what) {
  if (sending_) {
    PPSPP_ASSERT(!next_);
    next_ = what;
    return;
  }
  sending_ = true;
  sent_head_ = std::exchange(head_, {});
  const std::array<asio::const_buffer, 3> buffers = {
      asio::buffer(sent_head_), asio::buffer(what.body.data(), what.body.size()),
      asio::buffer(std::exchange(tail_, {}))};
  limit_time(owner_->options.write_timeout);
  // Whoever takes some of it is given time for the rest.
  auto progress = [self = shared_from_this(), before = std::size_t{0}](
                      const error_code& error, std::size_t now) mutable -> std::size_t {
    if (error) return 0;
    if (now != std::exchange(before, now)) self->limit_time(self->owner_->options.write_timeout);
    return std::size_t{1} << 18;
  };
  asio::async_write(stream_, buffers, std::move(progress),
                    [self = shared_from_this(), sent = what.sent](error_code error, std::size_t) {
                      self->taken(error, sent);
                    });
}

void ConnectionImpl::taken(error_code error, Sent sent) {
  sending_ = false;
  unlimit_time();
  const bool closed = state_ == State::closed;
  if (error || closed) {
    if (const auto done = std::exchange(write_done_, nullptr)) done(false);
    return close();
  }
  if (sent != nullptr) return (this->*sent)();
  if (const auto next = std::exchange(next_, std::nullopt)) send(*next);
}

// A connection that ends is closed when the client has read all, or a little later.
void ConnectionImpl::answered() {
  head_only_ = chunked_ = false;
  left_.reset();
  body_.clear();
  if (!keep_alive_) return linger();
  state_ = State::idle;
  idle_since_ = Clock::now();
  limit_time(owner_->options.idle_timeout);
  next_request();
}

// The exchange.

ExchangeImpl::~ExchangeImpl() {
  connection_->dropped(this);
}

void ExchangeImpl::respond(int status, const Headers& headers, std::string body) {
  connection_->respond(this, status, headers, std::move(body));
}

void ExchangeImpl::begin(int status, const Headers& headers, std::optional<std::uint64_t> length) {
  connection_->begin(this, status, headers, length);
}

void ExchangeImpl::write(std::span<const std::byte> bytes, std::function<void(bool ok)> done) {
  connection_->write(this, bytes, std::move(done));
}

void ExchangeImpl::finish() {
  connection_->finish(this);
}
void ExchangeImpl::abort() {
  connection_->abort(this);
}

void ExchangeImpl::on_gone(std::function<void()> handler) {
  connection_->on_gone(this, std::move(handler));
}

asio::any_io_executor ExchangeImpl::executor() const {
  return connection_->executor();
}

}  // namespace

std::shared_ptr<Connection> Connection::start(Socket socket, std::string peer,
                                              std::shared_ptr<Owner> owner) {
  auto connection =
      std::make_shared<ConnectionImpl>(std::move(socket), std::move(peer), std::move(owner));
  connection->begin_reading();
  return connection;
}

}  // namespace ppspp::http
