#include "seed_live.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <utility>

#include "ppspp/ppspp.h"
#include "terminal.h"

namespace ppspp::tools {
namespace {

constexpr std::string_view kProgram = "ppspp-seed";
constexpr auto kProgressInterval = std::chrono::milliseconds(200);
constexpr auto kLossInterval = std::chrono::seconds(10);  // between two lines about lost datagrams

// What signs the feed, and how its chunks are numbered.
struct FeedKey {
  SigningKey key;
  std::shared_ptr<FeedNumbers> numbers;  // none for a fresh key
};

Result<FeedKey> fresh_key(const LiveCommand& live) {
  auto key = SigningKey::generate(live.signature.value_or(SignatureAlgorithm::ecdsap256sha256));
  if (!key) return tl::unexpected(key.error());
  return FeedKey{*std::move(key), nullptr};
}

Result<FeedKey> key_from_file(const LiveCommand& live) {
  auto file = open_key_file(live.key, live.signature);
  if (!file) return tl::unexpected(file.error());
  auto numbers = FeedNumbers::open(live.key);
  if (!numbers) return tl::unexpected(numbers.error());
  if (!live.record.empty() && numbers->first() > 0) {
    return fail(Errc::invalid_argument,
                fmt::format("the key {} was used before, and a recording begins with a feed's "
                            "first chunk: give --record a fresh key",
                            live.key.string()));
  }
  if (file->created) {
    complain(kProgram,
             fmt::format("made the key {}: whoever has it can publish under the feed's ID, so keep "
                         "it secret",
                         live.key.string()));
  }
  return FeedKey{std::move(file->key), std::make_shared<FeedNumbers>(*std::move(numbers))};
}

class LivePublisher {
 public:
  explicit LivePublisher(const SeedCommand& command)
      : command_(command), live_(*command.live), signals_(io_, SIGINT, SIGTERM), progress_(io_) {}

  int run() {
    if (const auto begun = begin(); !begun) finish(fail_with(begun.error()));
    io_.run();
    clear_progress();
    return exit_code_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  Result<void> begin() {
    auto input = open_input(io_, live_.input, live_.pace);
    if (!input) return tl::unexpected(input.error());
    input_ = *std::move(input);
    auto key = live_.key.empty() ? fresh_key(live_) : key_from_file(live_);
    if (!key) return tl::unexpected(key.error());
    NodeOptions options{command_.listen, command_.upload_limit, {}};
    options.discovery.local = !command_.no_local_discovery;
    options.discovery.local_means = command_.local_means;
    options.discovery.pex = !command_.no_pex;
    options.tracker_ca = command_.tracker_ca;
    options.threads = command_.threads;
    auto node = Node::open(io_, options);
    if (!node) return tl::unexpected(node.error());
    node_.emplace(*std::move(node));
    auto feed = node_->feed(std::move(key->key), feed_options(std::move(key->numbers)));
    if (!feed) return tl::unexpected(feed.error());
    feed_.emplace(*std::move(feed));
    watch_feed();
    watch_signals();
    if (!print_url(feed_->swarm())) return {};
    if (live_.key.empty()) {
      complain(
          kProgram,
          "the feed's ID lives as long as this process: to keep it, give --key FILE next time");
    }
    start_input();
    if (shows_progress()) tick();
    return {};
  }

  FeedOptions feed_options(std::shared_ptr<FeedNumbers> numbers) const {
    FeedOptions options;
    options.metadata.live = true;
    options.metadata.integrity = IntegrityMethod::unified_merkle;
    command_.swarm.apply_to(options.metadata);
    options.metadata.chunks_per_signature = live_.chunks_per_signature;
    options.trackers = command_.trackers;
    options.live.discard_window = live_.discard_window;
    if (live_.input.kind == InputName::Kind::file) {
      options.display_name = live_.input.path.filename().string();
    }
    if (!live_.record.empty()) {
      options.display_name = live_.record.filename().string();
      options.record = live_.record;
      options.force = live_.force;
      options.live.discard_window = LiveSourceSettings::kKeepAll;
    } else if (numbers) {
      options.live.first_chunk = numbers->first();
    }
    options.numbers = std::move(numbers);
    return options;
  }

  void watch_feed() {
    feed_->swarm().on_error([this](const Error& error) { finish(fail_with(error)); });
    if (!live_.record.empty()) feed_->swarm().on_complete([this] { seed_recording(); });
    feed_->on_delivered([this] {
      delivered_ = true;
      maybe_finished();
    });
    for (const std::string& peer : command_.peers) {
      static_cast<void>(feed_->swarm().add_peer(peer));
    }
  }

  bool print_url(const Swarm& swarm) {
    SwarmUrl url = swarm.url();
    url.peers = command_.advertise;
    const bool printed = print_line(kProgram, url.to_string());
    if (!printed) finish(kFailed);
    return printed;
  }

  // --- The feed

  void start_input() {
    start_ = Clock::now();
    input_->start({[this](std::span<const std::byte> bytes) { append(bytes); },
                   [this] { end_feed(); },
                   [this](const Error& error) {
                     exit_code_ = fail_with(error);
                     end_feed();  // what has come is worth having
                   }});
  }

  void append(std::span<const std::byte> bytes) {
    const auto appended = feed_->append(asio::buffer(bytes.data(), bytes.size()));
    if (!appended) return finish(fail_with(appended.error()));
    bytes_ += bytes.size();
    const auto now = Clock::now();
    if (input_->datagrams_lost() > lost_told_ && now >= next_loss_line_) {
      next_loss_line_ = now + kLossInterval;
      lost_told_ = input_->datagrams_lost();
      complain(kProgram,
               fmt::format("the system had to drop {} datagrams of the input so far: raise "
                           "net.core.rmem_max with sysctl, so that more of them can wait",
                           lost_told_));
    }
  }

  void end_feed() {
    if (feed_ended_ || finishing_) return;
    feed_ended_ = true;
    input_->stop();
    feed_->end();
    complain(kProgram, fmt::format("the feed has ended: {}", how_much()));
  }

  std::string how_much() const {
    const auto time = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - start_);
    const std::uint64_t lost = input_->datagrams_lost();
    return fmt::format("{} in {}{}", format_size(static_cast<double>(bytes_)),
                       format_duration(time),
                       lost == 0 ? "" : fmt::format(", {} datagrams of the input were lost", lost));
  }

  // --- The recording

  void seed_recording() {
    if (finishing_) return;
    node_->async_seed_recording(*feed_,
                                [this](Result<Swarm> swarm) { recorded(std::move(swarm)); });
  }

  void recorded(Result<Swarm> swarm) {
    if (finishing_) return;
    if (!swarm) {
      complain(kProgram, swarm.error().context);
      return finish(kFailed);
    }
    recording_.emplace(*std::move(swarm));
    recording_->on_error([this](const Error& error) { finish(fail_with(error)); });
    if (!print_url(*recording_)) return;
    if (!stop_after_feed_) complain(kProgram, "seeding the recording until interrupted");
    maybe_finished();
  }

  // --- How it ends

  void watch_signals() {
    signals_.async_wait([this](const error_code& error, int signal) {
      if (error) return;
      watch_signals();
      on_signal(signal);
    });
  }

  // The first one ends the feed, the next one the program, whoever still wants something of it.
  // SIGTERM is for both, but lets the feed end in good order. A recording goes on after SIGINT.
  void on_signal(int signal) {
    if (feed_ended_) return finish(exit_code_);
    stop_after_feed_ = signal == SIGTERM;
    end_feed();
  }

  void maybe_finished() {
    if (!delivered_ || finishing_) return;
    if (live_.record.empty()) return finish(exit_code_);
    if (!recording_) return;
    if (stop_after_feed_ || exit_code_ != kDone) return finish(exit_code_);
    feed_->swarm().leave();
  }

  // Another signal ends the program the hard way, should this take too long.
  void finish(int exit_code) {
    if (std::exchange(finishing_, true)) return;
    exit_code_ = exit_code;
    signals_.cancel();
    signals_.clear();
    progress_.cancel();
    clear_progress();
    if (input_) input_->stop();
    if (feed_) feed_->swarm().leave();
    if (recording_) recording_->leave();
    node_.reset();
  }

  static int fail_with(const Error& error) {
    complain(kProgram, error.context);
    return exit_code_of(error);
  }

  // --- Progress

  void tick() {
    show();
    progress_.expires_after(kProgressInterval);
    progress_.async_wait([this](const error_code& error) {
      if (!error && !finishing_) tick();
    });
  }

  void show() {
    const SwarmStatus status = feed_->swarm().status();
    const SwarmStatus recorded = recording_ ? recording_->status() : SwarmStatus{};
    const auto now = RateMeter::Clock::now();
    rate_in_.update(bytes_, now);
    rate_out_.update(status.uploaded_bytes + recorded.uploaded_bytes, now);
    const std::string out = format_size(rate_out_.rate()) + "/s";
    if (recording_) {
      return show_progress(
          fmt::format("seeding the recording: {}, {} peers", out, recorded.channels));
    }
    const std::uint64_t width = status.live.value_or(LiveStatus{}).chunks_per_signature;
    show_progress(fmt::format("in {}/s, out {}, {} peers, {} chunks per signature, {}",
                              format_size(rate_in_.rate()), out, status.channels,
                              width == 0 ? "?" : fmt::format("{}", width), how_much()));
  }

  const SeedCommand& command_;
  const LiveCommand& live_;
  asio::io_context io_;
  asio::signal_set signals_;
  asio::steady_timer progress_;
  std::unique_ptr<LiveInput> input_;
  std::optional<Node> node_;
  std::optional<LiveFeed> feed_;
  std::optional<Swarm> recording_;
  RateMeter rate_in_;
  RateMeter rate_out_;
  Clock::time_point start_;
  Clock::time_point next_loss_line_;
  std::uint64_t bytes_ = 0;
  std::uint64_t lost_told_ = 0;
  bool feed_ended_ = false;
  bool delivered_ = false;
  bool stop_after_feed_ = false;  // do not go on with the recording
  bool finishing_ = false;
  int exit_code_ = kDone;
};

}  // namespace

int run_live_seed(const SeedCommand& command) {
  return LivePublisher(command).run();
}

}  // namespace ppspp::tools
