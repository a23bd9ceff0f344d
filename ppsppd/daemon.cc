#include "daemon.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config_changes.h"
#include "control_api.h"
#include "gateway/gateway.h"
#include "http/http_server.h"
#include "log_ring.h"
#include "log_sink.h"
#include "metrics.h"
#include "program.h"
#include "service.h"
#include "systemd.h"

namespace ppspp::daemon {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr seconds kTick{1};
constexpr int kTicksPerStatus = 10;
constexpr seconds kRemembered{60};   // stalls and failures count for /healthz so long
constexpr seconds kLongestStop{20};  // then the daemon ends though peers were not told
constexpr seconds kLastWords{12};    // for what is still on its way to trackers by then

LogLevel level_of(const RunOptions& options) {
  const LogLevel asked = options.verbosity == 0   ? LogLevel::error
                         : options.verbosity == 1 ? LogLevel::info
                                                  : LogLevel::debug;
  return std::min(options.config.log.level, asked);
}

// The service manager sets the hard limit; the soft one is low for programs that use select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    log(LogLevel::debug, "the limit of open files stays as it is");
  }
}

boost::asio::ip::tcp::endpoint tcp_endpoint(const TransportAddress& address) {
  if (address.is_v4()) {
    return {boost::asio::ip::address_v4(address.v4_address()), address.port()};
  }
  return {boost::asio::ip::address_v6(address.bytes(), address.scope_id()), address.port()};
}

GatewayOptions gateway_options(const Config::Gateway& config) {
  GatewayOptions options;
  options.cors = config.cors;
  options.hosts = config.hosts;
  options.max_readers = config.max_readers;
  options.read_ahead = config.read_ahead;
  options.max_rate = config.max_rate;
  return options;
}

class Daemon {
 public:
  Daemon(boost::asio::io_context& io, RunOptions options)
      : io_(io),
        options_(std::move(options)),
        signals_(io, SIGTERM, SIGINT, SIGHUP),
        tick_(io),
        watchdog_(io),
        stop_deadline_(io) {}

  Result<void> start();
  // After the end: leaves what was not left. Trackers are told of it by the io_context, which then
  // has nothing else to do.
  void close() { service_.reset(); }
  int exit_code() const { return exit_code_; }

 private:
  const Config& config() const { return options_.config; }

  Result<void> open_control(const std::vector<int>& sockets);
  Result<void> open_gateway(const std::vector<int>& sockets);
  Result<void> open_metrics(const std::vector<int>& sockets);
  Result<void> adopt_all(http::Server& server, const std::vector<int>& sockets);

  void await_signal();
  void reload();
  void take_over(Config config);
  void stop();
  void end();

  void begin_tick();
  void tick();
  void begin_watchdog(std::chrono::microseconds interval);
  std::string status() const;

  void answer_other(const std::shared_ptr<http::Exchange>& exchange);
  MetricsInput metrics_input() const;
  HealthInput health_input() const;

  boost::asio::io_context& io_;
  RunOptions options_;
  boost::asio::signal_set signals_;
  boost::asio::steady_timer tick_;
  boost::asio::steady_timer watchdog_;
  boost::asio::steady_timer stop_deadline_;

  std::unique_ptr<Service> service_;
  std::unique_ptr<ControlApi> api_;
  std::unique_ptr<http::Server> control_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<http::Server> gateway_server_;
  std::unique_ptr<http::Server> metrics_;

  int ticks_ = 0;
  std::string last_status_;
  bool stopping_ = false;
  int exit_code_ = tools::kDone;
  Clock::duration longest_delay_{0};  // of the last minute
  Clock::time_point delayed_at_;
  std::uint64_t catalogue_failures_ = 0;
  std::optional<Clock::time_point> catalogue_failed_at_;
};

// In this order: what can fail for the reason that another daemon runs comes first.
Result<void> Daemon::start() {
  await_signal();
  auto sockets = systemd::take_sockets();
  if (!sockets) return tl::unexpected(sockets.error());
  auto service = Service::start(io_, config(), std::move(sockets->udp));
  if (!service) return tl::unexpected(service.error());
  service_ = std::move(*service);
  if (auto opened = open_control(sockets->control); !opened) return opened;
  if (auto opened = open_gateway(sockets->gateway); !opened) return opened;
  if (auto opened = open_metrics(sockets->metrics); !opened) return opened;
  begin_tick();
  if (const auto interval = systemd::watchdog_interval()) begin_watchdog(*interval / 2);
  last_status_ = status();
  systemd::notify_ready(last_status_);
  log(LogLevel::info, "ready: UDP {}, control {}, gateway {}",
      fmt::join(service_->daemon_info().listen, ", "), fmt::join(control_->addresses(), ", "),
      gateway_server_ ? fmt::format("{}", fmt::join(gateway_server_->addresses(), ", ")) : "off");
  return {};
}

Result<void> Daemon::adopt_all(http::Server& server, const std::vector<int>& sockets) {
  for (const int fd : sockets) {
    if (auto adopted = server.adopt(fd); !adopted) return adopted;
  }
  return {};
}

Result<void> Daemon::open_control(const std::vector<int>& sockets) {
  api_ = std::make_unique<ControlApi>(io_, *service_);
  api_->set_other([this](const auto& exchange) { answer_other(exchange); });
  http::ServerOptions options;
  options.name = "control";
  control_ = std::make_unique<http::Server>(
      io_, options, [this](auto exchange) { api_->handle(std::move(exchange)); });
  if (!sockets.empty()) return adopt_all(*control_, sockets);
  return listen_control(*control_, config().control);
}

Result<void> Daemon::open_gateway(const std::vector<int>& sockets) {
  if (sockets.empty() && !config().gateway.enabled) return {};
  gateway_ = std::make_unique<Gateway>(io_, *service_, gateway_options(config().gateway));
  http::ServerOptions options;
  options.name = "gateway";
  // Those that wait for their turn, and pages that keep a connection, beside the readers.
  options.max_connections = 2 * config().gateway.max_readers + 32;
  gateway_server_ = std::make_unique<http::Server>(
      io_, options, [this](auto exchange) { gateway_->handle(std::move(exchange)); });
  auto opened = sockets.empty() ? gateway_server_->listen(tcp_endpoint(config().gateway.listen))
                                : adopt_all(*gateway_server_, sockets);
  if (!opened) return opened;
  service_->set_gateway_address("http://" + gateway_server_->addresses().front());
  return {};
}

Result<void> Daemon::open_metrics(const std::vector<int>& sockets) {
  if (sockets.empty() && !config().metrics.listen) return {};
  http::ServerOptions options;
  options.name = "metrics";
  options.max_connections = 32;
  metrics_ = std::make_unique<http::Server>(
      io_, options, [this](const auto& exchange) { answer_other(exchange); });
  if (!sockets.empty()) return adopt_all(*metrics_, sockets);
  return metrics_->listen(tcp_endpoint(*config().metrics.listen));
}

// --- Signals

void Daemon::await_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      if (!stopping_) reload();
    } else if (stopping_ || !service_) {
      _exit(tools::kFailed);  // asked twice: somebody is in a hurry
    } else {
      stop();
    }
    await_signal();
  });
}

void Daemon::reload() {
  systemd::notify_reloading();
  if (config().path.empty()) {
    log(LogLevel::warning, "there is no configuration file to read again: {} did not exist",
        kDefaultConfigPath);
  } else if (auto read = load_config(config().path); !read) {
    for (const ConfigError& error : read.error()) log(LogLevel::error, "{}", error.to_string());
    log(LogLevel::error, "the configuration stays as it was: {} mistakes in the new one",
        read.error().size());
  } else {
    take_over(std::move(*read));
  }
  systemd::notify_ready(status());
}

void Daemon::take_over(Config read) {
  const std::vector<std::string> late = changes_that_need_restart(config(), read);
  if (!late.empty()) {
    log(LogLevel::warning, "these change with a restart only: {}", fmt::join(late, ", "));
  }
  options_.config = std::move(read);
  set_log_level(level_of(options_));
  service_->reload(config());
  if (gateway_) gateway_->set_options(gateway_options(config().gateway));
  log(LogLevel::info, "the configuration was read again");
}

void Daemon::stop() {
  stopping_ = true;
  systemd::notify_stopping();
  log(LogLevel::info, "ending: taking leave of peers");
  tick_.cancel();
  metrics_.reset();
  gateway_server_.reset();
  gateway_.reset();
  control_.reset();
  api_.reset();
  stop_deadline_.expires_after(kLongestStop);
  stop_deadline_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    log(LogLevel::warning, "not all is in order after {} s: ending anyhow", kLongestStop.count());
    exit_code_ = tools::kFailed;
    end();
  });
  service_->stop([this] { end(); });
}

void Daemon::end() {
  stop_deadline_.cancel();
  watchdog_.cancel();
  signals_.cancel();
  io_.stop();
}

// --- Once a second

void Daemon::begin_tick() {
  tick_.expires_after(kTick);
  tick_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    tick();
    begin_tick();
  });
}

void Daemon::tick() {
  const auto now = Clock::now();
  const auto delay = now - tick_.expiry();
  if (delay >= longest_delay_ || now - delayed_at_ > kRemembered) {
    longest_delay_ = delay;
    delayed_at_ = now;
  }
  if (++ticks_ % kTicksPerStatus != 0) return;
  const std::uint64_t failures = service_->snapshot().catalogue_failures;
  if (failures != catalogue_failures_) {
    catalogue_failures_ = failures;
    catalogue_failed_at_ = now;
  }
  std::string text = status();
  if (text == last_status_) return;
  systemd::notify_status(text);
  last_status_ = std::move(text);
}

// From the event loop: if that stands still, the service manager starts the daemon anew.
void Daemon::begin_watchdog(std::chrono::microseconds interval) {
  systemd::notify_watchdog();
  watchdog_.expires_after(interval);
  watchdog_.async_wait([this, interval](const boost::system::error_code& error) {
    if (!error) begin_watchdog(interval);
  });
}

std::string Daemon::status() const {
  const control::DaemonInfo info = service_->daemon_info();
  return fmt::format("{} swarms, {} channels, {} KiB/s up, {} KiB/s down", info.swarms,
                     info.channels, info.upload_rate / 1024, info.download_rate / 1024);
}

// --- /metrics and /healthz

void Daemon::answer_other(const std::shared_ptr<http::Exchange>& exchange) {
  const http::Request& request = exchange->request();
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (request.path == "/metrics" && reads) {
    exchange->respond(200, {{"Content-Type", std::string(kMetricsType)}},
                      metrics_text(metrics_input()));
  } else if (request.path == "/healthz" && reads) {
    Health health = assess(health_input());
    exchange->respond(health.good ? 200 : 503,
                      {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
                      std::move(health.json));
  } else if (request.path == "/metrics" || request.path == "/healthz") {
    exchange->respond(405, {{"Allow", "GET, HEAD"}, {"Content-Type", "text/plain"}},
                      "only GET and HEAD\n");
  } else {
    exchange->respond(404, {{"Content-Type", "text/plain"}},
                      "there are /metrics and /healthz, and on the control socket /v1\n");
  }
}

MetricsInput Daemon::metrics_input() const {
  MetricsInput input;
  input.snapshot = service_->snapshot();
  input.process = ProcessUsage::now();
  if (control_) input.control_connections = control_->connections();
  if (gateway_server_) input.gateway_connections = gateway_server_->connections();
  if (gateway_) input.gateway_bytes = gateway_->bytes_sent();
  if (api_) input.event_subscribers = api_->subscribers();
  return input;
}

HealthInput Daemon::health_input() const {
  HealthInput input;
  const auto now = Clock::now();
  const Snapshot snapshot = service_->snapshot();
  input.state_directory = config().state.directory;
  struct statvfs disk = {};
  if (statvfs(config().state.directory.c_str(), &disk) == 0) {
    input.disk_size = std::uint64_t{disk.f_blocks} * disk.f_frsize;
    input.disk_free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  }
  for (const auto& [kind, states] : snapshot.swarms) {
    const auto failed = states.find(control::SwarmState::failed);
    if (failed != states.end()) input.failed_swarms += failed->second;
  }
  if (now - delayed_at_ <= kRemembered) {
    input.loop_delay_seconds = std::chrono::duration<double>(longest_delay_).count();
  }
  input.catalogue_failing = snapshot.catalogue_failures != catalogue_failures_ ||
                            (catalogue_failed_at_ && now - *catalogue_failed_at_ <= kRemembered);
  return input;
}

}  // namespace

int run_daemon(RunOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  install_log(level_of(options), "ppsppd", [](LogLevel level, std::string_view line) {
    log_ring().add(level, std::string(line));
  });
  raise_descriptor_limit();
  boost::asio::io_context io(1);
  Daemon daemon(io, std::move(options));
  if (const auto started = daemon.start(); !started) {
    log(LogLevel::error, "{}", started.error().context);
    return tools::exit_code_of(started.error());
  }
  io.run();
  daemon.close();
  io.restart();
  io.run_for(kLastWords);
  return daemon.exit_code();
}

}  // namespace ppspp::daemon
