#include "tracker/client.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>
#include <string>

#include "ppspp/random_source.h"
#include "support/seed.h"
#include "tracker/codec.h"

namespace ppspp::tracker {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

SwarmId swarm(std::uint32_t number) {
  return SwarmId::from_hex(fmt::format("{:040x}", number)).value();
}

std::string hex(std::uint32_t number) {
  return swarm(number).to_hex();
}

PeerInfo peer(std::string id, std::uint16_t port) {
  return {std::move(id), {.address = TransportAddress::v4(0xc0000201, port)}};
}

// A tracker with one peer, whose clock is ours. It answers as RFC 7846 says, unless told otherwise.
struct World {
  TimePoint now{seconds(1'000)};
  Rng random{ppspp::test::seed()};
  Client client{"us", {}, random};
  std::map<std::string, PeerMode> members;  // swarms that we have joined
  std::vector<PeerInfo> peers;              // that it gives, with ourselves
  std::vector<Request> requests;
  std::vector<TimePoint> times;
  bool up = true;
  std::set<std::string> refused;
  std::optional<std::uint32_t> interval;
  std::function<std::optional<HttpReply>(const Request&)> instead;

  Response answer(const Request& request) {
    Response response{.transaction_id = request.transaction_id, .interval = interval};
    if (const auto* connect = std::get_if<Connect>(&request.data)) {
      for (const auto& action : connect->actions) {
        SwarmResult result{.swarm_id = action.swarm_id};
        result.successful = !refused.contains(action.swarm_id);
        if (action.action == Action::leave) members.erase(action.swarm_id);
        if (action.action == Action::join && result.successful) {
          members[action.swarm_id] = action.mode;
          if (connect->peer_num) result.peers = peers;
        }
        response.results.push_back(result);
      }
    } else if (members.empty()) {
      return {.transaction_id = request.transaction_id, .error = ErrorCode::forbidden_action};
    } else if (const auto* find = std::get_if<Find>(&request.data)) {
      response.results.push_back({.swarm_id = find->swarm_id, .peers = peers});
    }
    return response;
  }

  void exchange(const std::string& body) {
    const auto request = read_request(body);
    REQUIRE_MESSAGE(request, (request ? "" : request.error().reason));
    requests.push_back(*request);
    times.push_back(now);
    if (!up) return client.handle_failure(Failure::unreachable, "connection refused", now);
    if (instead) {
      if (const auto reply = instead(*request)) return client.handle_reply(*reply, now);
    }
    client.handle_reply({.body = to_json(answer(*request))}, now);
  }

  void run_for(Microseconds duration) {
    const TimePoint end = now + duration;
    for (int turns = 0; turns < 200'000; ++turns) {
      while (const auto body = client.poll_request(now)) exchange(*body);
      if (client.deadline() > end) break;
      now = std::max(now, client.deadline());
    }
    now = end;
  }

  template <typename T>
  std::size_t count() const {
    std::size_t found = 0;
    for (const auto& request : requests) found += std::holds_alternative<T>(request.data) ? 1U : 0U;
    return found;
  }

  std::vector<PeersFound> peers_found() {
    std::vector<PeersFound> found;
    while (auto event = client.poll_event()) {
      if (auto* list = std::get_if<PeersFound>(&*event)) found.push_back(std::move(*list));
    }
    return found;
  }
};

TEST_SUITE("tracker/client") {
  TEST_CASE("a leecher joins, and is told of the others but not of itself") {
    World world;
    world.peers = {peer("us", 1), peer("other", 2)};
    world.client.set_addresses({{.address = TransportAddress::v4(0xc0000207, 6778)}});
    world.client.join(swarm(1), {.url_options = "cs=4096"}, world.now);
    CHECK(world.client.status(world.now).state == TrackerState::registering);
    world.run_for(milliseconds(1));
    REQUIRE(world.requests.size() == 1);
    const auto& connect = std::get<Connect>(world.requests[0].data);
    CHECK(world.requests[0].peer_id == "us");
    REQUIRE(connect.actions.size() == 1);
    CHECK(connect.actions[0] == SwarmAction{hex(1), Action::join, PeerMode::leech, {}, "cs=4096"});
    CHECK(connect.addresses[0].address.port() == 6778);
    REQUIRE(connect.peer_num);
    CHECK(connect.peer_num->peer_count == kMaxPeerCount);
    const auto found = world.peers_found();
    REQUIRE(found.size() == 1);
    CHECK(found[0].swarm == swarm(1));
    REQUIRE(found[0].peers.size() == 1);
    CHECK(found[0].peers[0].peer_id == "other");
    CHECK(world.client.status(world.now).state == TrackerState::working);
    CHECK(world.client.announced(swarm(1)));
  }

  TEST_CASE("the registration is kept alive at the interval that the tracker says") {
    World world;
    world.interval = 60;
    world.client.join(swarm(1), {.mode = PeerMode::seeder, .wants_peers = false}, world.now);
    world.run_for(hours(1));
    CHECK(world.count<Connect>() <= 3);  // and what says it again
    CHECK(world.count<Find>() == 0);
    CHECK(world.count<StatReport>() >= 59);
    CHECK(world.count<StatReport>() <= 77);
    for (std::size_t i = 1; i < world.times.size(); ++i) {
      CHECK(world.times[i] - world.times[i - 1] <= seconds(60));
    }
  }

  TEST_CASE("statistics go with the report that keeps us registered") {
    World world;
    world.client.join(swarm(1), {.wants_peers = false}, world.now);
    world.run_for(milliseconds(1));
    CHECK(!world.client.reports_next(world.now));
    world.now = world.client.deadline();
    REQUIRE(world.client.reports_next(world.now));
    const StreamStats stats{hex(1), 1, 2, 3, 4};
    world.exchange(world.client.poll_request(world.now, {stats}).value());
    CHECK(std::get<StatReport>(world.requests.back().data).stats == std::vector{stats});
  }

  TEST_CASE("peers are asked for again soon where there are none, later where there are") {
    World world;
    world.client.join(swarm(1), {}, world.now);
    world.run_for(seconds(60));
    const auto early = world.count<Find>();
    CHECK(early >= 2);
    CHECK(early <= 5);
    world.peers = {peer("other", 2)};
    world.run_for(minutes(60));
    CHECK(world.count<Find>() - early >= 8);  // at most five minutes and a quarter apart
    CHECK(world.count<Find>() - early <= 20);
    world.client.set_wants_peers(swarm(1), false, world.now);
    const auto before = world.count<Find>();
    world.run_for(hours(1));
    CHECK(world.count<Find>() == before);
    world.client.set_wants_peers(swarm(1), true, world.now);
    world.run_for(seconds(10));
    CHECK(world.count<Find>() == before + 1);
  }

  TEST_CASE("a download that is complete is a seeder") {
    World world;
    world.client.join(swarm(1), {}, world.now);
    world.run_for(seconds(1));
    CHECK(world.members.at(hex(1)) == PeerMode::leech);
    world.client.set_mode(swarm(1), PeerMode::seeder, world.now);
    world.run_for(seconds(1));
    CHECK(world.members.at(hex(1)) == PeerMode::seeder);
    CHECK(world.count<Connect>() == 2);
  }

  TEST_CASE("ten thousand swarms take a hundred requests, and then one at each interval") {
    World world;
    for (std::uint32_t i = 0; i < 10'000; ++i) {
      world.client.join(swarm(i), {.mode = PeerMode::seeder, .wants_peers = false}, world.now);
    }
    world.run_for(seconds(30));
    CHECK(world.members.size() == 10'000);
    CHECK(world.count<Connect>() == 100);
    CHECK(world.client.status(world.now).announced == 10'000);
    for (std::size_t i = 1; i < 100; ++i) {
      CHECK(world.times[i] - world.times[i - 1] >= Client::kQuietPause);
    }
    const auto before = world.requests.size();
    world.run_for(minutes(20));
    CHECK(world.requests.size() - before <= 13);
    CHECK(world.members.size() == 10'000);
    world.client.close(world.now);
    world.run_for(milliseconds(1));
    CHECK(world.client.closed());
    CHECK(world.members.empty());
  }

  TEST_CASE("a swarm that needs peers does not wait for ten thousand that do not") {
    World world;
    for (std::uint32_t i = 0; i < 10'000; ++i) {
      world.client.join(swarm(i), {.mode = PeerMode::seeder, .wants_peers = false}, world.now);
    }
    world.run_for(seconds(1));
    world.client.set_wants_peers(swarm(9'999), true, world.now);  // still to be announced
    world.client.join(swarm(10'001), {}, world.now);
    world.run_for(milliseconds(1));
    CHECK(world.members.contains(hex(10'001)));
    CHECK(world.members.contains(hex(9'999)));
    world.run_for(minutes(1));
    CHECK(world.members.size() == 10'001);
    CHECK(world.client.counters().connects <= 102);
  }

  TEST_CASE("while the tracker is down we ask ever more seldom, and soon when it is up again") {
    World world;
    world.up = false;
    world.client.join(swarm(1), {}, world.now);
    world.run_for(hours(2));
    CHECK(world.requests.size() >= 20);
    CHECK(world.requests.size() <= 60);
    CHECK(world.times[1] - world.times[0] <= Client::kMinPause * 3 / 2);
    for (std::size_t i = 1; i < world.times.size(); ++i) {
      CHECK(world.times[i] - world.times[i - 1] <= Client::kMaxPause * 3 / 2);
    }
    CHECK(world.client.status(world.now).state == TrackerState::failing);
    CHECK(world.client.status(world.now).problem == "connection refused");
    CHECK(world.client.counters().failures[0] == world.requests.size());
    world.up = true;
    world.run_for(Client::kMaxPause * 3 / 2);
    CHECK(world.client.status(world.now).state == TrackerState::working);
    CHECK(world.client.status(world.now).problem.empty());
    CHECK(world.members.size() == 1);
  }

  TEST_CASE("an answer that makes no sense: the same request again, three times (4.3)") {
    World world;
    world.instead = [](const Request&) { return HttpReply{.body = "<html></html>"}; };
    world.client.join(swarm(1), {}, world.now);
    world.run_for(seconds(60));
    REQUIRE(world.requests.size() >= 5);
    for (int i = 1; i <= Client::kMaxRepeats; ++i) {
      CHECK(world.requests[static_cast<std::size_t>(i)] == world.requests[0]);
    }
    CHECK(world.requests[4].transaction_id != world.requests[0].transaction_id);
    CHECK(world.requests[4].data == world.requests[0].data);
    CHECK(world.client.counters().failures[static_cast<std::size_t>(Failure::bad_response)] ==
          world.requests.size());
  }

  TEST_CASE("an answer for another request is none") {
    World world;
    world.instead = [](const Request&) {
      return HttpReply{.body = to_json(Response{.transaction_id = "other"})};
    };
    world.client.join(swarm(1), {}, world.now);
    world.run_for(milliseconds(1));
    CHECK(!world.client.announced(swarm(1)));
    CHECK(world.client.status(world.now).problem == "its answer is for another request");
  }

  TEST_CASE("a status of HTTP that is no answer is named, and Retry-After is kept to") {
    World world;
    world.instead = [](const Request&) {
      return HttpReply{.status = 503, .body = "busy", .retry_after = seconds(100)};
    };
    world.client.join(swarm(1), {}, world.now);
    world.run_for(seconds(99));
    CHECK(world.requests.size() == 1);
    CHECK(world.client.status(world.now).problem == "HTTP status 503");
    world.instead = nullptr;
    world.run_for(seconds(26));
    CHECK(world.members.size() == 1);
  }

  TEST_CASE("Retry-After is bounded") {
    World world;
    world.instead = [](const Request&) {
      return HttpReply{.status = 429, .retry_after = hours(1'000'000)};
    };
    world.client.join(swarm(1), {}, world.now);
    world.run_for(Client::kMaxRetryAfter * 5 / 4);
    CHECK(world.requests.size() == 2);
  }

  TEST_CASE("an overloaded tracker (05) is left alone for a while, and then told the same again") {
    World world;
    int answers = 0;
    world.instead = [&](const Request& request) -> std::optional<HttpReply> {
      if (++answers > 2) return std::nullopt;
      return HttpReply{.body = to_json(Response{.transaction_id = request.transaction_id,
                                                .error = ErrorCode::service_unavailable})};
    };
    world.client.join(swarm(1), {}, world.now);
    world.run_for(minutes(1));
    CHECK(world.members.size() == 1);
    CHECK(world.requests[2] == world.requests[0]);
  }

  TEST_CASE("a tracker that was started again is told everything again (2.3.2)") {
    World world;
    for (std::uint32_t i = 0; i < 250; ++i) {
      world.client.join(swarm(i), {.mode = PeerMode::seeder, .wants_peers = false}, world.now);
    }
    world.run_for(seconds(5));
    world.members.clear();
    world.run_for(minutes(3));
    CHECK(world.members.size() == 250);
    CHECK(world.client.counters().failures[static_cast<std::size_t>(Failure::refused)] == 1);
  }

  TEST_CASE("one that forgets us each time does not make us hammer at it") {
    World world;
    world.client.join(swarm(1), {}, world.now);
    world.instead = [&](const Request&) {
      world.members.clear();
      return std::nullopt;
    };
    world.run_for(hours(1));
    CHECK(world.requests.size() <= 200);
  }

  TEST_CASE("a swarm that the tracker refuses is tried again later, the others are served") {
    World world;
    world.refused = {hex(1)};
    world.client.join(swarm(1), {}, world.now);
    world.client.join(swarm(2), {}, world.now);
    world.run_for(seconds(1));
    CHECK(!world.client.announced(swarm(1)));
    CHECK(world.client.announced(swarm(2)));
    world.refused.clear();
    world.run_for(Client::kRefusedPause * 5 / 4);
    CHECK(world.client.announced(swarm(1)));
  }

  TEST_CASE("a CONNECT that is refused as a whole says why, and does not hold up other swarms") {
    World world;
    world.instead = [](const Request& request) -> std::optional<HttpReply> {
      if (std::get_if<Connect>(&request.data)->actions[0].swarm_id != hex(1)) return std::nullopt;
      return HttpReply{.status = 403,
                       .body = to_json(Response{.transaction_id = request.transaction_id,
                                                .error = ErrorCode::forbidden_action,
                                                .message = "not\nyours"})};
    };
    world.client.join(swarm(1), {}, world.now);
    world.run_for(milliseconds(1));
    CHECK(world.client.status(world.now).problem == "Forbidden Action: 'not?yours'");
    world.client.join(swarm(2), {.wants_peers = false}, world.now);
    world.run_for(seconds(4));
    CHECK(world.members.contains(hex(2)));
    CHECK(world.count<Connect>() == 2);
  }

  TEST_CASE("leaving says so; what was never said is not taken back") {
    World world;
    world.client.join(swarm(1), {}, world.now);
    world.run_for(seconds(1));
    world.client.join(swarm(2), {}, world.now);
    world.client.leave(swarm(2), world.now);
    world.client.leave(swarm(1), world.now);
    world.run_for(seconds(1));
    CHECK(world.members.empty());
    REQUIRE(world.requests.size() == 2);
    CHECK(std::get<Connect>(world.requests[1].data).actions ==
          std::vector{SwarmAction{hex(1), Action::leave, PeerMode::leech}});
    CHECK(world.client.status(world.now).state == TrackerState::idle);
    CHECK(world.client.deadline() == kNever);
    world.client.join(swarm(1), {}, world.now);
    world.run_for(seconds(1));
    CHECK(world.members.size() == 1);
  }

  TEST_CASE("a swarm that is left while its CONNECT is under way is taken back afterwards") {
    World world;
    world.client.join(swarm(1), {}, world.now);
    const auto body = world.client.poll_request(world.now);
    REQUIRE(body);
    world.client.leave(swarm(1), world.now);
    world.exchange(*body);
    CHECK(world.members.size() == 1);
    world.run_for(seconds(1));
    CHECK(world.members.empty());
    CHECK(world.client.status(world.now).swarms == 0);
  }

  TEST_CASE("closing gives up at the first failure, and needs nothing where nothing was said") {
    World world;
    world.client.join(swarm(1), {}, world.now);
    world.client.close(world.now);
    world.run_for(milliseconds(1));
    CHECK(world.client.closed());
    CHECK(world.requests.empty());

    World down;
    down.client.join(swarm(1), {}, down.now);
    down.run_for(seconds(1));
    down.up = false;
    down.client.close(down.now);
    CHECK(!down.client.closed());
    down.run_for(milliseconds(1));
    CHECK(down.client.closed());
    CHECK(down.requests.size() == 2);
  }

  TEST_CASE("a certificate is asked for with each JOIN, and handed out") {
    World world;
    const Octets der(100, std::byte{1});
    world.instead = [&](const Request& request) {
      Response response = world.answer(request);
      for (auto& result : response.results) result.certificates = {der};
      return HttpReply{.body = to_json(response)};
    };
    world.client.join(swarm(1), {.wants_certificate = true}, world.now);
    world.run_for(milliseconds(1));
    CHECK(std::get<Connect>(world.requests[0].data).actions[0].certificate_request == Octets());
    const auto event = world.client.poll_event();
    REQUIRE(event);
    CHECK(std::get<CertificatesIssued>(*event).certificates == std::vector<Octets>{der});
    world.client.set_mode(swarm(1), PeerMode::seeder, world.now);
    world.run_for(seconds(1));
    CHECK(std::get<Connect>(world.requests[1].data).actions[0].certificate_request);
  }

  TEST_CASE("whatever happens, in the end the tracker knows what we wanted it to") {
    Rng random(ppspp::test::seed());
    for (int round = 0; round < 50; ++round) {
      World world;
      std::map<std::string, PeerMode> wanted;
      world.instead = [&](const Request& request) -> std::optional<HttpReply> {
        switch (random.below(8)) {
          case 0:
            return HttpReply{.body = "?"};
          case 1:
            return HttpReply{.status = 500};
          case 2:
            world.answer(request);
            return HttpReply{.status = 502};
          case 3:
            world.members.clear();
            return std::nullopt;
          default:
            return std::nullopt;
        }
      };
      for (int step = 0; step < 200; ++step) {
        const auto number = static_cast<std::uint32_t>(random.below(20));
        const auto mode = random.below(2) == 0 ? PeerMode::seeder : PeerMode::leech;
        switch (random.below(5)) {
          case 0:
          case 1:
            world.client.join(swarm(number), {.mode = mode, .wants_peers = random.below(2) == 0},
                              world.now);
            wanted[hex(number)] = mode;
            break;
          case 2:
            world.client.leave(swarm(number), world.now);
            wanted.erase(hex(number));
            break;
          case 3:
            world.client.set_mode(swarm(number), mode, world.now);
            if (wanted.contains(hex(number))) wanted[hex(number)] = mode;
            break;
          default:
            world.run_for(milliseconds(random.below(10'000)));
        }
      }
      world.instead = nullptr;
      world.run_for(hours(1));
      CHECK(world.members == wanted);
      CHECK(world.client.status(world.now).announced == wanted.size());
    }
  }
}

}  // namespace
}  // namespace ppspp::tracker
