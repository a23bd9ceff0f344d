#include "tracker/tracker_daemon.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "crypto/system_random.h"
#include "http/http_server.h"
#include "log_sink.h"
#include "ppspp/key_file.h"
#include "systemd.h"
#include "tracker/tracker_metrics.h"

namespace ppspp::tracker {
namespace {

namespace asio = boost::asio;
namespace systemd = daemon::systemd;
using asio::ip::udp;
using boost::system::error_code;
using std::chrono::seconds;

constexpr seconds kTick{10};             // between lines for the service manager
constexpr std::size_t kMostAtOnce = 64;  // datagrams that are read before others have their turn
constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

Now clocks() {
  const auto monotonic =
      std::chrono::duration_cast<Microseconds>(std::chrono::steady_clock::now().time_since_epoch());
  const auto wall =
      std::chrono::duration_cast<Microseconds>(std::chrono::system_clock::now().time_since_epoch());
  return {TimePoint(monotonic), WallTime{static_cast<std::uint64_t>(wall.count())}};
}

template <typename Protocol>
typename Protocol::endpoint endpoint_of(const TransportAddress& address) {
  if (address.is_v4()) return {asio::ip::address_v4(address.v4_address()), address.port()};
  return {asio::ip::address_v6(address.bytes(), address.scope_id()), address.port()};
}

// [::] means both IP versions, and where the kernel has no IPv6 the other one.
TransportAddress usable(const TransportAddress& address) {
  if (address.is_v4() || !address.is_unspecified()) return address;
  const int fd = ::socket(AF_INET6, SOCK_DGRAM, 0);
  const bool has_v6 = fd >= 0 || errno != EAFNOSUPPORT;
  if (fd >= 0) ::close(fd);
  return has_v6 ? address : TransportAddress::v4(0, address.port());
}

TransportAddress address_of(const udp::endpoint& endpoint) {
  const auto address = endpoint.address();
  if (address.is_v4()) return TransportAddress::v4(address.to_v4().to_uint(), endpoint.port());
  const auto v6 = address.to_v6();
  return TransportAddress::v6(v6.to_bytes(), endpoint.port(),
                              static_cast<std::uint32_t>(v6.scope_id()));
}

LogLevel level_of(const Options& options, const TrackerConfig& config) {
  const LogLevel asked = options.verbosity == 0   ? LogLevel::error
                         : options.verbosity == 1 ? LogLevel::info
                                                  : LogLevel::debug;
  return std::min(config.log.level, asked);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    log(LogLevel::debug, "the limit of open files stays as it is");
  }
}

Result<std::optional<MembershipIssuer>> open_issuer(const TrackerConfig& config) {
  if (config.ca.key.empty()) return std::nullopt;
  const auto key = open_key_file(config.ca.key);
  if (!key) return tl::unexpected(key.error());
  auto issuer = MembershipIssuer::create(key->key);
  if (!issuer) return tl::unexpected(issuer.error());
  return std::optional(std::move(*issuer));
}

class Tracker {
 public:
  Tracker(asio::io_context& io, const Options& options, TrackerConfig config)
      : io_(io),
        options_(options),
        config_(std::move(config)),
        random_(make_system_random()),
        udp_(io),
        signals_(io, SIGTERM, SIGINT, SIGHUP),
        timer_(io),
        tick_(io),
        watchdog_(io) {}

  Result<void> start();

 private:
  Result<void> open_udp();
  Result<void> open_servers();
  Result<void> load_tls();
  std::unique_ptr<http::Server> make_server(std::string name);

  void receive();
  void read_datagrams();
  // Sends what there is to send, and sets the timer.
  void pump();
  void send(const AddressChecks::Datagram& datagram);

  void serve(const std::shared_ptr<http::Exchange>& exchange);
  void answer_other(const std::shared_ptr<http::Exchange>& exchange, bool with_metrics);

  void await_signal();
  void reload();
  void stop();
  void tick();
  void begin_watchdog(std::chrono::microseconds interval);
  std::string status() const;
  std::size_t connections() const;

  asio::io_context& io_;
  const Options& options_;
  TrackerConfig config_;
  std::unique_ptr<RandomSource> random_;
  std::optional<TrackerService> service_;
  udp::socket udp_;
  std::array<std::byte, 2048> incoming_;
  asio::signal_set signals_;
  asio::steady_timer timer_;
  asio::steady_timer tick_;
  asio::steady_timer watchdog_;
  std::unique_ptr<http::Server> http_;
  std::unique_ptr<http::Server> https_;
  std::unique_ptr<http::Server> metrics_;
  const double started_at_ =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
};

Result<void> Tracker::start() {
  await_signal();
  auto issuer = open_issuer(config_);
  if (!issuer) return tl::unexpected(issuer.error());
  service_.emplace(config_.service_options(), *random_, std::move(*issuer));
  if (auto opened = open_udp(); !opened) return opened;
  if (auto opened = open_servers(); !opened) return opened;
  receive();
  tick();
  if (const auto interval = systemd::watchdog_interval()) begin_watchdog(*interval / 2);
  std::vector<std::string> addresses;
  for (const auto& [scheme, server] :
       {std::pair("http://", http_.get()), {"https://", https_.get()}}) {
    if (server == nullptr) continue;
    for (const std::string& address : server->addresses()) addresses.push_back(scheme + address);
  }
  error_code ignored;
  log(LogLevel::info, "ready: {}, UDP {}{}", fmt::join(addresses, ", "),
      address_of(udp_.local_endpoint(ignored)).to_string(),
      metrics_ ? ", metrics " + metrics_->addresses().front() : "");
  systemd::notify_ready(status());
  return {};
}

// One socket for both IP versions where it is [::].
Result<void> Tracker::open_udp() {
  const auto endpoint = endpoint_of<udp>(usable(config_.listen.udp));
  error_code error;
  udp_.open(endpoint.protocol(), error);
  if (!error && endpoint.address().is_v6()) {
    udp_.set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()), error);
  }
  if (!error) udp_.bind(endpoint, error);
  if (!error) udp_.non_blocking(true, error);
  if (!error) return {};
  return fail(
      error == asio::error::address_in_use ? Errc::exists : Errc::io,
      fmt::format("cannot use UDP {}: {}", config_.listen.udp.to_string(), error.message()));
}

std::unique_ptr<http::Server> Tracker::make_server(std::string name) {
  http::ServerOptions options;
  options.name = std::move(name);
  options.max_connections = config_.limits.max_connections;
  options.max_per_address = config_.limits.max_connections_per_address;
  options.max_body = kMaxRequestSize;
  options.idle_timeout = seconds(30);
  return std::make_unique<http::Server>(io_, options, [this](const auto& e) { serve(e); });
}

Result<void> Tracker::open_servers() {
  if (!config_.listen.http.empty()) http_ = make_server("http");
  if (!config_.listen.https.empty()) https_ = make_server("https");
  if (auto loaded = load_tls(); !loaded) return loaded;
  for (const auto& address : config_.listen.http) {
    if (auto opened = http_->listen(endpoint_of<asio::ip::tcp>(usable(address))); !opened)
      return opened;
  }
  for (const auto& address : config_.listen.https) {
    if (auto opened = https_->listen(endpoint_of<asio::ip::tcp>(usable(address))); !opened)
      return opened;
  }
  if (!config_.listen.metrics) return {};
  http::ServerOptions options;
  options.name = "metrics";
  options.max_connections = 32;
  metrics_ = std::make_unique<http::Server>(
      io_, options, [this](const auto& exchange) { answer_other(exchange, true); });
  return metrics_->listen(endpoint_of<asio::ip::tcp>(*config_.listen.metrics));
}

Result<void> Tracker::load_tls() {
  if (!https_) return {};
  auto identity = http::TlsIdentity::load(config_.tls.certificate, config_.tls.key);
  if (!identity) return tl::unexpected(identity.error());
  https_->set_tls(std::move(*identity));
  return {};
}

// --- Datagrams

void Tracker::receive() {
  udp_.async_wait(udp::socket::wait_read, [this](error_code error) {
    if (error) return;
    read_datagrams();
    pump();
    receive();
  });
}

void Tracker::read_datagrams() {
  for (std::size_t i = 0; i < kMostAtOnce; ++i) {
    udp::endpoint from;
    error_code error;
    const std::size_t size = udp_.receive_from(asio::buffer(incoming_), from, 0, error);
    if (error == asio::error::would_block) return;
    if (error) continue;  // that a peer's port is closed, for one
    service_->handle_datagram(address_of(from), std::span(incoming_).first(size), clocks());
  }
}

void Tracker::pump() {
  const Now now = clocks();
  while (const auto datagram = service_->poll_transmit(now)) send(*datagram);
  const auto deadline = service_->deadline();
  if (deadline == kNever) return;
  const auto wait = std::max(deadline - now.monotonic, Microseconds(1'000));
  timer_.expires_after(wait);
  timer_.async_wait([this](error_code error) {
    if (error) return;
    service_->handle_deadline(clocks());
    pump();
  });
}

// What the system does not take is lost, as on the way: it is sent again.
void Tracker::send(const AddressChecks::Datagram& datagram) {
  auto to = endpoint_of<udp>(datagram.to);
  error_code error;
  const auto local = udp_.local_endpoint(error);
  if (!error && local.address().is_v6() && to.address().is_v4()) {
    to.address(asio::ip::make_address_v6(asio::ip::v4_mapped, to.address().to_v4()));
  }
  udp_.send_to(asio::buffer(datagram.octets), to, 0, error);
  if (error) log(LogLevel::debug, "to {}: {}", datagram.to.to_string(), error.message());
}

// --- Requests

void Tracker::serve(const std::shared_ptr<http::Exchange>& exchange) {
  const http::Request& request = exchange->request();
  if (request.method != "POST") return answer_other(exchange, false);
  if (!request.header("content-type").starts_with(kMediaType)) {
    return exchange->respond(415, {{"Content-Type", "text/plain"}},
                             fmt::format("requests are {}\n", kMediaType));
  }
  const auto from = TransportAddress::parse(request.peer);
  if (!from) return exchange->respond(500, {}, "");
  TrackerService::Answer answer = service_->handle(request.body, *from, clocks());
  http::Headers headers = {{"Content-Type", std::string(kMediaType)},
                           {"Cache-Control", "no-store"}};
  if (answer.retry_after) {
    headers.emplace_back("Retry-After", fmt::format("{}", answer.retry_after->count()));
  }
  exchange->respond(answer.status, headers, std::move(answer.body));
  pump();
}

void Tracker::answer_other(const std::shared_ptr<http::Exchange>& exchange, bool with_metrics) {
  const http::Request& request = exchange->request();
  const bool reads = request.method == "GET" || request.method == "HEAD";
  const http::Headers text = {{"Content-Type", "text/plain"}, {"Cache-Control", "no-store"}};
  if (reads && request.path == "/healthz") return exchange->respond(200, text, "ok\n");
  if (reads && with_metrics && request.path == "/metrics") {
    return exchange->respond(200, {{"Content-Type", std::string(kMetricsType)}},
                             metrics_text({*service_, connections(), started_at_}));
  }
  if (with_metrics) return exchange->respond(404, text, "there are /metrics and /healthz\n");
  exchange->respond(405, {{"Allow", "POST"}, {"Content-Type", "text/plain"}},
                    "this is a PPSP tracker: it takes requests of RFC 7846 with POST\n");
}

// --- Signals and time

void Tracker::await_signal() {
  signals_.async_wait([this](error_code error, int signal) {
    if (error) return;
    if (signal != SIGHUP) return stop();
    if (service_) reload();
    await_signal();
  });
}

void Tracker::reload() {
  systemd::notify_reloading();
  auto read = load(options_);
  if (!read) {
    for (const auto& problem : read.error()) log(LogLevel::error, "{}", problem.to_string());
    log(LogLevel::error, "the configuration stays as it was");
  } else {
    const auto late = changes_that_need_restart(config_, *read);
    if (!late.empty()) {
      log(LogLevel::warning, "these change with a restart only: {}", fmt::join(late, ", "));
    }
    config_ = std::move(*read);
    set_log_level(level_of(options_, config_));
    service_->set_options(config_.service_options());
    if (const auto loaded = load_tls(); !loaded) {
      log(LogLevel::error, "the certificate stays as it was: {}", loaded.error().context);
    }
    log(LogLevel::info, "the configuration was read again");
  }
  systemd::notify_ready(status());
}

// Requests are answered at once, so that none is under way.
void Tracker::stop() {
  systemd::notify_stopping();
  log(LogLevel::info, "ending: {}", service_ ? status() : "before it began");
  metrics_.reset();
  https_.reset();
  http_.reset();
  io_.stop();
}

void Tracker::tick() {
  systemd::notify_status(status());
  tick_.expires_after(kTick);
  tick_.async_wait([this](error_code error) {
    if (!error) tick();
  });
}

// From the event loop: if that stands still, the service manager starts the tracker anew.
void Tracker::begin_watchdog(std::chrono::microseconds interval) {
  systemd::notify_watchdog();
  watchdog_.expires_after(interval);
  watchdog_.async_wait([this, interval](error_code error) {
    if (!error) begin_watchdog(interval);
  });
}

std::string Tracker::status() const {
  const Registry& registry = service_->registry();
  return fmt::format("{} peers ({} reachable) in {} swarms", registry.peers(),
                     registry.listed_peers(), registry.swarms());
}

std::size_t Tracker::connections() const {
  return (http_ ? http_->connections() : 0) + (https_ ? https_->connections() : 0);
}

}  // namespace

int run_tracker(const Options& options, TrackerConfig config) {
  std::signal(SIGPIPE, SIG_IGN);
  daemon::install_log(level_of(options, config), "ppspp-tracker");
  raise_descriptor_limit();
  asio::io_context io(1);
  Tracker tracker(io, options, std::move(config));
  if (const auto started = tracker.start(); !started) {
    log(LogLevel::error, "{}", started.error().context);
    return tools::exit_code_of(started.error());
  }
  io.run();
  return tools::kDone;
}

int print_ca(const TrackerConfig& config) {
  if (config.ca.key.empty()) {
    tools::complain("ppspp-tracker", "--print-ca needs the key: name its file with --ca-key");
    return tools::kUsage;
  }
  const auto issuer = open_issuer(config);
  if (!issuer) {
    tools::complain("ppspp-tracker", issuer.error().context);
    return tools::exit_code_of(issuer.error());
  }
  std::string hex;
  for (const std::byte octet : (*issuer)->dnskey()) {
    hex += fmt::format("{:02x}", std::to_integer<unsigned>(octet));
  }
  return tools::print_line("ppspp-tracker", hex) ? tools::kDone : tools::kFailed;
}

}  // namespace ppspp::tracker
