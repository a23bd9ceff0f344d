#include "get_session.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <utility>

namespace ppspp::tools {
namespace {

constexpr std::string_view kProgram = "ppspp-get";
constexpr double kPatience = 3;  // seconds, in which who is there answers
constexpr auto kProgressInterval = std::chrono::milliseconds(200);

}  // namespace

GetSession::GetSession(const GetCommand& command)
    : command_(command), timeout_(io_), signals_(io_, SIGINT, SIGTERM), progress_(io_) {}

int GetSession::run() {
  if (const auto begun = begin(); !begun) {
    end(fail_with(begun.error()));
    io_.run();
    return exit_code_;
  }
  io_.run();
  clear_progress();
  if (command_.json) print_report();
  return exit_code_;
}

Result<void> GetSession::begin() {
  if (auto prepared = prepare(); !prepared) return prepared;
  const auto listen = command_.listen.empty() ? std::vector{TransportAddress{}} : command_.listen;
  NodeOptions options{listen, command_.upload_limit, command_.download_limit};
  options.discovery.local = !command_.no_local_discovery;
  options.discovery.local_means = command_.local_means;
  options.discovery.pex = !command_.no_pex;
  options.tracker_ca = command_.tracker_ca;
  options.threads = command_.threads;
  auto node = Node::open(io_, options);
  if (!node) return tl::unexpected(node.error());
  node_.emplace(*std::move(node));
  auto swarm = node_->join(command_.url, join_options());
  if (!swarm) return tl::unexpected(swarm.error());
  swarm_.emplace(*std::move(swarm));
  watch_swarm();
  watch_clock_and_signals();
  joined();
  return {};
}

void GetSession::watch_swarm() {
  swarm_->on_first_byte([this] { first_byte_ = seconds_since_start(); });
  swarm_->on_error([this](const Error& error) { end(fail_with(error)); });
}

void GetSession::watch_clock_and_signals() {
  signals_.async_wait([this](const error_code& error, int) {
    if (error) return;
    on_signal();
    end();
  });
  if (command_.timeout) {
    const std::chrono::duration<double> time(*command_.timeout);
    timeout_.expires_after(std::chrono::duration_cast<Clock::duration>(time));
    timeout_.async_wait([this](const error_code& error) {
      if (error || done_ || ending_) return;
      say(timed_out());
      end(kTimedOut);
    });
  }
  if (shows_progress()) tick();
}

void GetSession::start_writing(int fd, const std::string& name, bool align,
                               std::function<void()> on_end) {
  writer_.emplace(io_, fd, name, align);
  writer_->start(*swarm_, {std::move(on_end),
                           // The player was closed, say: there is nobody to work for, and nobody
                           // wants to hear of it.
                           [this] { end(kFailed); },
                           [this](const std::string& error) {
                             say(error);
                             end(kFailed);
                           },
                           [this](std::uint64_t octets) { on_lost(octets); }});
}

void GetSession::finished() {
  done_ = true;
  seconds_ = seconds_since_start();
  timeout_.cancel();
  if (!command_.stay) end();
}

void GetSession::end(int exit_code) {
  if (!ending_) exit_code_ = exit_code;
  end();
}

// A second signal ends the program the hard way, should this take too long.
void GetSession::end() {
  if (std::exchange(ending_, true)) return;
  signals_.cancel();
  signals_.clear();
  timeout_.cancel();
  progress_.cancel();
  clear_progress();
  if (seconds_ == 0) seconds_ = seconds_since_start();
  ended();
  if (swarm_) swarm_->leave();
  writer_.reset();
  node_.reset();
}

void GetSession::say(const std::string& message) const {
  complain(kProgram, message);
}

std::string GetSession::waiting_for_peers(std::size_t connected) const {
  const bool only_local = command_.url.peers.empty();
  if (connected > 0 || !only_local) return fmt::format("{} connected", connected);
  if (seconds_since_start() < kPatience) return "looking on the local network";
  return "none on this network yet: name one with --peer HOST:PORT";
}

double GetSession::seconds_since_start() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

int GetSession::fail_with(const Error& error) const {
  say(error.context);
  return exit_code_of(error);
}

std::string GetSession::why_alone() const {
  if (!swarm_ || swarm_->status().peers_seen > 0) return "";
  for (const TrackerStatus& tracker : swarm_->trackers()) {
    if (tracker.state == TrackerState::failing) return "; " + describe_failure(tracker);
  }
  return "";
}

void GetSession::print_report() const {
  GetReport report;
  report.swarm_id = command_.url.metadata.id.to_hex();
  report.output = command_.output;
  report.chunk_size = command_.url.metadata.chunk_size;
  report.complete = done_;
  report.seconds = seconds_;
  report.seconds_to_first_byte = first_byte_;
  report.status = swarm_->status();
  this->report(report);
  const std::string line = to_json(report) + "\n";
  std::fwrite(line.data(), 1, line.size(), command_.to_stdout() ? stderr : stdout);
}

void GetSession::tick() {
  show(swarm_->status());
  progress_.expires_after(kProgressInterval);
  progress_.async_wait([this](const error_code& error) {
    if (!error && !ending_) tick();
  });
}

}  // namespace ppspp::tools
