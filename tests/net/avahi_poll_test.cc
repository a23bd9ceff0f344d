#include "net/avahi_poll.h"

#include <avahi-common/timeval.h>
#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <chrono>

namespace ppspp::test {
namespace {

struct PollWorld {
  boost::asio::io_context io;
  AsioAvahiPoll poll{io};
  const AvahiPoll* api = poll.api();
  std::array<int, 2> pipe = {-1, -1};
  int events = 0;
  int calls = 0;
  bool free_in_call = false;

  PollWorld() { REQUIRE(::pipe(pipe.data()) == 0); }
  ~PollWorld() {
    for (const int fd : pipe) {
      if (fd >= 0) ::close(fd);
    }
  }
  PollWorld(const PollWorld&) = delete;
  PollWorld& operator=(const PollWorld&) = delete;

  AvahiWatch* watch(int fd, AvahiWatchEvent what) {
    return api->watch_new(api, fd, what, on_watch, this);
  }
  AvahiTimeout* timeout(const timeval* at) { return api->timeout_new(api, at, on_timeout, this); }
  void say() const { REQUIRE(::write(pipe[1], "x", 1) == 1); }
  // What is ready, and no more.
  void turn() {
    io.restart();
    for (int i = 0; i < 10; ++i) io.poll();
  }
  bool runs_out() {
    io.restart();
    io.run_for(std::chrono::seconds(10));
    return io.stopped();
  }

  static void on_watch(AvahiWatch* watch, int fd, AvahiWatchEvent what, void* user) {
    auto& world = *static_cast<PollWorld*>(user);
    ++world.calls;
    world.events |= what;
    CHECK(world.api->watch_get_events(watch) == what);
    char octet = 0;
    if ((what & AVAHI_WATCH_IN) != 0) REQUIRE(::read(fd, &octet, 1) >= 0);
    if (world.free_in_call) world.api->watch_free(watch);
  }
  static void on_timeout(AvahiTimeout* timeout, void* user) {
    auto& world = *static_cast<PollWorld*>(user);
    ++world.calls;
    if (world.free_in_call) world.api->timeout_free(timeout);
  }
};

timeval time_in(std::chrono::milliseconds from_now) {
  timeval at = {};
  avahi_elapse_time(&at, static_cast<unsigned>(from_now.count()), 0);
  return at;
}

TEST_SUITE("net/avahi_poll") {
  TEST_CASE("a watch tells what happened, as often as it happens, until it is freed") {
    PollWorld world;
    AvahiWatch* const watch = world.watch(world.pipe[0], AVAHI_WATCH_IN);
    world.turn();
    CHECK(world.calls == 0);
    for (int i = 1; i <= 3; ++i) {
      world.say();
      world.turn();
      CHECK(world.calls == i);
      CHECK(world.events == AVAHI_WATCH_IN);
    }
    world.say();
    world.say();
    world.turn();
    CHECK(world.calls == 5);
    world.api->watch_free(watch);
    world.say();
    CHECK(world.runs_out());
    CHECK(world.calls == 5);
  }

  TEST_CASE("a watch waits for what it was told last") {
    PollWorld world;
    AvahiWatch* const watch = world.watch(world.pipe[0], static_cast<AvahiWatchEvent>(0));
    world.say();
    world.turn();
    CHECK(world.calls == 0);
    world.api->watch_update(watch, AVAHI_WATCH_IN);
    world.turn();
    CHECK(world.calls == 1);
    world.api->watch_update(watch, static_cast<AvahiWatchEvent>(0));
    world.say();
    world.turn();
    CHECK(world.calls == 1);
    world.api->watch_free(watch);
    CHECK(world.runs_out());
  }

  TEST_CASE("one descriptor can be watched twice, and a watch freed by what it calls") {
    PollWorld world;
    world.free_in_call = true;
    world.watch(world.pipe[1], AVAHI_WATCH_OUT);
    world.watch(world.pipe[1], AVAHI_WATCH_OUT);
    CHECK(world.runs_out());
    CHECK(world.calls == 2);
    CHECK(world.events == AVAHI_WATCH_OUT);
  }

  TEST_CASE("the end of the other side is told") {
    PollWorld world;
    world.free_in_call = true;
    world.watch(world.pipe[0], AVAHI_WATCH_IN);
    ::close(world.pipe[1]);
    world.pipe[1] = -1;
    CHECK(world.runs_out());
    CHECK((world.events & AVAHI_WATCH_HUP) != 0);
  }

  TEST_CASE("a timeout comes once, at once where its time is past, and never where it has none") {
    PollWorld world;
    const timeval at_once = {}, past = {1, 0}, later = time_in(std::chrono::hours(1));
    AvahiTimeout* const first = world.timeout(&at_once);
    AvahiTimeout* const second = world.timeout(&past);
    AvahiTimeout* const third = world.timeout(&later);
    AvahiTimeout* const fourth = world.timeout(nullptr);
    world.turn();
    CHECK(world.calls == 2);
    world.api->timeout_update(third, nullptr);
    world.api->timeout_update(fourth, &at_once);
    CHECK(world.runs_out());
    CHECK(world.calls == 3);
    const timeval soon = time_in(std::chrono::milliseconds(5));
    world.api->timeout_update(first, &soon);
    CHECK(world.runs_out());
    CHECK(world.calls == 4);
    for (AvahiTimeout* const timeout : {first, second, third, fourth}) {
      world.api->timeout_free(timeout);
    }
  }

  TEST_CASE("a timeout is freed by what it calls, or before it comes") {
    PollWorld world;
    world.free_in_call = true;
    const timeval at_once = {};
    world.timeout(&at_once);
    world.api->timeout_free(world.timeout(&at_once));
    CHECK(world.runs_out());
    CHECK(world.calls == 1);
  }
}

}  // namespace
}  // namespace ppspp::test
