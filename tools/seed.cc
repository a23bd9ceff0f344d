#include "seed.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <optional>

#include "hand_over.h"
#include "ppspp/ppspp.h"
#include "seed_live.h"
#include "terminal.h"

namespace ppspp::tools {
namespace {

constexpr std::string_view kProgram = "ppspp-seed";

class Seeder {
 public:
  explicit Seeder(const SeedCommand& command) : command_(command), signals_(io_, SIGINT, SIGTERM) {}

  int run() {
    NodeOptions options{command_.listen, command_.upload_limit, {}};
    options.discovery.local = !command_.no_local_discovery;
    options.discovery.local_means = command_.local_means;
    options.discovery.pex = !command_.no_pex;
    options.tracker_ca = command_.tracker_ca;
    options.threads = command_.threads;
    auto node = Node::open(io_, options);
    if (!node) return fail_with(node.error());
    node_.emplace(*std::move(node));
    signals_.async_wait([this](const error_code& error, int) {
      if (!error) on_signal();
    });
    node_->async_seed(command_.file, seed_options(),
                      [this](Result<Swarm> swarm) { hashed(std::move(swarm)); });
    io_.run();
    clear_progress();
    return exit_code_;
  }

 private:
  SeedOptions seed_options() {
    SeedOptions options;
    command_.swarm.apply_to(options.metadata);
    options.allow_unprotected = command_.swarm.allow_unprotected();
    options.trackers = command_.trackers;
    if (shows_progress()) {
      options.progress = [this](std::uint64_t done, std::uint64_t total) { show(done, total); };
    }
    return options;
  }

  void show(std::uint64_t done, std::uint64_t total) {
    if (swarm_) return;
    rate_.update(done, RateMeter::Clock::now());
    const double part = total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total);
    show_progress(fmt::format("hashing {} {:3.0f}% of {}, {}/s", format_bar(part, 30), part * 100,
                              format_size(static_cast<double>(total)), format_size(rate_.rate())));
  }

  void hashed(Result<Swarm> swarm) {
    clear_progress();
    if (interrupted_) return end();
    if (!swarm) {
      exit_code_ = fail_with(swarm.error());
      return end();
    }
    swarm_.emplace(*std::move(swarm));
    swarm_->on_error([this](const Error& error) {
      exit_code_ = fail_with(error);
      end();
    });
    for (const std::string& peer : command_.peers) static_cast<void>(swarm_->add_peer(peer));
    print_url();
  }

  void print_url() {
    SwarmUrl url = swarm_->url();
    url.peers = command_.advertise;
    if (print_line(kProgram, url.to_string())) return;
    exit_code_ = kFailed;
    end();
  }

  void on_signal() {
    interrupted_ = true;
    if (!swarm_) {
      complain(kProgram, "interrupted before the file was hashed");
      exit_code_ = kFailed;
    }
    end();
  }

  // A second signal ends the program the hard way, should this take too long.
  void end() {
    signals_.cancel();
    signals_.clear();
    if (swarm_) swarm_->leave();
    node_.reset();
  }

  static int fail_with(const Error& error) {
    complain(kProgram, error.context);
    return exit_code_of(error);
  }

  const SeedCommand& command_;
  asio::io_context io_;
  asio::signal_set signals_;
  std::optional<Node> node_;
  std::optional<Swarm> swarm_;
  RateMeter rate_;
  bool interrupted_ = false;
  int exit_code_ = kDone;
};

// Where the daemon is with the work: the URL is printed as soon as there is one.
std::optional<int> look_at(const SeedCommand& command, RateMeter& rate,
                           const control::SwarmInfo& swarm) {
  if (swarm.url.empty()) {
    const double total = static_cast<double>(swarm.length.value_or(0));
    const double part = total > 0 ? static_cast<double>(swarm.verified) / total : 0;
    rate.update(swarm.verified, RateMeter::Clock::now());
    show_progress(fmt::format("the daemon hashes {} {:3.0f}% of {}, {}/s", format_bar(part, 30),
                              part * 100, format_size(total), format_size(rate.rate())));
    return std::nullopt;
  }
  clear_progress();
  auto url = SwarmUrl::parse(swarm.url);
  if (!url) {
    complain(kProgram, fmt::format("the daemon's URL is none: {}", url.error().context));
    return kFailed;
  }
  if (!command.advertise.empty()) url->peers = command.advertise;
  return print_line(kProgram, url->to_string()) ? kDone : kFailed;
}

int run_by_daemon(const SeedCommand& command) {
  RateMeter rate;
  HandOver work{.program = std::string(kProgram), .socket = *command.daemon};
  work.look = [&](const control::SwarmInfo& swarm) { return look_at(command, rate, swarm); };
  return hand_over(work, command.request);
}

}  // namespace

int run_seed(const SeedCommand& command) {
  if (command.daemon) return run_by_daemon(command);
  if (command.live) return run_live_seed(command);
  return Seeder(command).run();
}

}  // namespace ppspp::tools
