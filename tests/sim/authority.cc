#include "sim/authority.h"

#include <string>

#include "base/assert.h"
#include "crypto/membership_certificate.h"
#include "ppspp/signing_key.h"

namespace ppspp::sim {
namespace {

// Ed25519, which draws no random numbers.
constexpr const char* kKey = "MC4CAQAwBQYDK2VwBCIEIB1QnE5N2iSHSDDXrG4J4wb9RQffYEsMcc4a7O8Xjh8k";

const MembershipIssuer& issuer() {
  static const MembershipIssuer kIssuer = [] {
    const auto key = SigningKey::from_pem(std::string("-----BEGIN PRIVATE KEY-----\n") + kKey +
                                          "\n-----END PRIVATE KEY-----\n");
    PPSPP_ASSERT(key);
    auto made = MembershipIssuer::create(*key);
    PPSPP_ASSERT(made);
    return *std::move(made);
  }();
  return kIssuer;
}

}  // namespace

std::vector<std::byte> authority_key() {
  const auto key = issuer().dnskey();
  return {key.begin(), key.end()};
}

std::uint64_t authority_seconds(SimTime time) {
  return (static_cast<std::uint64_t>(kSomeDay) + time) / 1'000'000;
}

// The key of a peer matters to nobody: it is the authority's here.
std::vector<std::byte> certify(const SwarmId& swarm, const TransportAddress& peer, SimTime from,
                               std::uint64_t seconds) {
  const auto id = swarm.octets();
  const auto der = issuer().issue({.host = host_of(peer),
                                   .port = peer.port(),
                                   .swarm_id = {id.begin(), id.end()},
                                   .not_before = authority_seconds(from),
                                   .not_after = authority_seconds(from) + seconds,
                                   .peer_key = authority_key()});
  PPSPP_ASSERT(der);
  return *der;
}

}  // namespace ppspp::sim
