// The simulator's own parts: a checker that finds nothing wrong with anything is worth nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "sim/checker.h"
#include "sim/nat.h"
#include "sim/radix_queue.h"
#include "sim/run_options.h"
#include "sim/swarm_run.h"
#include "support/seed.h"

namespace ppspp::sim {

TEST_SUITE("sim/parts") {
  TEST_CASE("a queue yields by time, and by the order of pushing where times are equal") {
    Rng random(test::seed());
    RadixQueue<std::uint32_t> queue;
    std::vector<std::pair<std::uint64_t, std::uint32_t>> model;
    std::uint64_t now = 0;
    std::uint32_t number = 0;
    std::uint64_t phases = 0;
    for (int step = 0; step < 20'000; ++step) {
      const std::uint64_t phase = random.below(2'000) == 0 ? ++phases : phases;
      if (model.empty() || random.below(5) < 2 + phase % 2) {
        const std::uint64_t time = now + random.below(std::uint64_t{1} << random.below(20));
        queue.push(time, number);
        model.emplace_back(time, number++);
        continue;
      }
      const auto first = std::ranges::min_element(model);
      const auto entry = queue.pop();
      REQUIRE(entry.time == first->first);
      REQUIRE(entry.value == first->second);
      now = entry.time;
      model.erase(first);
      REQUIRE(queue.size() == model.size());
    }
  }

  TEST_CASE("a clock knows when it will show a time, whatever its speed") {
    Rng random(test::seed());
    for (int i = 0; i < 2'000; ++i) {
      const SimClock clock(static_cast<std::int64_t>(random.below(1'000'000'000)), 0,
                           static_cast<std::int32_t>(random.below(1'001)) - 500);
      const SimTime time = 1'000'000 + random.below(10'000'000'000);
      const TimePoint shown = clock.now(time).monotonic;
      const SimTime when = clock.when(shown);
      CHECK(when <= time);
      CHECK(clock.now(when).monotonic >= shown);
      if (when > 1) CHECK(clock.now(when - 1).monotonic < shown);
    }
  }

  TEST_CASE("the four kinds of NAT let in whom they should (RFC 3489)") {
    const auto a = TransportAddress::v4(1, 10);
    const auto a_other = TransportAddress::v4(1, 11);
    const auto b = TransportAddress::v4(2, 10);
    const auto look = [&](NatKind kind) {
      Nat nat({.kind = kind, .timeout = 100});
      const std::uint16_t port = *nat.translate(a, 0);
      CHECK_FALSE(nat.admits(a, static_cast<std::uint16_t>(port + 1), 1));
      CHECK_FALSE(nat.admits(a, port, 100));  // forgotten
      CHECK((*nat.translate(b, 1) == port) == (kind != NatKind::symmetric));
      Nat fresh({.kind = kind, .timeout = 100});
      const std::uint16_t one = *fresh.translate(a, 0);
      return std::vector<bool>{fresh.admits(a, one, 1), fresh.admits(a_other, one, 1),
                               fresh.admits(b, one, 1)};
    };
    CHECK(look(NatKind::full_cone) == std::vector<bool>{true, true, true});
    CHECK(look(NatKind::address_restricted) == std::vector<bool>{true, true, false});
    CHECK(look(NatKind::port_restricted) == std::vector<bool>{true, false, false});
    CHECK(look(NatKind::symmetric) == std::vector<bool>{true, false, false});
  }

  TEST_CASE("a store knows wrong octets, a wrong length, and what was never written") {
    const Content content(10'000, 1, {}, true);
    StoreVerdicts verdicts;
    auto disk = std::make_shared<SimDisk>(content, false);
    SimStore store(disk, verdicts);
    std::vector<std::byte> chunk(content.octets().begin(), content.octets().begin() + 1'024);
    const std::span<const std::byte> piece(chunk);
    CHECK(store.write(0, std::span(&piece, 1)) == StoreStatus::done);
    CHECK(verdicts.all_well());
    CHECK(disk->has(0));
    CHECK(store.write(1'024, std::span(&piece, 1)) == StoreStatus::failed);
    CHECK(verdicts.wrong_writes == 1);
    CHECK_FALSE(disk->has(1));
    const std::span<std::byte> place(chunk);
    CHECK(store.read(2'048, std::span(&place, 1)) == StoreStatus::done);
    CHECK(verdicts.unwritten_reads == 1);
    CHECK(store.set_content_length(9'999) == StoreStatus::failed);
    CHECK(verdicts.wrong_lengths == 1);
  }

  TEST_CASE("a checker finds what must not be sent") {
    World world(1);
    const NodeId a = world.add_node({});
    const NodeId b = world.add_node({});
    std::vector<std::unique_ptr<Content>> contents;
    contents.push_back(std::make_unique<Content>(10'000, 1, SwarmMetadata{}, true));
    SimDisk disk(*contents[0], false);
    disk.set(3);
    Checker checker(world, contents, [&](NodeId, std::size_t) { return &disk; });
    const SwarmMetadata& metadata = contents[0]->metadata();
    const WireFormat format = wire_format(metadata);
    std::vector<std::byte> octets(2'000);
    const auto send = [&](NodeId from, NodeId to, ChannelId channel, const auto& write) {
      ByteWriter out(octets);
      write_channel(out, channel);
      write(out);
      return checker.check_sent(from, world.address(to), out.written());
    };
    const auto greet = [&](NodeId from, NodeId to, ChannelId channel, ChannelId own, bool first) {
      HandshakeOptions options = handshake_options(metadata, 0, first, false);
      options.supported_messages->reset(static_cast<std::size_t>(MessageType::choke));
      return send(from, to, channel, [&](ByteWriter& out) {
        write_handshake(out, Handshake{own, options});
      });
    };
    const auto have = [&](ChunkRange chunks) {
      return [&, chunks](ByteWriter& out) { write_have(out, chunks, format); };
    };

    CHECK_FALSE(greet(a, b, {0}, {7}, true));
    CHECK(greet(b, a, {8}, {9}, false));  // a never named that channel
    CHECK(greet(b, a, {7}, {9}, false));  // b has heard nothing from a: an answer is too much
    checker.note_received(b, world.address(a), std::vector<std::byte>(100));
    CHECK_FALSE(greet(b, a, {7}, {9}, false));
    checker.note_received(
        a, world.address(b),
        std::vector<std::byte>{std::byte{0}, std::byte{0}, std::byte{0}, std::byte{7}});
    CHECK_FALSE(send(a, b, {9}, have({3, 4})));
    CHECK(send(a, b, {9}, have({3, 5})));
    CHECK(send(a, b, {9}, [](ByteWriter& out) { write_choke(out); }));
    CHECK(send(a, b, {9}, [](ByteWriter& out) { out.write(std::uint8_t{200}); }));
    CHECK(send(a, b, {9}, [&](ByteWriter& out) {
      const auto data = write_data(out, 3, 1'024, format);
      std::ranges::fill(data.payload, std::byte{1});
    }));
  }

  TEST_CASE("a checker finds whom a peer must not be told of (3.10.1, 8.13, decision 50)") {
    World world(1);
    for (int i = 0; i < 4; ++i) world.add_node({.lan = static_cast<std::uint8_t>(i < 3 ? 1 : 0)});
    std::vector<std::unique_ptr<Content>> contents;
    contents.push_back(std::make_unique<Content>(10'000, 1, SwarmMetadata{}, true));
    Checker checker(world, contents, [](NodeId, std::size_t) { return nullptr; });
    checker.set_pex(true, false);
    std::vector<std::byte> octets(2'000);
    const auto send = [&](const TransportAddress& to, ChannelId channel, const auto& write) {
      ByteWriter out(octets);
      write_channel(out, channel);
      write(out);
      return checker.check_sent(0, to, out.written());
    };
    const auto hear_of = [&](const TransportAddress& from) {
      checker.note_received(0, from, std::vector<std::byte>(1'000));
    };
    const auto tell = [&](const TransportAddress& to, const TransportAddress& told) {
      return send(to, {9}, [&](ByteWriter& out) {
        write_pex_res(out, PexResV4{told.v4_address(), told.port()});
      });
    };
    const TransportAddress near = world.lan_address(1);
    const TransportAddress other = world.lan_address(2);
    const TransportAddress far = world.address(3);
    for (const TransportAddress& peer : {near, far}) {
      hear_of(peer);
      const NodeId node = *world.find(peer);
      const Handshake hello{{9}, handshake_options(contents[0]->metadata(), 0, true, false)};
      std::vector<std::byte> first(500);
      ByteWriter out(first);
      write_channel(out, {0});
      write_handshake(out, hello);
      REQUIRE_FALSE(checker.check_sent(node, world.address(0), out.written()));
    }
    CHECK(tell(near, other));  // not heard
    hear_of(other);
    CHECK_FALSE(tell(near, other));
    CHECK_FALSE(tell(near, far));
    CHECK(tell(near, near));
    CHECK(tell(far, other));  // internal
    CHECK(tell(far, world.address(2)));
    hear_of(world.address(2));
    CHECK(tell(far, world.address(2)));  // bare, on the Internet
    checker.set_pex(true, true);
    CHECK_FALSE(tell(far, world.address(2)));
    for (int i = 0; i < 14; ++i) CHECK_FALSE(tell(near, other));
    CHECK(tell(near, other));  // one too many
    world.run_until(world.time() + 70'000'000);
    CHECK(tell(near, other));  // not heard lately
    checker.set_pex(false, false);
    hear_of(other);
    CHECK(tell(near, other));
  }

  TEST_CASE("equal seeds send the same at the same times, and other seeds something else") {
    RunOptions options = draw_options(7);
    const RunResult first = SwarmRun(options).run();
    const RunResult second = SwarmRun(options).run();
    CHECK(first.code == 0);
    CHECK(first.digest == second.digest);
    CHECK(first.datagrams > 0);
    CHECK(SwarmRun(draw_options(8)).run().digest != first.digest);
  }
}

}  // namespace ppspp::sim
