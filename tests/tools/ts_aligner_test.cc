#include "ts_aligner.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string_view>

#include "ppspp/random_source.h"
#include "support/seed.h"

using namespace ppspp::tools;

namespace {

using Bytes = std::vector<std::byte>;

constexpr std::size_t kPacket = 188;

// Packets with counters, so that no two are alike, and with 0x47 in many other places.
Bytes transport_stream(std::size_t packets) {
  Bytes stream;
  for (std::size_t i = 0; i < packets; ++i) {
    Bytes packet(kPacket, std::byte{0x47});
    packet[1] = std::byte{0x01};
    packet[2] = static_cast<std::byte>(i >> 8);
    packet[3] = std::byte{0x10};  // a payload
    packet[4] = static_cast<std::byte>(i);
    for (std::size_t j = 5; j < kPacket; j += 3) packet[j] = static_cast<std::byte>(i * 31 + j * 7);
    stream.insert(stream.end(), packet.begin(), packet.end());
  }
  return stream;
}

Bytes part(const Bytes& bytes, std::size_t begin, std::size_t end) {
  return {bytes.begin() + static_cast<std::ptrdiff_t>(begin),
          bytes.begin() + static_cast<std::ptrdiff_t>(end)};
}

// What comes out for [begin, end) of a feed that begins at `origin`, in pieces of `size`.
void push(TsAligner& aligner, const Bytes& feed, std::size_t begin, std::size_t end,
          std::size_t size, Bytes& out, std::uint64_t origin = 0) {
  for (std::size_t at = begin; at < end; at += size) {
    const auto piece = std::span(feed).subspan(at, std::min(size, end - at));
    aligner.push(origin + at, piece, out);
  }
}

Bytes text(std::string_view words, std::size_t repeat) {
  Bytes bytes;
  for (std::size_t i = 0; i < repeat; ++i) {
    for (const char c : words) bytes.push_back(static_cast<std::byte>(c));
  }
  return bytes;
}

}  // namespace

TEST_SUITE("tools/ts_aligner") {
  TEST_CASE("one who tunes in to the middle of a packet begins with the next one") {
    const Bytes feed = transport_stream(40);
    for (std::size_t begin = 0; begin <= kPacket; ++begin) {
      for (const std::size_t size : {1UL, 7UL, kPacket, 512UL, 1024UL, 65'536UL}) {
        CAPTURE(begin);
        CAPTURE(size);
        TsAligner aligner;
        Bytes out;
        push(aligner, feed, begin, feed.size(), size, out, 5'000'000'000);
        CHECK(aligner.is_transport_stream());
        const std::size_t first = begin == 0 ? 0 : kPacket;
        CHECK(out == part(feed, first, feed.size()));
      }
    }
  }

  TEST_CASE("after a gap it goes on with the next whole packet") {
    const Bytes feed = transport_stream(60);
    for (std::size_t gap = 2'000; gap < 2'000 + 2 * kPacket; gap += 5) {
      for (const std::size_t length : {1UL, 100UL, kPacket, 1'024UL}) {
        CAPTURE(gap);
        CAPTURE(length);
        TsAligner aligner;
        Bytes out;
        push(aligner, feed, 10, gap, 300, out);
        push(aligner, feed, gap + length, feed.size(), 300, out);
        const std::size_t last_before = gap / kPacket * kPacket;
        const std::size_t first_after = (gap + length + kPacket - 1) / kPacket * kPacket;
        Bytes expected = part(feed, kPacket, last_before);
        const Bytes rest = part(feed, first_after, feed.size());
        expected.insert(expected.end(), rest.begin(), rest.end());
        CHECK(out == expected);
      }
    }
  }

  TEST_CASE("random cuts and gaps: what comes out is whole packets, each of them once, in order") {
    ppspp::Rng random(ppspp::test::seed());
    for (int run = 0; run < 300; ++run) {
      const Bytes feed = transport_stream(200);
      TsAligner aligner;
      Bytes out;
      for (std::size_t at = random.below(400); at < feed.size();) {
        const std::size_t size = std::min<std::size_t>(1 + random.below(900), feed.size() - at);
        aligner.push(at, std::span(feed).subspan(at, size), out);
        at += size + (random.below(8) == 0 ? random.below(3'000) : 0);
      }
      std::size_t next = 0;
      CHECK(out.size() % kPacket == 0);
      for (std::size_t at = 0; at + kPacket <= out.size(); at += kPacket) {
        const Bytes packet = part(out, at, at + kPacket);
        while (next < feed.size() && part(feed, next, next + kPacket) != packet) next += kPacket;
        REQUIRE(next < feed.size());
        next += kPacket;
      }
    }
  }

  TEST_CASE("a 0x47 in the wrong place is not taken for a packet") {
    Bytes feed = transport_stream(40);
    // A row of them at a distance of 188, one packet too short to be believed.
    for (std::size_t i = 0; i < 4; ++i) {
      feed[20 + i * kPacket] = std::byte{0x47};
      feed[23 + i * kPacket] = std::byte{0x10};
    }
    feed[20 + 4 * kPacket] = std::byte{0};
    TsAligner aligner;
    Bytes out;
    push(aligner, feed, 3, feed.size(), 1'024, out);
    CHECK(out == part(feed, kPacket, feed.size()));
  }

  TEST_CASE("padding of 0x47 alone is no row of packets") {
    const Bytes feed = text("G", 5'000);
    TsAligner aligner;
    Bytes out;
    push(aligner, feed, 0, feed.size(), 1'024, out);
    CHECK(!aligner.is_transport_stream());
    CHECK(out == feed);
  }

  TEST_CASE("what is no transport stream is passed on as it is, gaps and all") {
    const Bytes feed = text("GGG: Good news, nothing to Guess. ", 400);
    TsAligner aligner;
    Bytes out;
    push(aligner, feed, 0, 3'000, 100, out);
    push(aligner, feed, 4'000, feed.size(), 100, out);
    Bytes expected = part(feed, 0, 3'000);
    const Bytes rest = part(feed, 4'000, feed.size());
    expected.insert(expected.end(), rest.begin(), rest.end());
    CHECK(out == expected);
    CHECK(!aligner.is_transport_stream());
  }

  TEST_CASE("the first chunk tells: nothing is kept back longer") {
    for (const Bytes& feed : {transport_stream(20), text("no packets here. ", 300)}) {
      TsAligner aligner;
      Bytes out;
      aligner.push(0, std::span(feed).first(1'024), out);
      CHECK(out.size() >= 1'024 - kPacket);
    }
  }

  TEST_CASE("the end brings what was kept back, also of a feed too short to tell") {
    for (const std::size_t size : {0UL, 1UL, 100UL, 400UL, 940UL, 1000UL, 3000UL}) {
      CAPTURE(size);
      const Bytes feed = part(transport_stream(40), 0, size);
      TsAligner aligner;
      Bytes out;
      push(aligner, feed, 0, feed.size(), 64, out);
      aligner.finish(out);
      CHECK(out == feed);
    }
  }

  TEST_CASE("a source that begins anew elsewhere is found again after the gap") {
    Bytes feed = transport_stream(40);
    const Bytes again = transport_stream(40);
    feed.resize(feed.size() + 50);  // as nobody should write it
    const std::size_t start = feed.size();
    feed.insert(feed.end(), again.begin(), again.end());
    TsAligner aligner;
    Bytes out;
    push(aligner, feed, 0, 3'760, 1'024, out);
    push(aligner, feed, start + 10, feed.size(), 1'024, out);
    Bytes expected = part(feed, 0, 3'760);
    const Bytes rest = part(feed, start + kPacket, feed.size());
    expected.insert(expected.end(), rest.begin(), rest.end());
    CHECK(out == expected);
  }

  TEST_CASE("a gap while nothing is known yet loses only what cannot be used") {
    const Bytes feed = transport_stream(40);
    TsAligner aligner;
    Bytes out;
    aligner.push(5, std::span(feed).subspan(5, 512), out);
    CHECK(out.empty());
    push(aligner, feed, 1'029, feed.size(), 512, out);
    CHECK(out == part(feed, 6 * kPacket, feed.size()));
  }
}
