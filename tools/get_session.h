// What ppspp-get does for files and live feeds alike: one swarm that is joined, signals, the time
// that it may take, progress, and how it ends.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "content_writer.h"
#include "get_options.h"
#include "get_report.h"
#include "ppspp/ppspp.h"
#include "terminal.h"

namespace ppspp::tools {

class GetSession {
 public:
  using Clock = std::chrono::steady_clock;

  explicit GetSession(const GetCommand& command);
  virtual ~GetSession() = default;
  GetSession(const GetSession&) = delete;
  GetSession& operator=(const GetSession&) = delete;

  int run();  // returns the exit code

 protected:
  // --- What a kind of content has of its own

  virtual Result<void> prepare() { return {}; }  // before the swarm is joined
  virtual JoinOptions join_options() = 0;
  virtual void joined() = 0;
  virtual void on_signal() = 0;               // and then the session ends
  virtual std::string timed_out() const = 0;  // what to say; then the session ends
  virtual void show(const SwarmStatus& status) = 0;
  virtual void report(GetReport&) const {}
  virtual void on_lost(std::uint64_t /*octets*/) {}  // ContentWriter::Handlers
  virtual void ended() {}

  // --- For them

  // `fd` stays open.
  void start_writing(int fd, const std::string& name, bool align, std::function<void()> on_end);
  // The content is complete, and where it should be.
  void finished();
  void end(int exit_code);
  void end();
  void say(const std::string& message) const;
  // As long as nobody is there: what is done about it, and what the user can do.
  std::string waiting_for_peers(std::size_t connected) const;
  double seconds_since_start() const;
  // While no peer was found: what the trackers have to do with it, to be added to a message.
  std::string why_alone() const;

  const GetCommand& command_;
  asio::io_context io_;
  std::optional<Swarm> swarm_;
  std::optional<ContentWriter> writer_;
  asio::steady_timer timeout_;
  std::optional<double> first_byte_;  // seconds
  bool done_ = false;
  bool ending_ = false;

 private:
  Result<void> begin();
  void watch_swarm();
  void watch_clock_and_signals();
  int fail_with(const Error& error) const;
  void print_report() const;
  void tick();

  const Clock::time_point start_ = Clock::now();
  asio::signal_set signals_;
  asio::steady_timer progress_;
  std::optional<Node> node_;
  double seconds_ = 0;
  int exit_code_ = kDone;
};

}  // namespace ppspp::tools
