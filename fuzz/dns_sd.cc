// Names and texts of services as anybody on the network may publish them: what is read has the one
// form in which we write it, and no proof but the right one makes somebody found.
#include "discovery/dns_sd.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "base/bytes.h"

namespace {

using ppspp::LocalDiscovery;
using ppspp::TransportAddress;

ppspp::SwarmId swarm_id() {
  const std::array<std::byte, 20> octets = {std::byte{1}};
  return ppspp::SwarmId(octets);
}

// True if it was believed.
bool tell(LocalDiscovery& discovery, std::uint64_t instance, const ppspp::LocalProof& proof,
          std::uint32_t address, std::uint32_t interface) {
  const auto before = discovery.counters().found;
  discovery.handle_service(
      {swarm_id(), instance, proof, TransportAddress::v4(address, 7'000), interface},
      ppspp::TimePoint(std::chrono::seconds(1)));
  return discovery.counters().found > before;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto octets = std::as_bytes(std::span(data, size));
  ppspp::ByteReader in(octets);
  const auto name_octets = in.take_up_to(in.read<std::uint8_t>());
  const std::string_view text(reinterpret_cast<const char*>(name_octets.data()),
                              name_octets.size());
  const auto name = ppspp::read_service_name(text);
  if (name) PPSPP_ASSERT(ppspp::write_service_name(*name) == text);
  const auto interface = in.read<std::uint8_t>();
  const auto address = in.read<std::uint32_t>();
  const auto proof = ppspp::read_service_text(in.take_up_to(in.remaining()));
  if (!proof) return 0;

  ppspp::Rng random(1);
  LocalDiscovery discovery(random);
  const ppspp::TimePoint now(std::chrono::seconds(1));
  discovery.set_links(
      {{1, TransportAddress::v4(0x0a000001, 6'778), {*ppspp::Network::parse("10.0.0.0/8")}}}, now);
  discovery.set_part(swarm_id(), LocalDiscovery::Part::misses, now);
  const std::uint64_t instance = name ? name->instance : 7;
  const auto genuine = ppspp::LocalSecrets().service_proof(swarm_id(), instance,
                                                           TransportAddress::v4(address, 7'000));
  const bool near = interface == 1 && address >> 24 == 10 && instance != discovery.instance();
  PPSPP_ASSERT(tell(discovery, instance, *proof, address, interface) ==
               (near && *proof == genuine));
  PPSPP_ASSERT(tell(discovery, instance, genuine, address, interface) ==
               (near && *proof != genuine));
  return 0;
}
