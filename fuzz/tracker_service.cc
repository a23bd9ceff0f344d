// Whatever peers send, the tracker answers with something that a client can read, keeps its tables
// in agreement and within their bounds, and tells nobody of an address that did not answer.
//
// Commands: an octet that says what happens and from which host, then what it needs.
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "channel/handshake_check.h"
#include "tracker/tracker_service.h"
#include "wire/datagram.h"

namespace {

using namespace ppspp;
using namespace ppspp::tracker;

constexpr std::size_t kMostPeers = 12;

ServiceOptions small() {
  ServiceOptions options;
  options.registry = {.max_peers = kMostPeers,
                      .max_swarms = 6,
                      .max_peers_per_swarm = 8,
                      .max_peers_per_network = 3,
                      .max_memberships = 40,
                      .max_memberships_per_network = 20,
                      .track_timer = std::chrono::seconds(300)};
  options.checks.max_pending = 10;
  options.requests.per_second = 1'000;
  return options;
}

std::optional<MembershipIssuer> issuer() {
  static const auto kKey = SigningKey::generate(SignatureAlgorithm::ed25519);
  PPSPP_ASSERT(kKey.has_value());
  auto made = MembershipIssuer::create(*kKey);
  PPSPP_ASSERT(made.has_value());
  return std::optional(std::move(*made));
}

class World {
 public:
  void run(ByteReader in) {
    while (!in.at_end() && in.ok()) {
      const auto command = in.read<std::uint8_t>();
      host_ = TransportAddress::v4(0xc0000200 + (command >> 4), 50'000);
      switch (command & 3) {
        case 0:
          ask(in.take_up_to(in.read<std::uint16_t>()));
          break;
        case 1:
          service_.handle_datagram(
              TransportAddress::v4(host_.v4_address(), in.read<std::uint16_t>()),
              in.take_up_to(in.read<std::uint8_t>()), now());
          break;
        case 2:
          second_ += in.read<std::uint8_t>();
          service_.handle_deadline(now());
          break;
        default:
          exchange((command & 4) != 0);
      }
      check();
    }
  }

 private:
  Now now() const {
    return {TimePoint(std::chrono::seconds(second_)),
            WallTime{(1'800'000'000 + static_cast<std::uint64_t>(second_)) * 1'000'000}};
  }

  void ask(std::span<const std::byte> octets) {
    const std::string_view body(reinterpret_cast<const char*>(octets.data()), octets.size());
    const auto answer = service_.handle(body, host_, now());
    PPSPP_ASSERT(answer.status >= 200 && answer.status < 600);
    const auto response = read_response(answer.body);
    PPSPP_ASSERT(response.has_value());
    PPSPP_ASSERT((answer.status == 200) == (response->error == ErrorCode::none));
    for (const SwarmResult& result : response->results) {
      if (!result.peers) continue;
      for (const PeerInfo& peer : *result.peers) {
        PPSPP_ASSERT(answered_.contains(peer.address.address));
      }
    }
  }

  // The peers that were asked answer, or do not.
  void exchange(bool answer) {
    while (const auto datagram = service_.poll_transmit(now())) {
      PPSPP_ASSERT(datagram->octets.size() <= 1'280);
      if (!answer) continue;
      const auto first = read_handshake(datagram->octets);
      PPSPP_ASSERT(first.has_value());
      std::vector<std::byte> octets(64);
      ByteWriter out(octets);
      write_channel(out, first->handshake.source);
      write_handshake(out, {ChannelId{5}, closing_options()});
      octets.resize(out.size());
      answered_.insert(datagram->to);
      service_.handle_datagram(datagram->to, octets, now());
    }
  }

  void check() const {
    PPSPP_ASSERT(service_.registry().is_consistent());
    PPSPP_ASSERT(service_.registry().peers() <= kMostPeers);
    PPSPP_ASSERT(service_.registry().swarms() <= 6);
    PPSPP_ASSERT(service_.registry().memberships() <= 40);
    PPSPP_ASSERT(service_.checks().pending() <= 10);
  }

  Rng random_{1};
  TrackerService service_{small(), random_, issuer()};
  TransportAddress host_;
  std::int64_t second_ = 1;
  std::set<TransportAddress> answered_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World world;
  world.run(ByteReader(std::as_bytes(std::span(data, size))));
  return 0;
}
