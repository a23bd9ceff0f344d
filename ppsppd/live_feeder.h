// A feed of ours: its key, its input, and the patience when the input fails.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "live_input.h"
#include "service_impl.h"

namespace ppspp::daemon {

class LiveFeeder {
 public:
  LiveFeeder(Service::Impl& service, SwarmEntry& entry);
  ~LiveFeeder();

  // Opens the key and publishes; an error is for good. An input that cannot be opened is tried
  // again, with pauses that grow up to half a minute, and so is one that fails later.
  Result<void> begin();
  Result<void> begin_again();  // for a feed that is known: waits for its key as well
  void stop();                 // nobody is called any more
  std::uint64_t bytes() const { return bytes_; }

  // What would make begin() fail for good: said to who adds the feed.
  static Result<void> check(const control::AddLive& request);

 private:
  Result<void> publish(const control::AddLive& request);
  void try_input();
  Result<void> open_input(const control::AddLive& request);
  void input_failed(const Error& error);
  void input_ended();
  void retry_later();
  SwarmEntry* entry();

  Service::Impl& service_;
  std::uint64_t number_;
  control::AddLive request_;
  std::vector<std::string> trackers_;
  std::vector<std::byte> authority_;
  boost::asio::steady_timer timer_;
  std::chrono::seconds pause_{1};
  std::unique_ptr<tools::LiveInput> input_;
  std::optional<LiveFeed> feed_;
  std::uint64_t bytes_ = 0;
  bool ended_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ppspp::daemon
