#include "get_live.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "get_session.h"
#include "live_output.h"

namespace ppspp::tools {
namespace {

constexpr auto kSkipLogInterval = std::chrono::seconds(1);

std::string count_of_chunks(std::uint64_t count) {
  return fmt::format("{} chunk{}", count, count == 1 ? "" : "s");
}

class LiveViewer final : public GetSession {
 public:
  explicit LiveViewer(const GetCommand& command) : GetSession(command), skip_timer_(io_) {}

 private:
  Result<void> prepare() override {
    auto output = LiveOutput::open(command_.output, command_.force);
    if (!output) return tl::unexpected(output.error());
    output_.emplace(*std::move(output));
    return {};
  }

  JoinOptions join_options() override {
    JoinOptions options;
    options.live = command_.live;
    return options;
  }

  void joined() override {
    swarm_->on_first_byte([this] { tuned_in(); });
    swarm_->on_skipped([this](const event::Skipped& skipped) { on_skipped(skipped); });
    swarm_->on_delivered([this] {
      delivered_ = true;
      maybe_finished();
    });
    start_writing(output_->fd(), output_->name(), true, [this] { written(); });
  }

  void tuned_in() {
    first_byte_ = seconds_since_start();
    first_chunk_ = live_status().position;
    timeout_.cancel();
  }

  // --- The end

  void written() {
    bytes_ = writer_->bytes_written();
    writer_.reset();
    written_ = true;
    const auto closed = output_->close();
    if (!closed) {
      say(closed.error().context);
      return end(kFailed);
    }
    tell_gaps();
    const std::uint64_t skipped = live_status().chunks_skipped;
    say(fmt::format("the feed has ended: {}{}", how_much(),
                    skipped == 0 ? "" : fmt::format(", {} skipped", count_of_chunks(skipped))));
    maybe_finished();
  }

  // Others may still need something of us.
  void maybe_finished() {
    if (written_ && delivered_ && !done_) finished();
  }

  void on_signal() override {
    if (written_) return;
    say(first_byte_ ? fmt::format("interrupted after {}", how_much())
                    : "interrupted before anything came");
    end(kFailed);
  }

  std::string timed_out() const override {
    return fmt::format(
        "nothing came for {} seconds: check that the feed goes on, and that one of "
        "its peers can be reached{}",
        *command_.timeout, why_alone());
  }

  void ended() override {
    skip_timer_.cancel();
    tell_gaps();
    if (writer_) bytes_ = writer_->bytes_written();
    if (output_ && bytes_ == 0) output_->discard();
  }

  std::string how_much() const {
    const std::uint64_t bytes = writer_ ? writer_->bytes_written() : bytes_;
    const double seconds = seconds_since_start() - first_byte_.value_or(0);
    return fmt::format("{} in {}", format_size(static_cast<double>(bytes)),
                       format_duration(std::chrono::seconds(static_cast<std::int64_t>(seconds))));
  }

  // --- What came too late

  void on_skipped(const event::Skipped& skipped) {
    ++skips_;
    // More than ever came: the source began anew, with other numbers. That says nothing of its
    // rate.
    if (skipped.missing > skipped.chunks.begin - std::min(skipped.chunks.begin, first_chunk_)) {
      rate_known_ = false;
    }
    untold_skips_ += skipped.missing;
    unread_skips_ += skipped.missing;
    tell_soon();
  }

  // What came in time, and had to make way before the output took it. The reader sees both as gaps.
  void on_lost(std::uint64_t octets) override {
    const std::uint64_t chunks = octets / command_.url.metadata.chunk_size;
    const std::uint64_t late = std::min(chunks, std::exchange(unread_skips_, 0));
    chunks_lost_ += chunks - late;
    untold_losses_ += chunks - late;
    tell_soon();
  }

  void tell_soon() {
    if (telling_) return;
    telling_ = true;
    tell_gaps();
    wait_to_tell();
  }

  // At most one line a second.
  void wait_to_tell() {
    skip_timer_.expires_after(kSkipLogInterval);
    skip_timer_.async_wait([this](const error_code& error) {
      if (error || ending_) return;
      telling_ = untold_skips_ + untold_losses_ > 0;
      tell_gaps();
      if (telling_) wait_to_tell();
    });
  }

  void tell_gaps() {
    if (const auto chunks = std::exchange(untold_losses_, 0); chunks > 0) {
      say(fmt::format("skipped {}: {} is too slow for the feed", count_of_chunks(chunks),
                      output_->name()));
    }
    const auto chunks = std::exchange(untold_skips_, 0);
    if (chunks == 0) return;
    std::string time;
    if (const auto rate = chunks_per_second()) {
      time = fmt::format(" ({:.0f} ms)", static_cast<double>(chunks) / *rate * 1000);
    }
    say(fmt::format("skipped {}{} that came too late", count_of_chunks(chunks), time));
  }

  // Of the feed, once it can be told.
  std::optional<double> chunks_per_second() const {
    const ChunkIndex position = live_status().position;
    const double seconds = seconds_since_start() - first_byte_.value_or(0);
    if (!first_byte_ || !rate_known_ || seconds < 1 || position <= first_chunk_)
      return std::nullopt;
    return static_cast<double>(position - first_chunk_) / seconds;
  }

  // --- Progress

  LiveStatus live_status() const { return swarm_->status().live.value_or(LiveStatus{}); }

  void show(const SwarmStatus& status) override {
    const LiveStatus live = status.live.value_or(LiveStatus{});
    rate_.update(written_ ? status.uploaded_bytes : status.downloaded_bytes,
                 RateMeter::Clock::now());
    const std::string rate = format_size(rate_.rate()) + "/s";
    if (written_) {
      return show_progress(
          fmt::format("the feed has ended, serving: {}, {} peers", rate, status.channels));
    }
    if (!live.tuned_in) {
      return show_progress("waiting for the feed, " + waiting_for_peers(status.channels));
    }
    show_progress(fmt::format("{}, {:.2f} s behind, {} skipped, {} peers, {}", rate,
                              static_cast<double>(live.latency.median.count()) / 1e6,
                              live.chunks_skipped, status.channels, how_much()));
  }

  void report(GetReport& report) const override {
    report.complete = written_;
    report.skips = skips_;
    report.chunks_lost = chunks_lost_;
  }

  std::optional<LiveOutput> output_;
  asio::steady_timer skip_timer_;
  RateMeter rate_;
  ChunkIndex first_chunk_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t skips_ = 0;
  std::uint64_t chunks_lost_ = 0;
  std::uint64_t untold_skips_ = 0;   // chunks
  std::uint64_t untold_losses_ = 0;  // chunks
  std::uint64_t unread_skips_ = 0;   // chunks whose gap the reader has not come to
  bool rate_known_ = true;           // chunk numbers tell it
  bool telling_ = false;             // a line was written within the last second
  bool written_ = false;             // the feed has ended, and all of it was written
  bool delivered_ = false;
};

}  // namespace

int run_live_get(const GetCommand& command) {
  return LiveViewer(command).run();
}

}  // namespace ppspp::tools
