#include "net/avahi_poll.h"

#include <avahi-common/timeval.h>
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

namespace asio = boost::asio;

// The names of these two are Avahi's, which knows no more of them. A callback may free or change
// the one that it is called for: handlers under way hold `alive` and the number of the change.
struct AvahiWatch {
  AvahiWatch(asio::io_context& io, int watched, AvahiWatchCallback function, void* data)
      : fd(watched), descriptor(io), callback(function), user(data) {}

  int fd;
  asio::posix::stream_descriptor descriptor;  // the same file
  AvahiWatchCallback callback;
  void* user;
  short wanted = 0;
  short happened = 0;
  unsigned change = 0;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

struct AvahiTimeout {
  AvahiTimeout(asio::io_context& io, AvahiTimeoutCallback function, void* data)
      : timer(io), callback(function), user(data) {}

  asio::steady_timer timer;
  AvahiTimeoutCallback callback;
  void* user;
  unsigned change = 0;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

namespace ppspp {
namespace {

asio::io_context& io_of(const AvahiPoll* api) {
  return static_cast<AsioAvahiPoll*>(api->userdata)->io();
}

// --- Descriptors

void wait(AvahiWatch& watch);

// What made the wait end is looked up: an error ends all waits.
void on_ready(AvahiWatch& watch) {
  pollfd state = {watch.fd, watch.wanted, 0};
  if (::poll(&state, 1, 0) > 0) {
    const auto alive = watch.alive;
    watch.happened = state.revents;
    watch.callback(&watch, watch.fd, static_cast<AvahiWatchEvent>(state.revents), watch.user);
    if (!*alive) return;
    watch.happened = 0;
  }
  wait(watch);
}

void wait(AvahiWatch& watch) {
  const unsigned change = ++watch.change;
  boost::system::error_code ignored;
  watch.descriptor.cancel(ignored);  // of two waits only one has ended
  const auto wait_for = [&](asio::posix::descriptor_base::wait_type what) {
    watch.descriptor.async_wait(
        what, [&watch, change, alive = watch.alive](const boost::system::error_code& error) {
          if (*alive && !error && watch.change == change) on_ready(watch);
        });
  };
  if ((watch.wanted & POLLIN) != 0) wait_for(asio::posix::descriptor_base::wait_read);
  if ((watch.wanted & POLLOUT) != 0) wait_for(asio::posix::descriptor_base::wait_write);
}

void update_watch(AvahiWatch* watch, AvahiWatchEvent events) {
  watch->wanted = static_cast<short>(events);
  wait(*watch);
}

AvahiWatch* new_watch(const AvahiPoll* api, int fd, AvahiWatchEvent events,
                      AvahiWatchCallback callback, void* user) {
  auto watch = std::make_unique<AvahiWatch>(io_of(api), fd, callback, user);
  // A descriptor of its own, as the library may watch one twice.
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return nullptr;
  watch->descriptor.assign(copy);
  update_watch(watch.get(), events);
  return watch.release();  // to the library, which gives it back to free_watch()
}

AvahiWatchEvent watch_events(AvahiWatch* watch) {
  return static_cast<AvahiWatchEvent>(watch->happened);
}

void free_watch(AvahiWatch* watch) {
  const std::unique_ptr<AvahiWatch> owned(watch);
  *owned->alive = false;
}

// --- Time

// `when` is a time of the system's clock, which may step: what counts is how far it is off now.
void update_timeout(AvahiTimeout* timeout, const timeval* when) {
  const unsigned change = ++timeout->change;
  timeout->timer.cancel();
  if (when == nullptr) return;
  const bool at_once = when->tv_sec == 0 && when->tv_usec == 0;
  const AvahiUsec late = at_once ? 0 : avahi_age(when);
  timeout->timer.expires_after(std::chrono::microseconds(std::max<AvahiUsec>(-late, 0)));
  timeout->timer.async_wait(
      [timeout, change, alive = timeout->alive](const boost::system::error_code& error) {
        if (*alive && !error && timeout->change == change)
          timeout->callback(timeout, timeout->user);
      });
}

AvahiTimeout* new_timeout(const AvahiPoll* api, const timeval* when, AvahiTimeoutCallback callback,
                          void* user) {
  auto timeout = std::make_unique<AvahiTimeout>(io_of(api), callback, user);
  update_timeout(timeout.get(), when);
  return timeout.release();
}

void free_timeout(AvahiTimeout* timeout) {
  const std::unique_ptr<AvahiTimeout> owned(timeout);
  *owned->alive = false;
}

}  // namespace

AsioAvahiPoll::AsioAvahiPoll(asio::io_context& io) : io_(io) {
  api_.userdata = this;
  api_.watch_new = new_watch;
  api_.watch_update = update_watch;
  api_.watch_get_events = watch_events;
  api_.watch_free = free_watch;
  api_.timeout_new = new_timeout;
  api_.timeout_update = update_timeout;
  api_.timeout_free = free_timeout;
}

}  // namespace ppspp
