// bench_channels: what thousands of channels of one endpoint cost, without sockets: memory and work
// of one that is idle, and of a datagram among few and among many. Prints one JSON object per line.
#include <fmt/core.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "many_peers.h"

namespace {

using namespace std::chrono_literals;
using bench::Contents;
using bench::ManyPeers;
using ppspp::Microseconds;

constexpr std::uint64_t kIdleNumber = 1'000'000'000;  // of the first content that is idle

// What a channel has done before it is idle.
enum class Past { nothing, sent, received };
constexpr std::array<std::string_view, 3> kPasts = {"nothing exchanged", "sent", "received"};

// Not all at once: no peer shall have to say its first word again.
template <typename Add>
void add_in_steps(ManyPeers& world, std::size_t count, const Add& add) {
  for (std::size_t i = 0; i < count; ++i) {
    add(i);
    if (i % 500 == 499) world.run_for(100ms);
  }
}

void print_idle(std::size_t channels, std::size_t per_swarm, Past past) {
  ManyPeers world;
  const Contents contents(past == Past::nothing ? 1 : 256);
  const std::size_t swarms = channels / per_swarm;
  for (std::size_t i = 0; i < swarms; ++i) world.join(contents, i, past != Past::received);
  const auto empty = world.cost();
  add_in_steps(world, channels,
               [&](std::size_t i) { world.add_peer(contents, i % swarms, past != Past::sent); });
  world.run_for(2s);
  const auto open = world.cost();
  world.run_for(180s);
  const auto before = world.cost();
  world.run_for(270s);  // ten keep-alives
  const auto after = world.cost();
  const auto n = static_cast<double>(channels);
  fmt::print(
      "{{\"what\":\"idle\",\"channels\":{},\"established\":{},\"swarms\":{},\"past\":\"{}\","
      "\"octets\":{:.0f},\"open_us\":{:.2f},\"idle_us_per_minute\":{:.2f},"
      "\"datagrams_per_minute\":{:.2f}}}\n",
      channels, world.channels(), swarms, kPasts[static_cast<std::size_t>(past)],
      static_cast<double>(after.heap - empty.heap) / n, (open.cpu_s - empty.cpu_s) * 1e6 / n,
      (after.cpu_s - before.cpu_s) * 1e6 / n / 4.5,
      static_cast<double>(after.datagrams - before.datagrams) / n / 4.5);
  std::fflush(stdout);
}

// `active` channels send or receive, each in a swarm of its own, beside `idle` ones.
void print_active(std::size_t active, std::size_t idle, bool sending) {
  constexpr std::uint64_t kDatagrams = 100'000;
  ManyPeers world;
  const Contents one(1);
  const Contents large(active <= 10 ? 32'768 : active <= 100 ? 4'096 : 512);
  const std::size_t idle_swarms = (idle + 99) / 100;
  for (std::size_t i = 0; i < idle_swarms; ++i) world.join(one, kIdleNumber + i, true);
  add_in_steps(world, idle,
               [&](std::size_t i) { world.add_peer(one, kIdleNumber + i % idle_swarms, true); });
  world.run_for(110s);  // all is said, and no keep-alives are due for a while
  for (std::size_t i = 0; i < active; ++i) world.join(large, i, sending);
  for (std::size_t i = 0; i < active; ++i) world.add_peer(large, i, !sending);
  world.run_datagrams(active * 64, 10s);  // windows are open, memory has been taken
  const auto before = world.cost();
  world.run_datagrams(kDatagrams, 8s);
  const auto after = world.cost();
  const auto n = static_cast<double>(after.datagrams - before.datagrams);
  fmt::print(
      "{{\"what\":\"active\",\"active\":{},\"idle\":{},\"direction\":\"{}\",\"datagrams\":{:.0f},"
      "\"us_per_datagram\":{:.3f},\"allocations_per_datagram\":{:.4f}}}\n",
      active, idle, sending ? "out" : "in", n, (after.cpu_s - before.cpu_s) * 1e6 / n,
      static_cast<double>(after.allocations - before.allocations) / n);
  std::fflush(stdout);
}

// One channel sends, among `idle` ones of the same swarm to peers that have everything.
void print_same_swarm(std::size_t idle) {
  ManyPeers world;
  const Contents contents(16'384);
  world.join(contents, 0, true);
  add_in_steps(world, idle, [&](std::size_t) { world.add_peer(contents, 0, true); });
  world.run_for(110s);
  world.add_peer(contents, 0, false);
  world.run_datagrams(1'000, 2s);
  const auto before = world.cost();
  world.run_for(8s);
  const auto after = world.cost();
  const auto n = static_cast<double>(after.datagrams - before.datagrams);
  fmt::print(
      "{{\"what\":\"same swarm\",\"idle\":{},\"datagrams\":{:.0f},\"us_per_datagram\":{:.3f}}}\n",
      idle, n, (after.cpu_s - before.cpu_s) * 1e6 / n);
  std::fflush(stdout);
}

}  // namespace

int main() {
  for (const std::size_t channels : {10U, 100U, 1'000U, 10'000U}) {
    print_idle(channels, 10, Past::nothing);
  }
  print_idle(1'000, 1, Past::nothing);
  for (const Past past : {Past::sent, Past::received}) print_idle(1'000, 10, past);
  for (const bool sending : {true, false}) {
    print_active(10, 0, sending);
    print_active(10, 10'000, sending);
    print_active(1'000, 0, sending);
    print_active(1'000, 10'000, sending);
  }
  for (const std::size_t idle : {0U, 100U, 1'000U}) print_same_swarm(idle);
  return 0;
}
