#include "net/tracker_http.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <concepts>
#include <utility>

#include "metadata/text.h"

namespace ppspp {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace ssl = asio::ssl;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using tracker::Failure;

struct TrackerTrust::Context {
  ssl::context context{ssl::context::tls_client};
};

TrackerTrust::TrackerTrust(std::unique_ptr<Context> context) : context_(std::move(context)) {}
TrackerTrust::~TrackerTrust() = default;

Result<std::shared_ptr<TrackerTrust>> TrackerTrust::load(const std::filesystem::path& ca) {
  auto made = std::make_unique<Context>();
  ssl::context& context = made->context;
  error_code error;
  context.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                          ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                          ssl::context::no_tlsv1_1,
                      error);
  context.set_verify_mode(ssl::verify_peer, error);
  context.set_default_verify_paths(error);  // a system without any has no certificates to trust
  if (!ca.empty()) {
    context.load_verify_file(ca.string(), error);
    if (error) {
      return fail(Errc::invalid_argument,
                  fmt::format("{} has no certificates of trackers in PEM: {}", ca.string(),
                              error.message()));
    }
  }
  ERR_clear_error();
  return std::shared_ptr<TrackerTrust>(new TrackerTrust(std::move(made)));
}

namespace {

constexpr std::size_t kMaxHeaderSize = 16'384;

TransportAddress from_endpoint(const tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  if (address.is_v4()) return TransportAddress::v4(address.to_v4().to_uint(), endpoint.port());
  return TransportAddress::v6(address.to_v6().to_bytes(), endpoint.port());
}

// Delta-seconds only: a date would need the tracker's clock to be ours.
std::optional<Microseconds> retry_after(const http::response<http::string_body>& response) {
  const auto field = response.find(http::field::retry_after);
  if (field == response.end()) return std::nullopt;
  const auto value = field->value();
  const auto seconds = parse_decimal<std::uint32_t>({value.data(), value.size()});
  if (!seconds) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

// What SSL_set_tlsext_host_name() does, whose macro has casts that we do not write.
bool send_name(SSL* tls, std::string name) {
  return SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1;
}

using Plain = tcp::socket;
using Secure = ssl::stream<tcp::socket>;

// What the handlers of one connection need, and what keeps it while they are under way.
struct Connection {
  explicit Connection(asio::io_context& io) : plain(std::in_place, io) {}
  Connection(asio::io_context& io, ssl::context& context) : secure(std::in_place, io, context) {}

  tcp::socket& socket() { return secure ? secure->next_layer() : *plain; }
  // Without TLS's goodbye: messages have a length, so nothing can be cut off unseen.
  void close() {
    error_code ignored;
    socket().close(ignored);
  }

  std::optional<Plain> plain;
  std::optional<Secure> secure;
  boost::beast::flat_buffer buffer{kMaxHeaderSize + tracker::kMaxResponseSize};
  http::request<http::string_body> request;
  std::optional<http::response_parser<http::string_body>> parser;
};

}  // namespace

class TrackerHttp::Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(asio::io_context& io, tracker::Url url, std::shared_ptr<TrackerTrust> trust,
           Microseconds timeout)
      : io_(io),
        url_(std::move(url)),
        trust_(std::move(trust)),
        timeout_(timeout),
        resolver_(io),
        timer_(io) {}

  void post(std::string body, Done done) {
    ++turn_;
    body_ = std::move(body);
    done_ = std::move(done);
    timer_.expires_after(timeout_);
    timer_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error) self->on_timeout();
    });
    fresh_ = connection_ == nullptr;
    fresh_ ? resolve() : write();
  }

  void cancel() {
    done_ = nullptr;
    timer_.cancel();
    resolver_.cancel();
    disconnect();
  }

  const std::optional<TransportAddress>& remote() const { return remote_; }

 private:
  // For handlers of what is begun now. They keep the connection, even if it is given up.
  template <typename Handler>
  auto current(Handler handler) {
    return [ self = shared_from_this(), connection = connection_, turn = turn_,
             handler ]<typename... Rest>(
        const error_code& error,
        const Rest&... rest) requires std::invocable<const Handler&, Exchange&, const error_code&,
                                                     const Rest&...> {
      if (self->turn_ == turn && self->done_) handler(*self, error, rest...);
    };
  }

  void resolve() {
    resolver_.async_resolve(
        url_.host, fmt::format("{}", url_.port),
        current([](Exchange& self, const error_code& error, const tcp::resolver::results_type& r) {
          if (error) return self.fail_with(Failure::unreachable, error.message());
          self.connect(r);
        }));
  }

  void connect(const tcp::resolver::results_type& addresses) {
    connection_ = url_.tls ? std::make_shared<Connection>(io_, trust_->context_->context)
                           : std::make_shared<Connection>(io_);
    if (url_.tls && !name_host()) return fail_with(Failure::tls, "its name is none for TLS");
    asio::async_connect(
        connection_->socket(), addresses,
        current([](Exchange& self, const error_code& error, const tcp::endpoint& to) {
          if (error) return self.fail_with(Failure::unreachable, error.message());
          self.remote_ = from_endpoint(to);
          self.url_.tls ? self.shake_hands() : self.write();
        }));
  }

  // The certificate must be for the name, or the address, that the URL names.
  bool name_host() {
    Secure& stream = *connection_->secure;
    error_code error;
    asio::ip::make_address(url_.host, error);
    const bool is_name = error.failed();
    if (is_name && !send_name(stream.native_handle(), url_.host)) {
      ERR_clear_error();
      return false;
    }
    stream.set_verify_callback(ssl::host_name_verification(url_.host), error);
    return !error;
  }

  void shake_hands() {
    connection_->secure->async_handshake(ssl::stream_base::client,
                                         current([](Exchange& self, const error_code& error) {
                                           if (error)
                                             return self.fail_with(Failure::tls, self.why(error));
                                           self.write();
                                         }));
  }

  // Of a certificate that was refused, what is wrong with it.
  std::string why(const error_code& error) const {
    const long result = SSL_get_verify_result(connection_->secure->native_handle());
    return result == X509_V_OK ? error.message()
                               : fmt::format("its certificate is not trusted: {}",
                                             X509_verify_cert_error_string(result));
  }

  template <typename Function>
  void with_stream(Function function) {
    connection_->secure ? function(*connection_->secure) : function(*connection_->plain);
  }

  void write() {
    auto& request = connection_->request = {http::verb::post, url_.target, 11};
    const std::string media_type(tracker::kMediaType);
    request.set(http::field::host, url_.authority());
    request.set(http::field::user_agent, "ppspp");
    request.set(http::field::content_type, media_type);
    request.set(http::field::accept, media_type);
    request.body() = body_;
    request.prepare_payload();
    connection_->parser.reset();
    with_stream([this, &request](auto& stream) {
      http::async_write(stream, request,
                        current([](Exchange& self, const error_code& error, std::size_t) {
                          if (error) return self.on_broken(error);
                          self.read();
                        }));
    });
  }

  void read() {
    auto& parser = connection_->parser.emplace();
    parser.header_limit(kMaxHeaderSize);
    parser.body_limit(tracker::kMaxResponseSize);
    with_stream([this, &parser](auto& stream) {
      http::async_read(stream, connection_->buffer, parser,
                       current([](Exchange& self, const error_code& error, std::size_t) {
                         if (error) return self.on_broken(error);
                         self.finish();
                       }));
    });
  }

  // The tracker may have closed a connection that was kept, which says nothing: once more.
  void on_broken(const error_code& error) {
    const bool something_came = connection_->parser && connection_->parser->got_some();
    if (!fresh_ && !something_came) {
      disconnect();
      fresh_ = true;
      return resolve();
    }
    if (error == http::error::body_limit || error == http::error::header_limit ||
        error == http::error::buffer_overflow) {
      return fail_with(Failure::bad_response, "its answer is too long");
    }
    if (error == http::error::end_of_stream) {
      return fail_with(Failure::unreachable, "it closed the connection without an answer");
    }
    const error_code of_http = http::error::bad_version;
    const bool not_http = error.category() == of_http.category();
    fail_with(not_http ? Failure::bad_response : Failure::unreachable, error.message());
  }

  void finish() {
    auto& response = connection_->parser->get();
    tracker::HttpReply reply{.status = response.result_int(),
                             .body = std::move(response.body()),
                             .retry_after = retry_after(response)};
    if (!connection_->parser->keep_alive()) disconnect();
    give(std::move(reply));
  }

  void on_timeout() {
    if (!done_) return;
    resolver_.cancel();
    fail_with(Failure::timed_out, fmt::format("no answer within {} ms", timeout_.count() / 1'000));
  }

  void fail_with(Failure failure, std::string problem) {
    disconnect();
    give(tl::unexpected(HttpFailure{failure, std::move(problem)}));
  }

  void give(Outcome outcome) {
    timer_.cancel();
    if (done_) std::exchange(done_, nullptr)(std::move(outcome));
  }

  void disconnect() {
    ++turn_;
    if (connection_) connection_->close();
    connection_.reset();
  }

  asio::io_context& io_;
  tracker::Url url_;
  std::shared_ptr<TrackerTrust> trust_;
  Microseconds timeout_;
  std::string body_;
  Done done_;
  std::uint64_t turn_ = 0;  // handlers of an earlier one mean nothing any more
  bool fresh_ = false;      // the connection was made for this request
  std::shared_ptr<Connection> connection_;
  tcp::resolver resolver_;
  asio::steady_timer timer_;
  std::optional<TransportAddress> remote_;
};

TrackerHttp::TrackerHttp(asio::io_context& io, tracker::Url url,
                         std::shared_ptr<TrackerTrust> trust, Microseconds timeout)
    : exchange_(std::make_shared<Exchange>(io, std::move(url), std::move(trust), timeout)) {}

TrackerHttp::~TrackerHttp() {
  exchange_->cancel();
}

void TrackerHttp::post(std::string body, Done done) {
  exchange_->post(std::move(body), std::move(done));
}

std::optional<TransportAddress> TrackerHttp::remote() const {
  return exchange_->remote();
}

}  // namespace ppspp
