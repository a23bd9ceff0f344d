#include "live_feeder.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <utility>

#include "base/log.h"
#include "control/json.h"
#include "ppspp/key_file.h"
#include "service_tools.h"

namespace ppspp::daemon {

using control::SwarmState;

namespace {

constexpr std::chrono::seconds kLongestPause{30};

Result<std::optional<SignatureAlgorithm>> algorithm_of(const std::string& name) {
  if (name.empty()) return std::nullopt;
  const auto algorithm = parse_signature_algorithm(name);
  if (!algorithm) {
    return fail(Errc::invalid_argument,
                fmt::format("'{}' is no signature algorithm that is known", name));
  }
  return algorithm;
}

}  // namespace

LiveFeeder::LiveFeeder(Service::Impl& service, SwarmEntry& entry)
    : service_(service), number_(entry.record.number), timer_(service.io_) {}

LiveFeeder::~LiveFeeder() {
  stop();
}

SwarmEntry* LiveFeeder::entry() {
  return service_.find(number_);
}

Result<void> LiveFeeder::check(const control::AddLive& request) {
  const auto name = tools::parse_input(request.input);
  if (!name) return tl::unexpected(name.error());
  if (name->kind == tools::InputName::Kind::standard_input) {
    return fail(Errc::invalid_argument,
                "the daemon has no standard input: name udp://ADDR:PORT or file:PATH");
  }
  if (name->kind == tools::InputName::Kind::file && !name->path.is_absolute()) {
    return fail(Errc::invalid_argument,
                fmt::format("the input '{}' is not absolute: the daemon runs in another directory",
                            request.input));
  }
  if (name->kind == tools::InputName::Kind::udp && request.pace) {
    return fail(Errc::invalid_argument, "a pace is for files: a UDP feed comes at its own speed");
  }
  const auto algorithm = algorithm_of(request.signature);
  if (!algorithm) return tl::unexpected(algorithm.error());
  return {};
}

Result<void> LiveFeeder::begin() {
  SwarmEntry* found = entry();
  const auto request = control::from_json<control::AddRequest>(found->record.request);
  if (!request || !request->live) {
    return fail(Errc::io,
                "what is to be published is not known any more: remove it and add it "
                "again");
  }
  service_.set_state(*found, SwarmState::live);
  request_ = *request->live;
  trackers_ = request->trackers;
  authority_ = authority_of(*request);
  if (const auto published = publish(request_); !published) return published;
  try_input();
  return {};
}

// The key may still be held by the feed of a moment ago, which says goodbye to its peers.
Result<void> LiveFeeder::begin_again() {
  const auto begun = begin();
  if (begun || begun.error().code != Errc::exists) return begun;
  input_failed(begun.error());
  return {};
}

void LiveFeeder::try_input() {
  if (!feed_) {
    const auto published = publish(request_);
    if (!published && published.error().code == Errc::exists)
      return input_failed(published.error());
    if (!published) {
      if (SwarmEntry* found = entry()) service_.fail_entry(*found, published.error());
      return;  // and this is gone
    }
  }
  if (const auto opened = open_input(request_); !opened) input_failed(opened.error());
}

Result<void> LiveFeeder::publish(const control::AddLive& request) {
  SwarmEntry& found = *entry();
  const auto algorithm = algorithm_of(request.signature);
  if (!algorithm) return tl::unexpected(algorithm.error());
  const std::filesystem::path path =
      request.key.empty() ? service_.state_.key(number_) : std::filesystem::path(request.key);
  auto key = open_key_file(path, *algorithm);
  if (!key) return tl::unexpected(key.error());
  auto numbers = FeedNumbers::open(path);
  if (!numbers) return tl::unexpected(numbers.error());
  FeedOptions options;
  options.metadata.live = true;
  options.metadata.integrity = IntegrityMethod::unified_merkle;
  if (request.chunk_size) options.metadata.chunk_size = *request.chunk_size;
  options.metadata.chunks_per_signature = request.chunks_per_signature;
  options.metadata.authority = authority_;
  options.trackers = trackers_;
  options.display_name = found.record.name;
  options.live.discard_window = request.discard_window.value_or(0);
  options.live.first_chunk = numbers->first();
  options.numbers = std::make_shared<FeedNumbers>(*std::move(numbers));
  options.limits = node_limits(found.record.limits);
  auto feed = service_.node_->feed(std::move(key->key), options);
  if (!feed) return tl::unexpected(feed.error());
  feed_.emplace(*std::move(feed));
  for (const std::string& peer : found.record.peers) {
    static_cast<void>(feed_->swarm().add_peer(peer));
  }
  service_.set_id(found, feed_->swarm().url());
  service_.began(found, feed_->swarm(), SwarmState::live);
  service_.save(found);
  return {};
}

Result<void> LiveFeeder::open_input(const control::AddLive& request) {
  const auto name = tools::parse_input(request.input);
  if (!name) return tl::unexpected(name.error());
  auto input = tools::open_input(service_.io_, *name, request.pace);
  if (!input) return tl::unexpected(input.error());
  input_ = *std::move(input);
  const auto guarded = [this](auto function) {
    return [alive = std::weak_ptr(alive_), function](auto&&... args) {
      if (!alive.expired()) function(args...);
    };
  };
  input_->start({guarded([this](std::span<const std::byte> bytes) {
                   const auto appended = feed_->append(asio::buffer(bytes.data(), bytes.size()));
                   if (!appended) return input_failed(appended.error());
                   bytes_ += bytes.size();
                   pause_ = std::chrono::seconds(1);
                   if (SwarmEntry* found = entry()) found->warning.clear();
                 }),
                 guarded([this] { input_ended(); }),
                 guarded([this](const Error& error) { input_failed(error); })});
  return {};
}

// An encoder that starts late, a network that is away: the feed is there, and waits.
void LiveFeeder::input_failed(const Error& error) {
  if (input_) input_->stop();
  if (SwarmEntry* found = entry()) {
    found->warning = fmt::format("{}; trying again", error.context);
    service_.events_.changed(number_);
  }
  log(LogLevel::warning, "the input of feed {}: {}: next try in {} s", number_, error.context,
      pause_.count());
  retry_later();
}

void LiveFeeder::retry_later() {
  timer_.expires_after(pause_);
  pause_ = std::min(pause_ * 2, kLongestPause);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const error_code& error) {
    if (error || alive.expired()) return;
    input_.reset();
    try_input();
  });
}

// Of a file. Those who watch take what they miss; then the swarm rests until it is resumed, and
// goes on with higher numbers then.
void LiveFeeder::input_ended() {
  if (std::exchange(ended_, true)) return;
  input_->stop();
  feed_->end();
  feed_->on_delivered([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    SwarmEntry* found = entry();
    if (found == nullptr) return;
    found->record.paused = true;
    found->record.completed_at = seconds_since_1970();
    Service::Impl& service = service_;
    service.end(*found);  // and with it this
    service.set_state(*found, SwarmState::paused);
    service.save(*found);
    service.events_.tell({.type = "completed",
                          .swarm = service.describe(*found),
                          .message = "the input has ended; resume begins it again"});
  });
}

void LiveFeeder::stop() {
  alive_.reset();
  timer_.cancel();
  if (input_) input_->stop();
}

}  // namespace ppspp::daemon
