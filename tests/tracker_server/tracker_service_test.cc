// RFC 7846: what the tracker MUST and SHOULD do, by section.
#include "tracker/tracker_service.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/bytes.h"
#include "channel/handshake_check.h"
#include "wire/datagram.h"

namespace ppspp::tracker {
namespace {

using std::chrono::seconds;
constexpr std::uint64_t kStart = 1'800'000'000;
constexpr std::uint16_t kPort = 6778;
const std::string kA(64, 'a');
const std::string kB(64, 'b');

SigningKey make_key() {
  return std::move(*SigningKey::generate(SignatureAlgorithm::ecdsap256sha256));
}

struct World {
  explicit World(ServiceOptions options = {}, bool certifies = false)
      : key(make_key()),
        service(
            std::move(options), random,
            certifies ? std::optional(std::move(*MembershipIssuer::create(key))) : std::nullopt) {}

  Now now() const {
    return {TimePoint(seconds(second)),
            WallTime{(kStart + static_cast<std::uint64_t>(second)) * 1'000'000}};
  }
  static TransportAddress host(std::uint32_t number, std::uint16_t port = kPort) {
    return TransportAddress::v4(0x0a000000 + number, port);
  }

  Response ask(std::uint32_t from, const Request& request) {
    const auto answer = service.handle(to_json(request), host(from, 50'000), now());
    status = answer.status;
    retry_after = answer.retry_after;
    const auto response = read_response(answer.body);
    REQUIRE_MESSAGE(response, answer.body);
    if (status != 429) CHECK(response->transaction_id == request.transaction_id);
    return *response;
  }
  Response connect(std::uint32_t from, std::vector<SwarmAction> actions,
                   std::optional<PeerNum> number = {}) {
    Connect connect{.peer_num = number,
                    .addresses = {{.address = host(from), .type = AddressType::host}},
                    .actions = std::move(actions)};
    return ask(from, {fmt::format("c{}", ++transaction), fmt::format("peer{}", from), connect});
  }
  Response find(std::uint32_t from, const std::string& swarm, std::uint32_t count = 29) {
    return ask(from, {fmt::format("f{}", ++transaction), fmt::format("peer{}", from),
                      Find{swarm, PeerNum{.peer_count = count}}});
  }
  Response report(std::uint32_t from, std::vector<StreamStats> stats = {}) {
    return ask(from, {fmt::format("s{}", ++transaction), fmt::format("peer{}", from),
                      StatReport{std::move(stats)}});
  }

  // Those of `reachable` answer the tracker's handshakes.
  void exchange() {
    for (int round = 0; round < 8; ++round) {
      while (const auto datagram = service.poll_transmit(now())) {
        contacted.insert(datagram->to);
        if (!reachable.contains(datagram->to)) continue;
        const auto first = read_handshake(datagram->octets);
        REQUIRE(first);
        std::vector<std::byte> octets(100);
        ByteWriter out(octets);
        write_channel(out, first->handshake.source);
        write_handshake(out, {ChannelId{77}, closing_options()});
        octets.resize(out.size());
        service.handle_datagram(datagram->to, octets, now());
      }
      ++second;
    }
  }
  // A peer that is in the swarm and reachable.
  void add(std::uint32_t number, const std::string& swarm = kA, PeerMode mode = PeerMode::leech) {
    reachable.insert(host(number));
    REQUIRE(connect(number, {{swarm, Action::join, mode}}).error == ErrorCode::none);
    exchange();
  }

  Rng random{99};
  SigningKey key;
  TrackerService service;
  std::set<TransportAddress> reachable;
  std::set<TransportAddress> contacted;
  std::int64_t second = 1;
  int transaction = 0;
  int status = 0;
  std::optional<seconds> retry_after;
};

SwarmAction join(const std::string& swarm, PeerMode mode = PeerMode::leech) {
  return {swarm, Action::join, mode};
}
SwarmAction leave(const std::string& swarm) {
  return {swarm, Action::leave, PeerMode::leech};
}

std::set<std::string> ids(const Response& response) {
  std::set<std::string> all;
  for (const SwarmResult& result : response.results) {
    for (const PeerInfo& peer : result.peers.value_or(std::vector<PeerInfo>())) {
      all.insert(peer.peer_id);
    }
  }
  return all;
}

TEST_SUITE("tracker_server/service") {
  TEST_CASE("a peer that joins is told of peers with their IDs and addresses (4.1.1, 4.1.2)") {
    World world;
    world.add(1);
    world.add(2, kA, PeerMode::seeder);
    world.add(3, kB);
    const auto response = world.connect(4, {join(kA)});
    CHECK(response.error == ErrorCode::none);
    REQUIRE(response.results.size() == 1);
    CHECK(response.results[0].swarm_id == kA);
    CHECK(ids(response) == std::set<std::string>{"peer1", "peer2"});
    for (const auto& peer : *response.results[0].peers) {
      CHECK(world.reachable.contains(peer.address.address));
    }
    CHECK(response.peer_address->address == World::host(4));
    CHECK(response.peer_address->type == AddressType::reflexive);
    CHECK(ids(world.find(4, kA)) == std::set<std::string>{"peer1", "peer2"});
  }

  TEST_CASE("a list has no more peers than peer_count, and fewer than 30 (3.2.2)") {
    World world;
    for (std::uint32_t i = 1; i <= 40; ++i) world.add(i);
    CHECK(ids(world.connect(50, {join(kA)}, PeerNum{.peer_count = 5})).size() == 5);
    CHECK(ids(world.find(50, kA, 3)).size() == 3);
    CHECK(ids(world.find(50, kA, 0)).empty());
    CHECK(world.find(50, kA, 0).results.at(0).peers.has_value());  // 4.1.2: there in any case
    CHECK(ids(world.find(50, kA, 1'000)).size() == 29);
    CHECK(ids(world.connect(51, {join(kA)})).size() == 29);
  }

  TEST_CASE("a seeder is told of peers only where it asks, and of leeches (4.1.1)") {
    World world;
    world.add(1);
    world.add(2, kA, PeerMode::seeder);
    CHECK_FALSE(world.connect(3, {join(kA, PeerMode::seeder)}).results.at(0).peers);
    CHECK(ids(world.connect(3, {join(kA, PeerMode::seeder)}, PeerNum{})) ==
          std::set<std::string>{"peer1"});
  }

  TEST_CASE("many swarms in one CONNECT, and from one to another (Table 6, 4.1.1.1)") {
    World world;
    world.add(1, kB);
    const auto many = world.connect(2, {join(kA, PeerMode::seeder), join(kB, PeerMode::seeder)});
    CHECK(many.results.size() == 2);
    CHECK(world.connect(3, {join(kA)}).error == ErrorCode::none);
    const auto change = world.connect(3, {leave(kA), join(kB)});
    CHECK(change.error == ErrorCode::none);
    CHECK(change.results.at(0).successful);
    CHECK(ids(change) == std::set<std::string>{"peer1"});
    CHECK(world.find(3, kA).error == ErrorCode::forbidden_action);
    CHECK(world.find(3, kB).error == ErrorCode::none);
  }

  TEST_CASE("leaving without having joined is forbidden, and registers nobody (Table 6, 2.3.2)") {
    World world;
    CHECK(world.connect(1, {leave(kA)}).error == ErrorCode::forbidden_action);
    CHECK(world.connect(1, {join(kA), leave(kA)}).error == ErrorCode::forbidden_action);
    CHECK(world.service.registry().peers() == 0);
    CHECK(world.connect(1, {join(kA)}).error == ErrorCode::none);
    CHECK(world.connect(1, {leave(kB)}).error == ErrorCode::forbidden_action);
    CHECK(world.service.registry().peers() == 1);
    CHECK(world.connect(1, {leave(kA)}).error == ErrorCode::none);
    CHECK(world.service.registry().peers() == 0);
    CHECK(world.service.registry().swarms() == 0);
  }

  TEST_CASE("who is not registered may neither find nor report (2.3.2 B)") {
    World world;
    world.add(1);
    const auto found = world.find(2, kA);
    CHECK(found.error == ErrorCode::forbidden_action);
    CHECK(found.results.empty());
    CHECK_FALSE(found.peer_address);
    CHECK(world.status == 403);
    CHECK(world.report(2).error == ErrorCode::forbidden_action);
    CHECK(world.find(1, kB).error == ErrorCode::forbidden_action);  // 2.3.2 C
    CHECK(world.report(1, {{kB}}).error == ErrorCode::forbidden_action);
    // The ID of another peer is of no use elsewhere.
    CHECK(world.ask(2, {"x", "peer1", StatReport{}}).error == ErrorCode::forbidden_action);
    CHECK(world.ask(2, {"x", "peer1", Connect{.actions = {leave(kA)}}}).error ==
          ErrorCode::forbidden_action);
    CHECK(ids(world.connect(3, {join(kA)})) == std::set<std::string>{"peer1"});
  }

  TEST_CASE("reports keep a peer, and silence ends it (4.1.3, 2.3.2 D)") {
    World world({.registry = {.track_timer = seconds(300)}});
    world.add(1);
    world.add(2);
    for (int i = 0; i < 3; ++i) {
      world.second += 200;
      const auto response = world.report(1, {{kA, 512, 768, 1'024'000, 5}});
      CHECK(response.error == ErrorCode::none);
      REQUIRE(response.results.size() == 1);
      CHECK(response.results[0].successful);
      CHECK_FALSE(response.results[0].peers);  // 3.3.4
      CHECK(response.interval == 120u);
      world.service.handle_deadline(world.now());
    }
    CHECK(world.service.registry().peers() == 1);
    CHECK(world.report(2).error == ErrorCode::forbidden_action);
    CHECK(ids(world.connect(3, {join(kA)})) == std::set<std::string>{"peer1"});
    CHECK(world.service.counters().expired == 1);
  }

  TEST_CASE("what is no request is a bad request, with nothing in its answer (4.3)") {
    World world;
    for (const std::string text :
         {"", "{", "[]", "{}", "{\"PPSPTrackerProtocol\":{}}",
          "{\"PPSPTrackerProtocol\":{\"version\":1,\"request_type\":\"OTHER\","
          "\"transaction_id\":\"1\",\"peer_id\":\"p\"}}"}) {
      const auto answer = world.service.handle(text, World::host(1), world.now());
      CHECK(answer.status == 400);
      const auto response = read_response(answer.body);
      REQUIRE(response);
      CHECK(response->error == ErrorCode::bad_request);
      CHECK(response->results.empty());
      CHECK_FALSE(response->peer_address);
    }
    const auto version = world.service.handle(
        "{\"PPSPTrackerProtocol\":{\"version\":2,\"request_type\":\"FIND\","
        "\"transaction_id\":\"1\",\"peer_id\":\"p\",\"find\":{\"swarm_id\":\"aa\"}}}",
        World::host(1), world.now());
    CHECK(read_response(version.body)->error == ErrorCode::unsupported_version);
    CHECK(world.service.registry().peers() == 0);
  }

  TEST_CASE("a request that is repeated changes nothing (4.3)") {
    World world;
    const Request request{
        "same", "peer1",
        Connect{.addresses = {{.address = World::host(1)}}, .actions = {join(kA)}}};
    CHECK(world.ask(1, request) == world.ask(1, request));
    CHECK(world.service.registry().memberships() == 1);
  }

  TEST_CASE("a swarm ID that is none fails alone, and alone it is forbidden (2.3.2 A)") {
    World world;
    const auto mixed = world.connect(1, {join("video"), join(kA), join("abc")});
    CHECK(mixed.error == ErrorCode::none);
    CHECK_FALSE(mixed.results.at(0).successful);
    CHECK(mixed.results.at(1).successful);
    CHECK_FALSE(mixed.results.at(2).successful);
    CHECK(world.connect(2, {join("video")}).error == ErrorCode::forbidden_action);
    CHECK(world.service.registry().peers() == 1);
  }

  TEST_CASE("a private tracker has the swarms that are allowed, and no others") {
    World world({.swarms = {*SwarmId::from_hex(kA)}});
    CHECK(world.connect(1, {join(kA)}).error == ErrorCode::none);
    CHECK(world.connect(2, {join(kB)}).error == ErrorCode::forbidden_action);
    CHECK_FALSE(world.connect(1, {join(kB), join(kA)}).results.at(0).successful);
    CHECK(world.service.registry().swarms() == 1);
  }

  TEST_CASE("only the address that a request comes from is contacted and told (12.2.2)") {
    World world;
    const TransportAddress victim = World::host(200);
    world.reachable = {World::host(1), victim};
    const Request request{"1", "peer1",
                          Connect{.addresses = {{.address = victim}, {.address = World::host(201)}},
                                  .actions = {join(kA)}}};
    CHECK(world.ask(1, request).error == ErrorCode::none);
    world.exchange();
    // The port is tried at the address behind which the peer is: it may be behind a NAT.
    CHECK(world.contacted == std::set<TransportAddress>{World::host(1)});
    const auto response = world.connect(2, {join(kA)});
    REQUIRE(response.results.at(0).peers->size() == 1);
    const PeerAddress& told = response.results[0].peers->front().address;
    CHECK(told.address == World::host(1));
    CHECK(told.type == AddressType::reflexive);
  }

  TEST_CASE("who does not answer PPSPP is told to nobody, but may find others (12.2.2)") {
    World world;
    world.add(1);
    CHECK(world.connect(2, {join(kA)}).error == ErrorCode::none);  // not reachable
    world.exchange();
    CHECK(world.service.counters().checks_failed == 1);
    CHECK(ids(world.connect(3, {join(kA)})) == std::set<std::string>{"peer1"});
    CHECK(ids(world.find(2, kA)) == std::set<std::string>{"peer1"});
    // Later it is reachable: the next report has it checked again.
    world.reachable.insert(World::host(2));
    world.report(2);
    world.exchange();
    CHECK(ids(world.find(3, kA)) == std::set<std::string>{"peer1", "peer2"});
  }

  TEST_CASE("an address is checked again after a while, and is told no more when it fell silent") {
    World world({.registry = {.track_timer = seconds(100'000)}, .recheck = seconds(1'800)});
    world.add(1);
    world.connect(2, {join(kA)});
    world.exchange();
    world.contacted.clear();
    world.second += 1'000;
    world.report(1);
    world.exchange();
    CHECK_FALSE(world.contacted.contains(World::host(1)));
    world.second += 1'000;
    world.reachable.clear();
    world.report(1);
    world.exchange();
    CHECK(world.contacted.contains(World::host(1)));
    CHECK(ids(world.find(2, kA)).empty());
  }

  TEST_CASE("addresses of a local network are not told outside of it (RFC 7574, 8.13)") {
    World world;
    world.add(1);  // 10.0.0.1
    const auto outside = *TransportAddress::parse("8.8.8.8:50000");
    const Request request{"1", "out", Connect{.actions = {join(kA)}}};
    const auto answer = world.service.handle(to_json(request), outside, world.now());
    const auto response = read_response(answer.body);
    REQUIRE(response);
    CHECK(response->error == ErrorCode::none);
    CHECK(ids(*response).empty());
  }

  TEST_CASE("an address that asks too much is told to wait, and others are served") {
    World world({.requests = {.per_second = 1, .burst = 20}});
    world.connect(1, {join(kA)});
    int refused = 0;
    for (int i = 0; i < 100; ++i) {
      refused += world.report(1).error == ErrorCode::service_unavailable ? 1 : 0;
    }
    CHECK(refused >= 80);
    CHECK(world.status == 429);
    CHECK(world.retry_after >= seconds(1));
    CHECK(world.connect(2, {join(kA)}).error == ErrorCode::none);
    world.second += 30;
    CHECK(world.report(1).error == ErrorCode::none);
  }

  TEST_CASE("forged registrations from everywhere leave honest peers alone") {
    World world({.registry = {.max_peers = 200, .max_swarms = 50}});
    for (std::uint32_t i = 1; i <= 20; ++i) world.add(i);
    for (std::uint32_t i = 0; i < 5'000; ++i) {
      world.connect(1'000 + i, {join(kA)});
      CHECK(world.service.registry().peers() <= 200);
      if (i % 100 == 0) world.exchange();
    }
    CHECK(world.service.registry().listed_peers() == 20);
    for (const std::string& id : ids(world.connect(21, {join(kA)}))) {
      CHECK(std::stoi(id.substr(4)) <= 20);
    }
    CHECK(world.report(7).error == ErrorCode::none);
    CHECK(world.service.registry().is_consistent());
  }

  TEST_CASE(
      "a peer that asks gets a certificate for its checked address (RFC 7574, 12.2.2, #186)") {
    World world({}, true);
    auto verifier = VerifyingKey::from_dnskey(world.key.dnskey());
    const SigningKey peer_key = make_key();
    SwarmAction action = join(kA);
    action.certificate_request = *make_certificate_request(peer_key);
    world.reachable.insert(World::host(1));
    const auto first = world.connect(1, {action});
    CHECK(first.results.at(0).certificates.empty());  // nobody knows yet that it is there
    CHECK(*first.interval <= 10);
    world.exchange();
    const auto second = world.report(1);
    CHECK(second.interval == 120u);
    REQUIRE(second.results.size() == 1);
    CHECK(second.results[0].swarm_id == kA);
    REQUIRE(second.results[0].certificates.size() == 1);
    const auto& der = second.results[0].certificates[0];
    const auto seconds_now = kStart + static_cast<std::uint64_t>(world.second);
    const auto certificate = verify_membership_certificate(der, *verifier, seconds_now);
    REQUIRE(certificate);
    CHECK(certificate->address() == World::host(1));
    CHECK(certificate->swarm_id == Octets(32, std::byte{0xaa}));
    CHECK(certificate->not_before <= seconds_now);
    CHECK(certificate->not_after - certificate->not_before == 6 * 3600);
    CHECK(std::ranges::equal(certificate->peer_key, peer_key.dnskey()));
    CHECK(world.report(1).results.empty());  // it has it
    // Others are told of it with the address.
    const auto other = world.connect(2, {join(kA)});
    CHECK(other.results.at(0).peers->at(0).certificate == der);
    // Who did not get it is given it when it joins again; and a new one at half of its time.
    CHECK(world.connect(1, {action}).results.at(0).certificates.at(0) == der);
    world.second += 3 * 3600 + 10;
    const auto renewed = world.report(1);
    REQUIRE(renewed.results.at(0).certificates.size() == 1);
    CHECK(renewed.results[0].certificates[0] != der);
  }

  TEST_CASE("no certificate for who does not ask, cannot be reached, or proves no key") {
    World world({}, true);
    world.add(1);
    CHECK(world.report(1).results.empty());
    SwarmAction action = join(kA);
    action.certificate_request = Octets(100, std::byte{0x30});
    world.reachable.insert(World::host(2));
    world.connect(2, {action});
    world.exchange();
    CHECK(world.report(2).results.empty());
    action.certificate_request = Octets();  // the tracker chooses the key
    world.connect(3, {action});             // but it is not reachable
    world.exchange();
    CHECK(world.report(3).results.empty());
    world.reachable.insert(World::host(4));
    world.connect(4, {action});
    world.exchange();
    CHECK(world.report(4).results.at(0).certificates.size() == 1);
    CHECK(world.service.counters().certificates == 1);
  }

  TEST_CASE("who asks for peers gets its certificate with them, and not the next report later") {
    World world({}, true);
    world.reachable.insert(World::host(1));
    SwarmAction action = join(kA);
    action.certificate_request = Octets();
    world.connect(1, {action, join(kB)});
    CHECK(world.find(1, kA).results.at(0).certificates.empty());  // nobody knows that it is there
    world.exchange();
    const auto found = world.find(1, kA);
    REQUIRE(found.results.size() == 1);
    CHECK(found.results[0].certificates.size() == 1);
    CHECK(world.find(1, kA).results.at(0).certificates.empty());  // it has it
  }

  TEST_CASE("a peer in hundreds of swarms gets all its certificates with its reports") {
    World world({}, true);
    world.reachable.insert(World::host(1));
    for (int batch = 0; batch < 3; ++batch) {
      std::vector<SwarmAction> actions;
      for (int i = 0; i < 100; ++i) {
        actions.push_back(join(fmt::format("{:064x}", batch * 100 + i), PeerMode::seeder));
        actions.back().certificate_request = Octets();
      }
      const auto response = world.connect(1, actions);
      REQUIRE(response.error == ErrorCode::none);
      world.exchange();
    }
    for (int reports = 0; reports < 12; ++reports) CHECK(world.report(1).results.size() <= 32);
    CHECK(world.service.counters().certificates == 300);
  }
}

}  // namespace
}  // namespace ppspp::tracker
