#include "channel/path_search.h"

#include <doctest/doctest.h>

namespace ppspp::test {
namespace {

using namespace std::chrono_literals;
constexpr TimePoint kStart{std::chrono::seconds(1)};

// A path that carries datagrams of up to `mtu`: probes until there is nothing to probe.
int climb(PathSearch& path, std::size_t mtu, TimePoint now) {
  int probes = 0;
  while (const std::size_t size = path.probe_size(now)) {
    path.on_probe_sent();
    CHECK(path.probe_size(now) == 0);  // one at a time
    if (size <= mtu) {
      path.on_acked(size, true, now);
    } else {
      path.on_lost(size, true, now);
    }
    if (++probes == 100) break;
  }
  return probes;
}

}  // namespace

TEST_SUITE("channel/path_search") {
  TEST_CASE("begins with the base size and climbs the ladder as far as the path goes (8.1 #231)") {
    struct Row {
      std::size_t mtu;
      std::size_t reached;
    };
    for (const auto& [mtu, reached] :
         {Row{1'472, 1'452}, {8'952, 8'952}, {9'000, 8'952}, {40'000, 32'768}, {65'487, 65'487}}) {
      PathSearch path(1'452, 65'487);
      CHECK(path.size() == 1'452);
      CHECK(climb(path, mtu, kStart) <= 6);
      CHECK(path.size() == reached);
    }
  }

  TEST_CASE("never beyond the maximum; none below the base") {
    PathSearch path(1'452, 20'000);
    climb(path, 65'507, kStart);
    CHECK(path.size() == 20'000);
    PathSearch still(1'452, 1'452);
    CHECK(still.probe_size(kStart) == 0);
    PathSearch odd(1'452, 1'000);
    CHECK(odd.probe_size(kStart) == 0);
    CHECK(odd.size() == 1'452);
  }

  TEST_CASE("sizes with no room for another chunk are passed over, but for the largest") {
    PathSearch path(1'452, 65'487);
    path.skip_below(16'400);
    CHECK(path.probe_size(kStart) == 32'768);
    path.on_probe_sent();
    path.on_acked(24'600, true, kStart);
    CHECK(path.size() == 24'600);
    path.skip_below(32'800);
    CHECK(path.probe_size(kStart) == 65'487);
    path.skip_below(120'000);
    CHECK(path.probe_size(kStart) == 65'487);
  }

  TEST_CASE("while a probe is under way its size stays what is looked at") {
    PathSearch path(1'452, 65'487);
    path.on_probe_sent();
    path.skip_below(16'400);
    path.on_lost(8'952, true, kStart);
    CHECK(path.probe_size(kStart) == 8'952);
  }

  TEST_CASE("a probe lost by chance is tried again; after three the rung rests for ten minutes") {
    PathSearch path(1'452, 65'487);
    for (int i = 0; i < 3; ++i) {
      CHECK(path.probe_size(kStart) == 8'952);
      path.on_probe_sent();
      path.on_lost(8'952, true, kStart);
    }
    CHECK(path.probe_size(kStart) == 0);
    CHECK(path.probe_size(kStart + 9min) == 0);
    CHECK(path.probe_size(kStart + 10min) == 8'952);
    climb(path, 65'487, kStart + 10min);
    CHECK(path.size() == 65'487);
  }

  TEST_CASE("losses of ordinary datagrams of the base size say nothing about the path") {
    PathSearch path(1'452, 65'487);
    climb(path, 8'952, kStart);
    for (int i = 0; i < 100; ++i) path.on_lost(1'452, false, kStart);
    CHECK(path.size() == 8'952);
  }

  TEST_CASE("a black hole: four large ones lost in a row bring the base size back") {
    PathSearch path(1'452, 65'487);
    climb(path, 65'487, kStart);
    for (int i = 0; i < 3; ++i) path.on_lost(65'000, false, kStart);
    path.on_acked(65'000, false, kStart);  // one gets through: it was congestion
    for (int i = 0; i < 3; ++i) path.on_lost(65'000, false, kStart);
    CHECK(path.size() == 65'487);
    path.on_lost(65'000, false, kStart);
    CHECK(path.size() == 1'452);
    CHECK(path.probe_size(kStart) == 0);
    CHECK(path.probe_size(kStart + 10min) == 8'952);
  }

  TEST_CASE("what the system refuses to send is not tried again for a while") {
    PathSearch path(1'452, 65'487);
    climb(path, 8'952, kStart);
    PathSearch fresh(1'452, 65'487);
    CHECK(fresh.probe_size(kStart) == 8'952);
    fresh.on_probe_sent();
    fresh.on_too_big(8'952, kStart);
    CHECK(fresh.size() == 1'452);
    CHECK(fresh.probe_size(kStart + 1min) == 0);
    CHECK(fresh.probe_size(kStart + 10min) == 8'952);
    // A size that used to work: the route has changed.
    path.on_too_big(5'000, kStart);
    CHECK(path.size() == 1'452);
  }
}

}  // namespace ppspp::test
