// Whatever comes from the network, and whenever: nobody is found who did not prove that it knows
// the ID of a swarm, tables stay within their bounds, and what is sent can be read.
//
// Each input is a list of: how much later (one octet, in units of 10 ms), a command or the length
// of a datagram, and its octets.
#include <algorithm>
#include <array>
#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"
#include "discovery/local_discovery.h"

namespace {

using ppspp::LocalDiscovery;
using ppspp::TransportAddress;

ppspp::SwarmId swarm_id(unsigned number) {
  const std::array<std::byte, 20> octets = {static_cast<std::byte>(number)};
  return ppspp::SwarmId(octets);
}

void command(LocalDiscovery& discovery, unsigned value, ppspp::TimePoint now) {
  const auto id = swarm_id(value & 3);
  const unsigned what = value >> 2 & 7;
  if (what < 3) return discovery.set_part(id, static_cast<LocalDiscovery::Part>(what), now);
  if (what == 3) return discovery.remove(id);
  if (what == 4) return discovery.ask_again(id, now);
  std::vector<ppspp::LocalLink> links;
  for (std::uint32_t i = 0; i < what - 4; ++i) {
    links.push_back({i,
                     TransportAddress::v4(0x0a000001 + (i << 8), 6778),
                     {*ppspp::Network::parse("10.0.0.0/8")}});
  }
  discovery.set_links(std::move(links), now);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ppspp::ByteReader in(std::as_bytes(std::span(data, size)));
  ppspp::Rng random(1);
  LocalDiscovery discovery(random);
  ppspp::TimePoint now(std::chrono::seconds(1));
  while (!in.at_end()) {
    now += ppspp::Microseconds(in.read<std::uint8_t>() * 10'000);
    const auto kind = in.read<std::uint8_t>();
    if (kind < 32) {
      command(discovery, kind, now);
    } else {
      const auto interface = in.read<std::uint8_t>();
      const auto from = TransportAddress::v4(0x0a000000U + interface, 6779);
      const auto octets = in.take_up_to(std::min<std::size_t>(in.remaining(), kind * 5U));
      discovery.handle_datagram(octets, from, interface & 3U, now);
    }
    std::array<std::byte, ppspp::LocalMessage::kMaxSize> buffer;
    for (int i = 0; const auto transmit = discovery.poll_transmit(buffer, now); ++i) {
      PPSPP_ASSERT(i < 300);
      PPSPP_ASSERT(ppspp::read_local_message(std::span(buffer).first(transmit->size)).has_value());
    }
    PPSPP_ASSERT(discovery.deadline() > now);
    while (const auto found = discovery.poll_found()) PPSPP_ASSERT(found->peer.port() != 0);
  }
  PPSPP_ASSERT(discovery.swarms() <= 4);
  return 0;
}
