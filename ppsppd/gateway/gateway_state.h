// What the requests of a gateway share.
#pragma once

#include <boost/asio/io_context.hpp>
#include <list>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "gateway/bundle.h"
#include "gateway/content_source.h"
#include "gateway/gateway.h"

namespace ppspp::daemon {

// Something that goes on for a request, until the gateway goes.
class Activity : public std::enable_shared_from_this<Activity> {
 public:
  explicit Activity(std::shared_ptr<GatewayState> state);
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;
  virtual ~Activity();
  virtual void stop() = 0;

 protected:
  GatewayState& state() { return *state_; }
  const std::shared_ptr<GatewayState>& shared_state() const { return state_; }

 private:
  const std::shared_ptr<GatewayState> state_;
};

struct OpenedBundle {
  std::uint64_t content_offset = 0;
  BundleIndex index;
};

// What swarms were found to be, of those that were asked for last.
class KnownContents {
 public:
  struct Known {
    std::shared_ptr<const OpenedBundle> bundle;  // none: it is not a bundle
  };
  const Known* find(const SwarmId& id);
  void add(const SwarmId& id, Known known);

 private:
  // A bundle takes megabytes, anything else next to nothing.
  static constexpr std::size_t kCapacity = 1024;
  static constexpr std::size_t kBundle = 64;
  static std::size_t weight(const Known& known) { return known.bundle ? kBundle : 1; }

  using Order = std::list<std::pair<SwarmId, Known>>;  // newest first
  Order order_;
  std::unordered_map<SwarmId, Order::iterator> places_;
  std::size_t weight_ = 0;
};

struct GatewayState {
  GatewayState(boost::asio::io_context& context, ContentSource& contents, GatewayOptions settings)
      : io(context), source(&contents), options(std::move(settings)) {}

  boost::asio::io_context& io;
  ContentSource* source;  // null: the gateway is gone
  GatewayOptions options;
  KnownContents known;
  std::unordered_set<Activity*> activities;
  std::size_t readers = 0;
  std::uint64_t sent = 0;
};

// Counts as a reader of a swarm.
class ReaderSlot {
 public:
  ReaderSlot(std::shared_ptr<GatewayState> state, SwarmId id);
  ReaderSlot(ReaderSlot&& other) noexcept = default;
  ReaderSlot& operator=(ReaderSlot&&) = delete;
  ~ReaderSlot();

 private:
  std::shared_ptr<GatewayState> state_;
  SwarmId id_;
};

}  // namespace ppspp::daemon
