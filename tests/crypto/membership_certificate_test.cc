#include "crypto/membership_certificate.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/hex.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using Octets = std::vector<std::byte>;
constexpr std::uint64_t kNow = 1'800'000'000;

SigningKey make_key(SignatureAlgorithm algorithm) {
  auto key = SigningKey::generate(algorithm);
  REQUIRE(key);
  return std::move(*key);
}

const Octets& peer_key() {
  static const Octets kKey = [] {
    const SigningKey key = make_key(SignatureAlgorithm::ed25519);
    return Octets(key.dnskey().begin(), key.dnskey().end());
  }();
  return kKey;
}

MembershipCertificate member(std::string host = "192.0.2.0", std::uint16_t port = 6778) {
  return {.host = std::move(host),
          .port = port,
          .swarm_id = test::hex("e5a12c7ad2d8fab33c699d1e198d66f79fa610c3"),
          .not_before = kNow,
          .not_after = kNow + 3600,
          .peer_key = peer_key()};
}

struct Authority {
  explicit Authority(SignatureAlgorithm algorithm = SignatureAlgorithm::ed25519)
      : key(make_key(algorithm)),
        issuer(std::move(*MembershipIssuer::create(key))),
        verifier(std::move(*VerifyingKey::from_dnskey(issuer.dnskey()))) {}

  Octets issue(const MembershipCertificate& content) const {
    auto der = issuer.issue(content);
    REQUIRE_MESSAGE(der, der.error().context);
    return std::move(*der);
  }
  Result<MembershipCertificate> verify(std::span<const std::byte> der, std::uint64_t now = kNow) {
    return verify_membership_certificate(der, verifier, now);
  }

  SigningKey key;
  MembershipIssuer issuer;
  VerifyingKey verifier;
};

constexpr SignatureAlgorithm kIssuers[] = {
    SignatureAlgorithm::ecdsap256sha256, SignatureAlgorithm::ecdsap384sha384,
    SignatureAlgorithm::ed25519, SignatureAlgorithm::rsasha256};

TEST_SUITE("crypto/membership_certificate") {
  TEST_CASE("what was issued is verified with the issuer's public key (8.13, 3.10.1 #184)") {
    for (const SignatureAlgorithm algorithm : kIssuers) {
      CAPTURE(to_string(algorithm));
      Authority tracker(algorithm);
      for (const char* host : {"192.0.2.0", "2001:db8::1", "peer.example.org"}) {
        const auto content = member(host);
        const auto der = tracker.issue(content);
        CHECK(der.size() <= kMaxMembershipCertificate);
        const auto verified = tracker.verify(der);
        REQUIRE_MESSAGE(verified, verified.error().context);
        CHECK(*verified == content);
      }
    }
  }

  TEST_CASE("a peer's key of any kind for swarms is certified") {
    Authority tracker;
    for (const SignatureAlgorithm algorithm : kIssuers) {
      if (algorithm == SignatureAlgorithm::rsasha256) continue;
      const SigningKey key = make_key(algorithm);
      auto content = member();
      content.peer_key.assign(key.dnskey().begin(), key.dnskey().end());
      const auto verified = tracker.verify(tracker.issue(content));
      REQUIRE(verified);
      CHECK(verified->peer_key == content.peer_key);
    }
  }

  TEST_CASE("the longest IDs of static swarms and those of ECDSA and RSA-2048 fit") {
    Authority tracker(SignatureAlgorithm::ecdsap256sha256);
    for (const std::size_t size : {20u, 33u, 64u, 65u, 97u, 260u}) {
      auto content = member("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
      content.swarm_id.assign(size, std::byte{0xa5});
      CHECK(tracker.issue(content).size() <= kMaxMembershipCertificate);
    }
    auto content = member();
    content.swarm_id.assign(520, std::byte{0xa5});
    CHECK_FALSE(tracker.issuer.issue(content));
  }

  TEST_CASE("the URL is that of the RFC's example, host, port and swarm ID in hex (8.13 #183)") {
    CHECK(membership_url(member()) ==
          "file://192.0.2.0:6778/e5a12c7ad2d8fab33c699d1e198d66f79fa610c3");
    CHECK(membership_url(member("2001:db8::1", 80)) ==
          "file://[2001:db8::1]:80/e5a12c7ad2d8fab33c699d1e198d66f79fa610c3");
    const auto read =
        parse_membership_url("FILE://192.0.2.0:6778/E5A12C7AD2D8FAB33C699D1E198D66F79FA610C3");
    REQUIRE(read);
    CHECK(read->swarm_id == member().swarm_id);
    CHECK(read->address() == *TransportAddress::parse("192.0.2.0:6778"));
  }

  TEST_CASE("other URLs are refused (8.13 #183)") {
    for (const char* url : {"",
                            "file:",
                            "file://",
                            "file:///e5",
                            "http://192.0.2.0:6778/e5",
                            "file://192.0.2.0/e5",
                            "file://192.0.2.0:/e5",
                            "file://192.0.2.0:0/e5",
                            "file://192.0.2.0:65536/e5",
                            "file://192.0.2.0:+1/e5",
                            "file://192.0.2.0:6778",
                            "file://192.0.2.0:6778/",
                            "file://192.0.2.0:6778/e",
                            "file://192.0.2.0:6778/e5/",
                            "file://192.0.2.0:6778/e5?x",
                            "file://192.0.2.0:6778/zz",
                            "file://:6778/e5",
                            "file://a@b:6778/e5",
                            "file://[192.0.2.0]:1/e5",
                            "file://[::1:1/e5",
                            "file://::1:1/e5",
                            "file://[fe80::1%2]:1/e5",
                            "file://a b:1/e5",
                            "file://a%20:1/e5"}) {
      CAPTURE(url);
      CHECK_FALSE(parse_membership_url(url));
    }
  }

  TEST_CASE("hosts are written as addresses are") {
    CHECK(host_of(*TransportAddress::parse("192.0.2.7:1")) == "192.0.2.7");
    CHECK(host_of(*TransportAddress::parse("[2001:db8::7]:1")) == "2001:db8::7");
    CHECK(member("2001:db8::7", 9).address() == *TransportAddress::parse("[2001:db8::7]:9"));
    CHECK_FALSE(member("peer.example.org").address());
  }

  TEST_CASE("a certificate is good from its first to its last second (3.10.1 #184)") {
    Authority tracker;
    const auto der = tracker.issue(member());
    CHECK(tracker.verify(der, kNow + 3600));
    CHECK_FALSE(tracker.verify(der, kNow + 3601));
    CHECK_FALSE(tracker.verify(der, ~std::uint64_t{0}));
    // Our clock may be a little behind the tracker's.
    CHECK(tracker.verify(der, kNow - kMembershipClockTolerance));
    CHECK_FALSE(tracker.verify(der, kNow - kMembershipClockTolerance - 1));
    CHECK_FALSE(tracker.verify(der, 0));
  }

  TEST_CASE("times are kept to the second, before and after 2050 (RFC 5280, 4.1.2.5)") {
    Authority tracker;
    for (const std::uint64_t at : {1'709'164'800ull, 2'524'607'998ull, 2'524'608'000ull,
                                   4'107'542'400ull, 253'402'300'798ull}) {
      auto content = member();
      content.not_before = at;
      content.not_after = at + 1;
      const auto verified = tracker.verify(tracker.issue(content), at);
      REQUIRE(verified);
      CHECK(verified->not_before == at);
      CHECK(verified->not_after == at + 1);
    }
  }

  TEST_CASE("another issuer's certificate is refused (3.10.1 #184)") {
    for (const SignatureAlgorithm algorithm : kIssuers) {
      Authority tracker(algorithm);
      Authority same_kind(algorithm);
      Authority other_kind(algorithm == SignatureAlgorithm::ed25519
                               ? SignatureAlgorithm::ecdsap256sha256
                               : SignatureAlgorithm::ed25519);
      const auto der = tracker.issue(member());
      CHECK_FALSE(same_kind.verify(der));
      CHECK_FALSE(other_kind.verify(der));
    }
  }

  TEST_CASE("no octet of a certificate can be changed, none left out or added (8.13, 12.2.1)") {
    std::mt19937_64 random(test::seed());
    for (const SignatureAlgorithm algorithm :
         {SignatureAlgorithm::ed25519, SignatureAlgorithm::ecdsap256sha256}) {
      Authority tracker(algorithm);
      const auto der = tracker.issue(member());
      for (std::size_t i = 0; i < der.size(); ++i) {
        auto changed = der;
        changed[i] ^= static_cast<std::byte>(1 + random() % 255);
        CAPTURE(i);
        CHECK_FALSE(tracker.verify(changed));
        CHECK_FALSE(tracker.verify(std::span(der).first(i)));
      }
      auto longer = der;
      longer.push_back(std::byte{0});
      CHECK_FALSE(tracker.verify(longer));
    }
  }

  TEST_CASE("octets at random, and too many of them, are no certificate") {
    std::mt19937_64 random(test::seed());
    Authority tracker;
    for (int i = 0; i < 2000; ++i) {
      Octets octets(random() % 1400);
      for (std::byte& octet : octets) octet = static_cast<std::byte>(random());
      if (!octets.empty() && i % 2 == 0) octets[0] = std::byte{0x30};
      CHECK_FALSE(tracker.verify(octets));
    }
  }

  TEST_CASE("what makes no sense is not certified") {
    Authority tracker;
    const auto refuses = [&](auto change) {
      auto content = member();
      change(content);
      return !tracker.issuer.issue(content);
    };
    CHECK(refuses([](auto& c) { c.host = ""; }));
    CHECK(refuses([](auto& c) { c.host = "a/b"; }));
    CHECK(refuses([](auto& c) { c.host = "[::1]"; }));
    CHECK(refuses([](auto& c) { c.host = "fe80::1%2"; }));
    CHECK(refuses([](auto& c) { c.port = 0; }));
    CHECK(refuses([](auto& c) { c.swarm_id.clear(); }));
    CHECK(refuses([](auto& c) { c.not_after = c.not_before - 1; }));
    CHECK(refuses([](auto& c) { c.not_after = ~std::uint64_t{0}; }));
    CHECK(refuses([](auto& c) { c.peer_key.clear(); }));
    CHECK(refuses([](auto& c) { c.peer_key.pop_back(); }));
    CHECK_FALSE(MembershipIssuer::create(*SigningKey::from_pem(
        make_key(SignatureAlgorithm::rsasha1).to_pem(), SignatureAlgorithm::rsasha1)));
  }

  TEST_CASE("a request for a certificate proves that the peer has the key (12.2.2)") {
    for (const SignatureAlgorithm algorithm :
         {SignatureAlgorithm::ed25519, SignatureAlgorithm::ecdsap256sha256,
          SignatureAlgorithm::ecdsap384sha384}) {
      const SigningKey key = make_key(algorithm);
      const auto request = make_certificate_request(key);
      REQUIRE(request);
      const auto found = certificate_request_key(*request);
      REQUIRE(found);
      CHECK(*found == Octets(key.dnskey().begin(), key.dnskey().end()));
      for (std::size_t i = 0; i < request->size(); ++i) {
        auto changed = *request;
        changed[i] ^= std::byte{1};
        const auto other = certificate_request_key(changed);
        CAPTURE(i);
        CHECK((!other || *other == *found));  // a few octets, such as tags, may be read leniently
        CHECK_FALSE(certificate_request_key(std::span(*request).first(i)));
      }
    }
    CHECK_FALSE(certificate_request_key(
        *make_certificate_request(make_key(SignatureAlgorithm::rsasha256))));
  }
}

}  // namespace
}  // namespace ppspp
