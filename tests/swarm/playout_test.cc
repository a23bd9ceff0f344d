#include "swarm/playout.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "ppspp/random_source.h"
#include "support/seed.h"
#include "wire/signed_content.h"

namespace ppspp::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kWidth = 4;
constexpr Microseconds kGroup = 50ms;  // of feed in a group
constexpr Microseconds kBuffer = 500ms;
// In 2026; and a second before the timestamps wrap (2036-02-07).
constexpr std::uint64_t kNow = 1'790'000'000'000'000;
constexpr std::uint64_t kWrap = 2'085'978'495'000'000;

// A feed whose group g was signed g * kGroup after it began, at `wall`.
struct Playing {
  explicit Playing(const LiveSettings& settings = {.buffer = kBuffer}, std::uint64_t wall = kNow,
                   Microseconds patience = 0s)
      : playout(settings, patience), began_at(wall) {
    playout.set_width(kWidth, 4'000);
  }
  Now now() const {
    return {TimePoint{1s} + time, {began_at + static_cast<std::uint64_t>(time.count())}};
  }
  std::uint64_t ntp(std::uint64_t group) const {
    return ntp_timestamp({began_at + group * static_cast<std::uint64_t>(kGroup.count())});
  }
  void learn(std::uint64_t group) { playout.on_signed(group, ntp(group), now()); }
  void get(std::uint64_t first, std::uint64_t last) {
    verified.insert({first * kWidth, (last + 1) * kWidth});
  }
  bool begin(std::uint64_t first, std::uint64_t last) {
    BinSet offered;
    offered.insert({first * kWidth, (last + 1) * kWidth});
    return playout.begin(offered, now());
  }

  Playout playout;
  BinSet verified;
  std::uint64_t began_at;
  Microseconds time{0};
};

}  // namespace

TEST_SUITE("swarm/playout") {
  TEST_CASE("two munros tell how many groups the buffer is: playing begins so far back") {
    for (const std::uint64_t wall : {kNow, kWrap}) {
      for (const auto& [buffer, back] :
           {std::pair{500ms, 10U}, {120ms, 2U}, {49ms, 0U}, {60s, 40U}}) {
        Playing p({.buffer = buffer}, wall);
        p.time = 40 * kGroup;
        p.learn(38);
        CHECK_FALSE(p.begin(0, 40));
        p.learn(40);
        CHECK(p.playout.group_duration() == kGroup);
        CHECK(p.begin(0, 40));
        CHECK(p.playout.playhead() == (40 - back) * kWidth);
        CHECK_FALSE(p.begin(0, 40));  // once
      }
    }
  }

  TEST_CASE("what playing begins with is waited for longer, which later chunks are not") {
    Playing p({.buffer = kBuffer}, kNow, 2s);
    p.time = 40 * kGroup;
    p.learn(38);
    p.learn(40);
    REQUIRE(p.begin(30, 40));
    const TimePoint begun = p.now().monotonic;
    const Microseconds slack = kBuffer / 2;
    CHECK(p.playout.due_at() == begun + 8 * kGroup + slack + 2s - 4 * kGroup);  // of group 38
    for (std::uint64_t group = 41; group <= 130; ++group) p.learn(group);
    TimePoint before = p.playout.due_at();
    for (std::uint64_t group = 41; group <= 120; ++group) {
      p.playout.skip_to(group * kWidth);
      const Microseconds since = (group - 30) * kGroup;
      CHECK(p.playout.due_at() ==
            begun + since + slack + std::max<Microseconds>(2s - since / 2, 0s));
      CHECK(p.playout.due_at() > before);
      before = p.playout.due_at();
    }
  }

  TEST_CASE("one munro is enough after 150 ms, for the group before it") {
    Playing p;
    p.time = 10s;
    CHECK(p.playout.begins_at() == kNever);
    p.learn(200);
    CHECK(p.playout.begins_at() == p.now().monotonic + 150ms);
    p.time += 149ms;
    CHECK_FALSE(p.begin(0, 200));
    p.time += 1ms;
    CHECK(p.begin(0, 200));
    CHECK(p.playout.playhead() == 199 * kWidth);
    CHECK(p.playout.begins_at() == kNever);
    Playing first;
    first.learn(0);
    first.time = 150ms;
    CHECK(first.begin(0, 0));
    CHECK(first.playout.playhead() == 0);
  }

  TEST_CASE("nothing is begun that no peer offers, nor within a group of which a part is gone") {
    Playing p;
    p.time = 10s;
    p.learn(199);
    p.learn(200);
    CHECK_FALSE(p.playout.begin(BinSet(), p.now()));
    BinSet old;
    old.insert({0, 100});
    CHECK_FALSE(p.playout.begin(old, p.now()));
    BinSet part;
    part.insert({195 * kWidth + 1, 201 * kWidth});
    CHECK(p.playout.begin(part, p.now()));
    CHECK(p.playout.playhead() == 196 * kWidth);
  }

  TEST_CASE("the oldest chunk that is offered, after having listened") {
    Playing p({.tune_in = TuneIn::oldest, .buffer = kBuffer});
    p.time = 10s;
    p.learn(199);
    p.learn(200);
    CHECK_FALSE(p.begin(7, 200));
    p.time += 150ms;
    CHECK(p.begin(7, 200));
    CHECK(p.playout.playhead() == 7 * kWidth);
  }

  TEST_CASE("no more than half of what is kept lies before the newest at the start") {
    Playing p({.buffer = 60s});
    p.playout.set_width(kWidth, 80);  // 20 groups
    p.time = 10s;
    p.learn(199);
    p.learn(200);
    CHECK(p.begin(0, 200));
    CHECK(p.playout.playhead() == 190 * kWidth);
  }

  TEST_CASE(
      "a group is due when its signature's time has come, counted from the first (decision 34)") {
    for (const std::uint64_t wall : {kNow, kWrap}) {
      Playing p({.buffer = kBuffer}, wall);
      p.time = 40 * kGroup;
      for (std::uint64_t group = 38; group <= 40; ++group) p.learn(group);
      REQUIRE(p.begin(38, 40));
      // Two groups lie before the newest: eight are lacking.
      const TimePoint began = p.now().monotonic + 8 * kGroup - 38 * kGroup;
      CHECK(p.playout.due_at() == began + 38 * kGroup);
      p.playout.skip_to(39 * kWidth);
      CHECK(p.playout.due_at() == began + 39 * kGroup);
      p.playout.skip_to(40 * kWidth);
      CHECK(p.playout.due_at() == began + 40 * kGroup);
      CHECK(p.playout.due_before(began + 40 * kGroup) == 40 * kWidth);
      CHECK(p.playout.due_before(began + 40 * kGroup + 1us) == 41 * kWidth);
    }
  }

  TEST_CASE(
      "where less than the buffer is there at the start, everything is due by so much later") {
    Playing p;
    p.learn(0);
    p.time = kGroup;
    p.learn(1);
    REQUIRE(p.begin(0, 1));
    const TimePoint began = p.now().monotonic;
    CHECK(p.playout.playhead() == 0);
    CHECK(p.playout.due_at() == began + kBuffer - kGroup);
    p.playout.skip_to(kWidth);
    CHECK(p.playout.due_at() == began + kBuffer);
  }

  TEST_CASE("where nobody has told when the first group was signed, its munro is waited for") {
    for (const bool told : {false, true}) {
      Playing p({.tune_in = TuneIn::oldest, .buffer = kBuffer});
      p.time = 10s;
      p.learn(200);
      p.time += 150ms;
      REQUIRE(p.begin(100, 200));
      CHECK(p.playout.playhead() == 100 * kWidth);
      CHECK(p.playout.due_at() == p.now().monotonic + kBuffer);
      p.time += 100ms;
      if (told) {
        p.learn(100);
        CHECK(p.playout.due_at() == p.now().monotonic + kBuffer / 2);
        continue;
      }
      p.time += kBuffer - 100ms - 1us;
      CHECK(p.playout.give_up(p.verified, p.now()).empty());
      p.time += 1us;
      CHECK(p.playout.give_up(p.verified, p.now()) == ChunkRange{100 * kWidth, 200 * kWidth});
      CHECK(p.playout.due_at() == p.now().monotonic + kBuffer);
    }
  }

  TEST_CASE("what has come is played over; what is missing is given up when it is due, whole") {
    Playing p;
    for (std::uint64_t group = 0; group <= 10; ++group) {
      p.time = kGroup * static_cast<std::int64_t>(group);
      p.learn(group);
    }
    REQUIRE(p.begin(0, 10));
    REQUIRE(p.playout.playhead() == 0);
    p.get(0, 2);
    p.verified.insert({3 * kWidth, 3 * kWidth + 1});  // a quarter of group 3
    p.get(4, 4);
    p.playout.advance(p.verified);
    CHECK(p.playout.playhead() == 3 * kWidth + 1);
    const TimePoint due = p.playout.due_at();
    CHECK(due == p.now().monotonic + kBuffer / 2 + 3 * kGroup);
    p.time += kBuffer / 2 + 3 * kGroup - 1us;
    CHECK(p.playout.give_up(p.verified, p.now()).empty());
    p.time += 1us;
    CHECK(p.playout.give_up(p.verified, p.now()) == ChunkRange{3 * kWidth + 1, 4 * kWidth});
    CHECK(p.playout.playhead() == 5 * kWidth);  // behind what is here of the next
    CHECK(p.playout.give_up(p.verified, p.now()).empty());
  }

  TEST_CASE("groups of which nobody tells the munro go by with the next one known") {
    Playing p;
    for (const std::uint64_t group : {0U, 1U, 2U}) p.learn(group);
    REQUIRE(p.begin(0, 2));
    p.get(0, 2);
    p.playout.advance(p.verified);
    CHECK(p.playout.due_at() == kNever);  // nothing more is known
    p.time = 20s;
    CHECK(p.playout.give_up(p.verified, p.now()).empty());
    p.learn(400);
    // 400 groups took as long as it is since we began: what lacked of the buffer is left.
    CHECK(p.playout.due_at() > p.now().monotonic);
    CHECK(p.playout.due_at() <= p.now().monotonic + kBuffer);
    p.time += kBuffer;
    CHECK(p.playout.give_up(p.verified, p.now()) == ChunkRange{3 * kWidth, 400 * kWidth});
    CHECK(p.playout.give_up(p.verified, p.now()) == ChunkRange{400 * kWidth, 401 * kWidth});
  }

  TEST_CASE("a feed that stalls is waited for: time is the feed's") {
    Playing p;
    for (std::uint64_t group = 0; group <= 10; ++group) p.learn(group);
    p.time = 10 * kGroup;
    REQUIRE(p.begin(0, 10));
    p.get(0, 10);
    p.playout.advance(p.verified);
    p.time = 1h;
    CHECK(p.playout.give_up(p.verified, p.now()).empty());
    CHECK(p.playout.due_before(p.now().monotonic) == 11 * kWidth);
    // It goes on with the next number, signed an hour later.
    p.playout.on_signed(11, ntp_timestamp(p.now().wall), p.now());
    CHECK(p.playout.due_at() > p.now().monotonic + kBuffer - kGroup);
  }

  TEST_CASE("the end: nothing behind it is due, and what is missing before it is given up to it") {
    Playing p;
    for (std::uint64_t group = 0; group <= 10; ++group) p.learn(group);
    p.time = 10 * kGroup;
    REQUIRE(p.begin(0, 10));
    p.playout.set_end(10 * kWidth + 1, p.now());
    p.get(0, 9);
    p.playout.advance(p.verified);
    CHECK_FALSE(p.playout.at_end());
    p.time += 10s;
    CHECK(p.playout.give_up(p.verified, p.now()) == ChunkRange{10 * kWidth, 10 * kWidth + 1});
    CHECK(p.playout.at_end());
    CHECK(p.playout.give_up(p.verified, p.now()).empty());
    p.playout.set_end(std::nullopt, p.now());  // it goes on after all
    CHECK_FALSE(p.playout.at_end());
  }

  // A swarm of the simulator stood still there: with Sign All a chunk's time comes with it.
  TEST_CASE("the last chunks, of which nobody has told the time, are given up after the end") {
    Playing p;
    for (std::uint64_t group = 0; group <= 10; ++group) p.learn(group);
    p.time = 10 * kGroup;
    REQUIRE(p.begin(0, 10));
    p.get(0, 10);
    p.playout.advance(p.verified);
    CHECK(p.playout.due_at() == kNever);
    p.playout.set_end(12 * kWidth + 1, p.now());
    CHECK(p.playout.due_at() >= p.now().monotonic + kBuffer);
    CHECK(p.playout.give_up(p.verified, p.now()).empty());
    p.time += 10s;
    CHECK(p.playout.give_up(p.verified, p.now()) == ChunkRange{11 * kWidth, 12 * kWidth + 1});
    CHECK(p.playout.at_end());
  }

  TEST_CASE("tuned in to the past: playing begins again near the newest, however late that comes") {
    for (const Microseconds later : {Microseconds(100ms), Microseconds(4s), Microseconds(100s)}) {
      CAPTURE(later.count());
      Playing p;
      p.time = 4'000 * kGroup;  // 200 s of feed, of which an old part was told
      p.learn(10);
      p.learn(11);
      REQUIRE(p.begin(0, 11));
      CHECK(p.playout.playhead() < 12 * kWidth);
      CHECK_FALSE(p.playout.begin_again(p.verified, p.now()));
      p.time += later;
      while (!p.playout.give_up(p.verified, p.now()).empty()) {
      }
      const std::uint64_t newest = static_cast<std::uint64_t>(p.time / kGroup);
      p.learn(newest - 1);
      p.learn(newest);
      CHECK_FALSE(p.playout.begin_again(p.verified, p.now()));  // nothing of it is here
      p.get(newest - 2, newest);
      CHECK(p.playout.begin_again(p.verified, p.now()));
      CHECK(p.playout.playhead() == (newest - 2) * kWidth);
      p.playout.advance(p.verified);
      CHECK_FALSE(p.playout.begin_again(p.verified, p.now()));
      // From now on it goes by the feed.
      p.time += kGroup;
      p.learn(newest + 1);
      CHECK(p.playout.due_at() >= p.now().monotonic);
      CHECK(p.playout.due_at() <= p.now().monotonic + kBuffer + kGroup);
    }
  }

  TEST_CASE("who wanted the oldest, or has missed some, does not begin again") {
    Playing oldest({.tune_in = TuneIn::oldest, .buffer = kBuffer});
    oldest.time = 4'000 * kGroup;
    oldest.learn(10);
    oldest.time += 150ms;
    REQUIRE(oldest.begin(0, 11));
    oldest.learn(4'000);
    oldest.get(3'990, 4'000);
    CHECK_FALSE(oldest.playout.begin_again(oldest.verified, oldest.now()));

    Playing p;
    p.learn(0);
    p.learn(1);
    REQUIRE(p.begin(0, 1));
    for (std::uint64_t group = 2; group < 4'000; ++group) {  // nothing is told for 200 s
      p.time += kGroup;
    }
    p.learn(4'000);
    p.get(4'000, 4'000);
    CHECK_FALSE(p.playout.begin_again(p.verified, p.now()));
  }

  TEST_CASE("whatever comes, the playhead goes forward, and memory is of what lies before it") {
    Rng random(seed());
    for (int round = 0; round < 100; ++round) {
      Playing p({.buffer = Microseconds(1'000 * random.below(2'000))},
                random.below(2) == 0 ? kNow : kWrap);
      ChunkIndex before = 0;
      bool playing = false;
      std::uint64_t newest = random.below(1'000);
      p.time = kGroup * static_cast<std::int64_t>(newest);
      for (int step = 0; step < 300; ++step) {
        p.time += Microseconds(random.below(60'000));
        newest = std::max(newest, static_cast<std::uint64_t>(p.time / kGroup));
        const std::uint64_t group = newest - std::min(newest, random.below(5));
        switch (random.below(5)) {
          case 0:
          case 1:
            p.learn(group);
            break;
          case 2:
            p.get(group, group);
            break;
          case 3:
            p.playout.begin(p.verified, p.now());
            break;
          default:
            p.playout.begin_again(p.verified, p.now());
        }
        const ChunkRange late = p.playout.give_up(p.verified, p.now());
        REQUIRE((late.empty() || late.begin >= before));
        REQUIRE((!playing || p.playout.playhead() >= before));
        REQUIRE((late.empty() || p.playout.playhead() >= late.end));
        playing = p.playout.playing();
        if (playing) before = p.playout.playhead();
        // What lies behind is forgotten, but for the newest, from which ages are counted.
        const std::uint64_t playing_group = before / kWidth;
        for (std::uint64_t g = playing_group - std::min<std::uint64_t>(playing_group, 5);
             playing && g < playing_group; ++g) {
          REQUIRE((!p.playout.seen_at(g) || p.playout.newest_group() == g));
        }
      }
    }
  }
}

}  // namespace ppspp::test
