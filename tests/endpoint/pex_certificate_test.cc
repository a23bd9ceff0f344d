// Membership certificates among peers (RFC 7574, 3.10.1, 8.13, 12.2.2).
#include <doctest/doctest.h>

#include <algorithm>

#include "crypto/membership_certificate.h"
#include "endpoint/pex_world.h"

namespace ppspp::test {
namespace {

using Octets = std::vector<std::byte>;

const SigningKey& authority_key() {
  static const SigningKey kKey = *SigningKey::generate(SignatureAlgorithm::ed25519);
  return kKey;
}
SwarmMetadata with_authority() {
  SwarmMetadata metadata;
  metadata.authority.assign(authority_key().dnskey().begin(), authority_key().dnskey().end());
  return metadata;
}

struct Certified : PexWorld {
  explicit Certified(bool seeding, EndpointOptions options = {})
      : PexWorld(seeding, options, with_authority()) {}

  std::uint64_t seconds() { return world.now(*node).wall.microseconds / 1'000'000; }
  MembershipCertificate content(const TransportAddress& peer) {
    const auto id = original.metadata.id.octets();
    return {.host = host_of(peer),
            .port = peer.port(),
            .swarm_id = {id.begin(), id.end()},
            .not_before = seconds() - 10,
            .not_after = seconds() + 3'600,
            .peer_key = {authority_key().dnskey().begin(), authority_key().dnskey().end()}};
  }
  static Octets issue(const MembershipCertificate& content,
                      const SigningKey& key = authority_key()) {
    return *MembershipIssuer::create(key)->issue(content);
  }
  Octets certificate(const TransportAddress& peer) { return issue(content(peer)); }
  static Octets flipped(Octets der) {
    der[der.size() - 3] ^= std::byte{1};
    return der;
  }
  // The certificates that have come to this peer.
  static std::vector<Octets> certificates(Puppet& peer, Microseconds time = 60ms) {
    std::vector<Octets> all;
    for (const Heard& heard : peer.hear(time)) {
      for (const PexResCert& m : heard.all<PexResCert>()) {
        all.emplace_back(m.certificate.begin(), m.certificate.end());
      }
    }
    return all;
  }
};

TEST_SUITE("endpoint/pex_certificate") {
  TEST_CASE("a peer shows its own certificate to whoever it talks to (12.2.2)") {
    Certified w(true);
    const auto own = w.certificate(public_address(50));
    Puppet& before = w.peer_at(public_address(1));
    before.hear();
    REQUIRE(w.node->endpoint().set_certificate(w.node->swarm(), own, w.world.now(*w.node)));
    CHECK(Certified::certificates(before) == std::vector<Octets>{own});
    Puppet& after = w.peer_at(public_address(2));
    CHECK(Certified::certificates(after) == std::vector<Octets>{own});
    // It expires.
    w.world.run_for(1h);
    Puppet& late = w.peer_at(public_address(3));
    CHECK(Certified::certificates(late).empty());
  }

  TEST_CASE("a certificate of another authority, swarm or time is not taken for our own") {
    Certified w(true);
    auto& endpoint = w.node->endpoint();
    const auto set = [&](const Octets& der) {
      return endpoint.set_certificate(w.node->swarm(), der, w.world.now(*w.node)).has_value();
    };
    const auto address = public_address(50);
    CHECK_FALSE(set({}));
    CHECK_FALSE(set(Certified::flipped(w.certificate(address))));
    CHECK_FALSE(set(
        Certified::issue(w.content(address), *SigningKey::generate(SignatureAlgorithm::ed25519))));
    auto other = w.content(address);
    other.swarm_id[0] ^= std::byte{1};
    CHECK_FALSE(set(Certified::issue(other)));
    CHECK(set(w.certificate(address)));
    PexWorld plain(true);
    CHECK_FALSE(plain.node->endpoint().set_certificate(plain.node->swarm(), w.certificate(address),
                                                       plain.world.now(*plain.node)));
  }

  TEST_CASE("what a peer showed is told to others, also on the Internet, and nothing else is") {
    Certified w(true);
    Puppet& shown = w.peer_at(public_address(1));
    w.peer_at(public_address(2));  // without one
    Puppet& asking = w.peer_at(public_address(3));
    const auto certificate = w.certificate(shown.address());
    shown.say({PexResCert{certificate}});
    asking.hear();
    asking.say({PexReq{}});
    const auto heard = asking.hear();
    std::size_t told = 0;
    for (const Heard& datagram : heard) {
      CHECK_FALSE(datagram.has<PexResV4>());
      for (const PexResCert& m : datagram.all<PexResCert>()) {
        CHECK(std::ranges::equal(m.certificate, certificate));
        ++told;
      }
    }
    CHECK(told == 1);
    CHECK(w.counters().certificates_accepted == 1);
  }

  TEST_CASE("the certificate of a peer that was not heard for a minute is not told (3.10.1 #174)") {
    Certified w(true);
    Puppet& shown = w.peer_at(public_address(1));
    Puppet& asking = w.peer_at(public_address(2));
    shown.say({PexResCert{w.certificate(shown.address())}});
    for (int i = 0; i < 7; ++i) {
      w.world.run_for(10s);
      PexWorld::keep_alive(asking);
    }
    asking.hear();
    asking.say({PexReq{}});
    CHECK(Certified::certificates(asking).empty());
  }

  TEST_CASE("certificates of internal addresses stay inside (8.13 #180)") {
    Certified w(true);
    Puppet& inside = w.peer_at(TransportAddress::v4(0x0a020001, 7000));
    inside.say({PexResCert{w.certificate(inside.address())}});
    Puppet& outside = w.peer_at(public_address(1));
    outside.hear();
    outside.say({PexReq{}});
    CHECK(Certified::certificates(outside).empty());
    CHECK(w.counters().certificates_accepted == 1);
  }

  TEST_CASE("a leecher contacts whom a certificate names, if it holds (3.10.1 #184)") {
    const auto named = public_address(7);
    const auto contacted = [&](const std::function<Octets(Certified&)>& make) {
      Certified w(false);
      Puppet& asked = w.peer_at(public_address(1));
      REQUIRE(PexWorld::is_asked(asked));
      asked.say({PexResCert{make(w)}});
      w.world.run_for(1s);
      const bool called = w.handshakes_to(named) > 0;
      CHECK(w.counters().certificates_accepted == (called ? 1 : 0));
      CHECK(w.counters().certificates_refused == (called ? 0 : 1));
      return called;
    };
    CHECK(contacted([&](Certified& w) { return w.certificate(named); }));
    CHECK_FALSE(contacted([&](Certified& w) { return Certified::flipped(w.certificate(named)); }));
    CHECK_FALSE(contacted([&](Certified& w) {
      auto other = w.content(named);
      other.swarm_id[0] ^= std::byte{1};
      return Certified::issue(other);
    }));
    CHECK_FALSE(contacted([&](Certified& w) {
      auto expired = w.content(named);
      expired.not_before -= 7'200;
      expired.not_after = expired.not_before + 3'600;
      return Certified::issue(expired);
    }));
    CHECK_FALSE(contacted([&](Certified& w) {
      auto early = w.content(named);
      early.not_before += 3'600;
      early.not_after += 3'600;
      return Certified::issue(early);
    }));
    CHECK_FALSE(contacted([&](Certified& w) {
      return Certified::issue(w.content(named),
                              *SigningKey::generate(SignatureAlgorithm::ecdsap256sha256));
    }));
    CHECK_FALSE(contacted([&](Certified&) { return Octets(1'300, std::byte{0x30}); }));
    // A name is not looked up for a stranger.
    CHECK_FALSE(contacted([&](Certified& w) {
      auto name = w.content(named);
      name.host = "peer.example";
      return Certified::issue(name);
    }));
  }

  TEST_CASE(
      "few certificates are checked, and after a defective one the rest are discarded "
      "(12.2.2 #185)") {
    Certified w(false);
    Puppet& liar = w.peer_at(public_address(1));
    REQUIRE(PexWorld::is_asked(liar));
    const auto wrong = Certified::flipped(w.certificate(public_address(7)));
    for (int i = 0; i < 20; ++i) liar.say({PexResCert{wrong}});
    liar.say({PexResCert{w.certificate(public_address(8))}});
    w.world.run_for(1s);
    CHECK(w.counters().certificates_refused == 1);
    CHECK(w.counters().certificates_accepted == 0);
    CHECK(w.counters().ignored == 20);
    CHECK(w.handshakes_to(public_address(8)) == 0);
  }

  TEST_CASE("of good ones a bounded number is taken at a time, and unasked next to none") {
    Certified w(false);
    Puppet& eager = w.peer_at(public_address(1));
    for (std::uint32_t i = 10; i < 20; ++i) {
      eager.say({PexResCert{w.certificate(public_address(i))}});
    }
    w.world.run_for(100ms);
    CHECK(w.counters().certificates_accepted == 2);
    REQUIRE(PexWorld::is_asked(eager));
    for (std::uint32_t i = 20; i < 40; ++i) {
      eager.say({PexResCert{w.certificate(public_address(i))}});
    }
    w.world.run_for(100ms);
    CHECK(w.counters().certificates_accepted == 10);
  }

  TEST_CASE("without an authority certificates are not looked at (12.2.2 #186)") {
    Certified w(false);
    PexWorld plain(false);
    Puppet& peer = plain.peer_at(public_address(1));
    peer.say({PexResCert{w.certificate(public_address(7))}});
    plain.world.run_for(1s);
    CHECK(plain.counters().certificates_accepted + plain.counters().certificates_refused == 0);
    CHECK(plain.handshakes_to(public_address(7)) == 0);
  }

  TEST_CASE("many peers with bad certificates cost a bounded number of checks a second") {
    Certified w(true);
    std::vector<Puppet*> liars;
    for (std::uint32_t i = 0; i < 100; ++i) liars.push_back(&w.peer_at(public_address(i)));
    const auto wrong = Certified::flipped(w.certificate(public_address(200)));
    for (Puppet* liar : liars) liar->say({PexResCert{wrong}});
    w.world.run_for(10ms);
    CHECK(w.counters().certificates_refused == 32);
  }
}

}  // namespace
}  // namespace ppspp::test
