#include "get.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "get_live.h"
#include "get_session.h"
#include "hand_over.h"

namespace ppspp::tools {
namespace {

// A file, or static content for a player.
class Download final : public GetSession {
 public:
  using GetSession::GetSession;

 private:
  JoinOptions join_options() override {
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

  void joined() override {
    if (command_.to_stdout()) {
      start_writing(STDOUT_FILENO, "standard output", false, [this] { finished(); });
    } else {
      swarm_->on_complete([this] { finished(); });
    }
  }

  void on_signal() override {
    if (done_) return;
    say(fmt::format("interrupted{}{}{}", how_far(), why_alone(), how_to_resume()));
    end(kFailed);
  }

  std::string timed_out() const override {
    return fmt::format("not complete after {} seconds{}{}{}", *command_.timeout, how_far(),
                       why_alone(), how_to_resume());
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

  void show(const SwarmStatus& status) override {
    rate_.update(done_ ? status.uploaded_bytes : status.downloaded_bytes, RateMeter::Clock::now());
    const std::string rate = format_size(rate_.rate()) + "/s";
    if (done_) {
      return show_progress(fmt::format("complete, seeding: {}, {} peers", rate, status.channels));
    }
    if (!status.content_length || *status.content_length == 0) {
      return show_progress("waiting for a peer, " + waiting_for_peers(status.channels));
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

  RateMeter rate_;
};

// Where the daemon is with the download; it is done when all of it is there.
std::optional<int> look_at(RateMeter& rate, const control::SwarmInfo& swarm) {
  if (swarm.state == control::SwarmState::seeding || swarm.completed_at) return kDone;
  if (swarm.state != control::SwarmState::downloading || swarm.length.value_or(0) == 0) {
    show_progress(
        fmt::format("the daemon has it: {}, {} peers", to_string(swarm.state), swarm.channels));
    return std::nullopt;
  }
  rate.update(swarm.verified, RateMeter::Clock::now());
  const std::uint64_t total = *swarm.length;
  const double part = static_cast<double>(swarm.verified) / static_cast<double>(total);
  const auto left = rate.time_for(total - std::min(total, swarm.verified));
  show_progress(fmt::format("{:3.0f}% {} of {}, {}/s, {} peers, {} left", part * 100,
                            format_bar(part, 20), format_size(static_cast<double>(total)),
                            format_size(rate.rate()), swarm.channels,
                            left ? format_duration(*left) : "?"));
  return std::nullopt;
}

int run_by_daemon(const GetCommand& command) {
  RateMeter rate;
  HandOver work{.program = "ppspp-get", .socket = *command.daemon, .timeout = command.timeout};
  work.look = [&](const control::SwarmInfo& swarm) { return look_at(rate, swarm); };
  return hand_over(work, command.request);
}

}  // namespace

int run_get(const GetCommand& command) {
  if (command.daemon) return run_by_daemon(command);
  if (command.url.metadata.live) return run_live_get(command);
  return Download(command).run();
}

}  // namespace ppspp::tools
