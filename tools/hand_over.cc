#include "hand_over.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>

#include "control_client.h"
#include "metadata/text.h"
#include "program.h"
#include "table.h"
#include "terminal.h"

namespace ppspp::tools {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr auto kInterval = std::chrono::milliseconds(250);
// For an answer: signals are not seen meanwhile.
constexpr ControlClient::Seconds kPatience(5);
constexpr auto kAbsence = std::chrono::seconds(30);  // of a daemon that is being restarted

int code_of(const Error& error) {
  return error.code == Errc::timed_out ? int{kTimedOut} : exit_code_of(error);
}

class Session {
 public:
  Session(const HandOver& work, control::SwarmInfo swarm)
      : work_(work),
        client_(work.socket, kPatience),
        swarm_(std::move(swarm)),
        target_(fmt::format("/v1/swarms/{}", swarm_.number)),
        timer_(io_),
        timeout_(io_),
        signals_(io_, SIGINT, SIGTERM) {}

  int run() {
    signals_.async_wait([this](const error_code& error, int) {
      if (!error) leave("interrupted", kFailed);
    });
    if (work_.timeout) {
      const std::chrono::duration<double> time(*work_.timeout);
      timeout_.expires_after(std::chrono::duration_cast<Clock::duration>(time));
      timeout_.async_wait([this](const error_code& error) {
        if (!error) leave(fmt::format("not done after {} seconds", *work_.timeout), kTimedOut);
      });
    }
    look();
    io_.run();
    clear_progress();
    return exit_code_;
  }

 private:
  void look() {
    if (swarm_.state == control::SwarmState::failed) {
      complain(work_.program, fmt::format("the daemon failed: {}", printable(swarm_.error)));
      return end(kFailed);
    }
    if (const auto code = work_.look(swarm_)) return end(*code);
    timer_.expires_after(kInterval);
    timer_.async_wait([this](const error_code& error) {
      if (!error) ask();
    });
  }

  void ask() {
    auto swarm = client_.get_as<control::SwarmInfo>(target_);
    if (swarm) {
      lost_.reset();
      swarm_ = *std::move(swarm);
      return look();
    }
    if (!lost_) lost_ = Clock::now();
    // The daemon says itself that the swarm is gone; else it may be on its way back.
    const bool is_absent = swarm.error().code != Errc::not_found ||
                           !std::filesystem::exists(work_.socket) || !client_.get("/v1");
    if (is_absent && Clock::now() < *lost_ + kAbsence) return look();
    complain(work_.program, printable(swarm.error().context));
    end(code_of(swarm.error()));
  }

  void leave(std::string_view why, int code) {
    complain(work_.program,
             fmt::format("{}; the daemon goes on: see ppspp-ctl show {}, or end it with ppspp-ctl "
                         "remove {}",
                         why, swarm_.number, swarm_.number));
    end(code);
  }

  void end(int code) {
    exit_code_ = code;
    io_.stop();
  }

  const HandOver& work_;
  ControlClient client_;
  control::SwarmInfo swarm_;
  std::string target_;
  asio::io_context io_;
  asio::steady_timer timer_;
  asio::steady_timer timeout_;
  asio::signal_set signals_;
  std::optional<Clock::time_point> lost_;
  int exit_code_ = kDone;
};

}  // namespace

std::optional<std::filesystem::path> daemon_socket(const std::string& option) {
  if (option.empty()) return std::nullopt;
  return option == "true" ? default_control_socket() : std::filesystem::path(option);
}

Result<std::string> absolute_path(const std::string& path) {
  if (path.empty()) return fail(Errc::invalid_argument, "give the name of a file");
  std::error_code error;
  const std::string made = std::filesystem::absolute(path, error).lexically_normal();
  if (error) {
    return fail(Errc::io, fmt::format("{} cannot be made absolute: {}", ppspp::quoted(path),
                                      error.message()));
  }
  if (!is_utf8(made)) {
    return fail(Errc::not_supported,
                fmt::format("{}: the daemon takes file names in UTF-8 only; rename it, or seed it "
                            "with ppspp-seed",
                            ppspp::quoted(made)));
  }
  return made.size() > 1 && made.ends_with('/') ? made.substr(0, made.size() - 1) : made;
}

int hand_over(const HandOver& work, const control::AddRequest& request) {
  const ControlClient client(work.socket);
  auto swarm =
      ControlClient::as<control::SwarmInfo>(client.post("/v1/swarms", control::to_json(request)));
  if (!swarm) {
    complain(work.program, printable(swarm.error().context));
    return code_of(swarm.error());
  }
  return Session(work, *std::move(swarm)).run();
}

}  // namespace ppspp::tools
