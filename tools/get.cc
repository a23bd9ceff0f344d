#include "get.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>

#include "get_report.h"
#include "output_stream.h"
#include "ppspp/ppspp.h"
#include "terminal.h"

namespace ppspp::tools {
namespace {

constexpr std::string_view kProgram = "ppspp-get";
constexpr std::size_t kBufferSize = std::size_t{256} << 10;
constexpr auto kProgressInterval = std::chrono::milliseconds(200);

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Getter {
 public:
  explicit Getter(const GetCommand& command)
      : command_(command),
        signals_(io_, SIGINT, SIGTERM),
        timeout_(io_),
        progress_(io_),
        listen_(command.listen.empty() ? std::vector{TransportAddress{}} : command.listen) {}

  int run() {
    if (const auto begun = begin(); !begun) {
      end();
      io_.run();
      return fail_with(begun.error());
    }
    io_.run();
    clear_progress();
    if (command_.json && swarm_) print_report();
    return exit_code_;
  }

 private:
  Result<void> begin() {
    auto node =
        Node::open(io_, NodeOptions{listen_, command_.upload_limit, command_.download_limit});
    if (!node) return tl::unexpected(node.error());
    node_.emplace(*std::move(node));
    auto swarm = node_->join(command_.url, join_options());
    if (!swarm) return tl::unexpected(swarm.error());
    swarm_.emplace(*std::move(swarm));
    watch_swarm();
    watch_clock_and_signals();
    if (command_.to_stdout()) start_writing();
    return {};
  }

  JoinOptions join_options() {
    JoinOptions options;
    if (!command_.to_stdout()) options.output = command_.output;
    options.force = command_.force;
    options.allow_unprotected = command_.allow_unprotected;
    if (command_.to_stdout()) options.policy = PickPolicy::in_order;
    if (shows_progress()) {
      options.check_progress = [](std::uint64_t done, std::uint64_t total) {
        const double part = total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total);
        show_progress(fmt::format("checking what is there: {:.0f}%", part * 100));
      };
    }
    return options;
  }

  void watch_swarm() {
    swarm_->on_first_byte([this] { first_byte_ = seconds_since(start_); });
    swarm_->on_error([this](const Error& error) {
      exit_code_ = fail_with(error);
      end();
    });
    swarm_->on_complete([this] {
      if (!command_.to_stdout()) finished();
    });
  }

  void watch_clock_and_signals() {
    signals_.async_wait([this](const error_code& error, int) {
      if (!error) on_signal();
    });
    if (command_.timeout) {
      const std::chrono::duration<double> time(*command_.timeout);
      timeout_.expires_after(std::chrono::duration_cast<Clock::duration>(time));
      timeout_.async_wait([this](const error_code& error) {
        if (!error && !done_) on_timeout();
      });
    }
    if (shows_progress()) tick();
  }

  // --- Standard output

  void start_writing() {
    output_.emplace(io_, STDOUT_FILENO);
    output_->watch([this] { reader_gone(); });
    buffer_.resize(kBufferSize);
    read();
  }

  void read() {
    swarm_->reader().async_read_some(
        asio::buffer(buffer_), [this](const error_code& error, std::size_t size) {
          if (ending_) return;
          if (!error) return write(size);
          if (error == asio::error::eof) return finished();
          complain(kProgram, fmt::format("cannot read what was downloaded: {}", error.message()));
          exit_code_ = kFailed;
          end();
        });
  }

  void write(std::size_t size) {
    output_->write(std::span(buffer_).first(size), [this](const error_code& error) {
      if (ending_) return;
      if (!error) return read();
      if (error.value() == EPIPE) return reader_gone();
      complain(kProgram, fmt::format("cannot write to standard output: {}", error.message()));
      exit_code_ = kFailed;
      end();
    });
  }

  // The player was closed, say: there is nobody to work for, and nobody wants to hear of it.
  void reader_gone() {
    if (done_ || ending_) return;
    exit_code_ = kFailed;
    end();
  }

  // --- How it ends

  void finished() {
    done_ = true;
    seconds_ = seconds_since(start_);
    timeout_.cancel();
    if (output_) output_->cancel();
    if (!command_.stay) end();
  }

  void on_signal() {
    if (!done_) {
      complain(kProgram, fmt::format("interrupted{}{}", how_far(), how_to_resume()));
      exit_code_ = kFailed;
    }
    end();
  }

  void on_timeout() {
    complain(kProgram, fmt::format("not complete after {} seconds{}{}", *command_.timeout,
                                   how_far(), how_to_resume()));
    exit_code_ = kTimedOut;
    end();
  }

  std::string how_far() const {
    const SwarmStatus status = swarm_->status();
    if (!status.content_length || *status.content_length == 0) return "";
    const double part =
        static_cast<double>(status.verified_bytes) / static_cast<double>(*status.content_length);
    return fmt::format(" at {:.1f}%", part * 100);
  }

  std::string how_to_resume() const {
    return command_.to_stdout() ? "" : ": run the same command again to resume";
  }

  // A second signal ends the program the hard way, should this take too long.
  void end() {
    if (std::exchange(ending_, true)) return;
    signals_.cancel();
    signals_.clear();
    timeout_.cancel();
    progress_.cancel();
    clear_progress();
    if (seconds_ == 0) seconds_ = seconds_since(start_);
    if (swarm_) swarm_->leave();
    output_.reset();
    node_.reset();
  }

  static int fail_with(const Error& error) {
    complain(kProgram, error.context);
    return exit_code_of(error);
  }

  void print_report() const {
    GetReport report;
    report.swarm_id = command_.url.metadata.id.to_hex();
    report.output = command_.output;
    report.complete = done_;
    report.seconds = seconds_;
    report.seconds_to_first_byte = first_byte_;
    report.status = swarm_->status();
    const std::string line = to_json(report) + "\n";
    std::fwrite(line.data(), 1, line.size(), command_.to_stdout() ? stderr : stdout);
  }

  // --- Progress

  void tick() {
    show(swarm_->status());
    progress_.expires_after(kProgressInterval);
    progress_.async_wait([this](const error_code& error) {
      if (!error && !ending_) tick();
    });
  }

  void show(const SwarmStatus& status) {
    rate_.update(done_ ? status.uploaded_bytes : status.downloaded_bytes, RateMeter::Clock::now());
    const std::string rate = format_size(rate_.rate()) + "/s";
    if (done_) {
      return show_progress(fmt::format("complete, seeding: {}, {} peers", rate, status.channels));
    }
    if (!status.content_length || *status.content_length == 0) {
      return show_progress(fmt::format("waiting for a peer, {} connected", status.channels));
    }
    const std::uint64_t total = *status.content_length;
    const double part = static_cast<double>(status.verified_bytes) / static_cast<double>(total);
    const auto left = rate_.time_for(total - std::min(total, status.verified_bytes));
    show_progress(fmt::format("{:3.0f}% {} {} of {}, {}, {} peers, {} left", part * 100,
                              format_bar(part, 20),
                              format_size(static_cast<double>(status.verified_bytes)),
                              format_size(static_cast<double>(total)), rate, status.channels,
                              left ? format_duration(*left) : "?"));
  }

  const GetCommand& command_;
  const Clock::time_point start_ = Clock::now();
  asio::io_context io_;
  asio::signal_set signals_;
  asio::steady_timer timeout_;
  asio::steady_timer progress_;
  std::vector<TransportAddress> listen_;
  std::optional<Node> node_;
  std::optional<Swarm> swarm_;
  std::optional<OutputStream> output_;
  std::vector<std::byte> buffer_;
  RateMeter rate_;
  std::optional<double> first_byte_;
  double seconds_ = 0;
  bool done_ = false;  // verified, and on disk or written to standard output
  bool ending_ = false;
  int exit_code_ = kDone;
};

}  // namespace

int run_get(const GetCommand& command) {
  return Getter(command).run();
}

}  // namespace ppspp::tools
