#include "tracker/codec.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

namespace ppspp::tracker {
namespace {

Octets octets(std::size_t size) {
  return Octets(size, std::byte{0x5a});
}

PeerAddress peer(std::string_view text) {
  return {.address = TransportAddress::parse(text).value(), .type = AddressType::host};
}

std::string request(std::string_view members) {
  return fmt::format(
      R"({{"PPSPTrackerProtocol":{{"version":1,"transaction_id":"t","peer_id":"p",{}}}}})",
      members);
}

std::string response(std::string_view members) {
  return fmt::format(R"({{"PPSPTrackerProtocol":{{"version":1,"response_type":0,"error_code":0,)"
                     R"("transaction_id":"t"{}{}}}}})",
                     members.empty() ? "" : ",", members);
}

std::string connect(std::string_view data) {
  return request(fmt::format(R"("request_type":"CONNECT","connect":{{{}}})", data));
}

constexpr std::string_view kJoin =
    R"("swarm_action":[{"swarm_id":"aa","action":"JOIN","peer_mode":"LEECH"}])";

std::string reason(std::string_view text) {
  const auto read = read_request(text);
  return read ? "" : read.error().reason;
}

TEST_SUITE("tracker/codec") {
  TEST_CASE("requests survive being written and read") {
    const Request all[] = {
        {"1", "p",
         Connect{.peer_num = PeerNum{.peer_count = 0},
                 .addresses = {peer("192.0.2.1:1"), peer("[2001:db8::1]:65535")},
                 .actions = {{"aa", Action::join, PeerMode::seeder, octets(0), "cs=8192"},
                             {"bb", Action::leave, PeerMode::leech, octets(kMaxCertificateSize)}}}},
        {"2", "p", Find{.swarm_id = std::string(kMaxSwarmIdSize, 'a')}},
        {"3", "p", StatReport{}},
        {"4", "p", StatReport{.stats = {{"aa", 0, ~std::uint64_t{0}, 1, 2}, {"bb"}}}},
    };
    for (const Request& one : all) {
      const auto read = read_request(to_json(one));
      REQUIRE_MESSAGE(read, (read ? "" : read.error().reason));
      CHECK(*read == one);
    }
  }

  TEST_CASE("responses survive being written and read") {
    const Response all[] = {
        {.transaction_id = "1", .error = ErrorCode::forbidden_action, .message = "who are you?"},
        {.transaction_id = "2",
         .peer_address = peer("[2001:db8::1]:6778"),
         .results = {{.swarm_id = "aa", .peers = std::vector<PeerInfo>()},
                     {.swarm_id = "bb", .successful = false},
                     {.swarm_id = "cc",
                      .peers = {{{"q", peer("192.0.2.1:6778"), octets(1'200)},
                                 {"q", peer("[2001:db8::2]:6778")}}},
                      .certificates = {octets(1), octets(2)}}},
         .interval = 120},
    };
    for (const Response& one : all) {
      const auto read = read_response(to_json(one));
      REQUIRE_MESSAGE(read, (read ? "" : read.error()));
      CHECK(*read == one);
    }
  }

  TEST_CASE("the largest messages that we write fit into what is read") {
    Connect connect;
    for (std::size_t i = 0; i < kMaxSwarmActions; ++i) {
      connect.actions.push_back({std::string(1'024 + 100, 'a')});
    }
    CHECK(to_json(Request{"t", "p", connect}).size() <= kMaxRequestSize);
  }

  TEST_CASE("unknown members are ignored everywhere (4.4)") {
    CHECK(read_request(connect(R"("x":[{}],"peer_num":{"peer_count":3,"y":{}},"peer_addr":)"
                               R"({"ip_address":{"address_type":"ipv4","address":"192.0.2.1",)"
                               R"("z":1},"port":1,"q":null},)" +
                               std::string(kJoin))));
    CHECK(read_response(response(R"("x":{"y":[1,2]})")));
  }

  TEST_CASE("a request that is incorrectly formed is named, and answered with 01 (4.3)") {
    CHECK(reason("") != "");
    CHECK(reason("[]") == "it has no object PPSPTrackerProtocol");
    CHECK(reason(connect("")) == "swarm_action: it is missing");
    CHECK(reason(connect(R"("swarm_action":[])")) == "swarm_action: there is none");
    CHECK(reason(connect(R"("swarm_action":[{"swarm_id":"aa","action":"GO","peer_mode":"LEECH"}])"))
              .starts_with("action: "));
    CHECK(
        reason(connect(R"("swarm_action":[{"swarm_id":7,"action":"JOIN","peer_mode":"LEECH"}])")) ==
        "swarm_id: it must be a string");
    CHECK(reason(connect(R"("peer_num":{"peer_count":-1},)" + std::string(kJoin))) ==
          "peer_count: it must be a whole number");
    CHECK(reason(request(R"("request_type":"DANCE")")) ==
          "request_type: it must be CONNECT, FIND or STAT_REPORT");
    CHECK(reason(request(R"("request_type":"FIND","find":{"swarm_id":""}})")) != "");
    for (const char* host :
         {"192.0.2.256", "example.com", "::g", "fe80::1%2", "1.2.3.4:5", "a]:1"}) {
      CAPTURE(host);
      CHECK(reason(connect(fmt::format(
                R"("peer_addr":{{"ip_address":{{"address":"{}"}},"port":1}},{})", host, kJoin))) ==
            "address: it must be an IPv4 or IPv6 address");
    }
    CHECK(reason(connect(R"("peer_addr":{"ip_address":{"address":"::1"},"port":0},)" +
                         std::string(kJoin))) == "port: it must be from 1 to 65535");

    const auto bad = read_request(connect(""));
    REQUIRE(!bad);
    const Response answer = to_response(bad.error());
    CHECK(answer.error == ErrorCode::bad_request);
    CHECK(answer.transaction_id == "t");
    CHECK(answer.results.empty());
  }

  TEST_CASE("another version is answered with 02, whatever else it says (4.3)") {
    const auto read =
        read_request(R"({"PPSPTrackerProtocol":{"version":2,"transaction_id":"t","new":true}})");
    REQUIRE(!read);
    CHECK(read.error().code == ErrorCode::unsupported_version);
    CHECK(read.error().transaction_id == "t");
  }

  TEST_CASE("requests are bounded") {
    const auto actions = [](std::size_t count) {
      Connect data;
      data.actions.resize(count, {"aa"});
      return read_request(to_json(Request{"t", "p", data}));
    };
    CHECK(actions(kMaxSwarmActions));
    CHECK(!actions(kMaxSwarmActions + 1));
    CHECK(!read_request(to_json(Request{"t", std::string(kMaxIdSize + 1, 'p'), StatReport{}})));
    CHECK(!read_request(to_json(Request{"t", "p", Find{std::string(kMaxSwarmIdSize + 1, 'a')}})));
    CHECK(!read_request(std::string(kMaxRequestSize + 1, ' ')));
    const auto many =
        read_request(connect(R"("peer_num":{"peer_count":4000000000},)" + std::string(kJoin)));
    REQUIRE(many);
    CHECK(std::get<Connect>(many->data).peer_num->peer_count == kMaxPeerCount);
  }

  TEST_CASE("peers of a response that make no sense are left out, the others count") {
    const auto read = read_response(response(
        R"("swarm_result":[7,{"result":0},{"swarm_id":"aa","result":0,"peer_group":{"peer_info":[)"
        R"({"peer_id":"a","peer_addr":{"ip_address":{"address":"localhost"},"port":1}},)"
        R"({"peer_id":"b","peer_addr":{"ip_address":{"address":"192.0.2.1"},"port":0}},)"
        R"({"peer_id":"c"},{"peer_addr":{}},null,)"
        R"({"peer_id":"d","peer_addr":[{"ip_address":{"address":"192.0.2.2"},"port":1},)"
        R"({"ip_address":{"address":"2001:db8::2"},"port":2}],"certificate":"no base64"}]}}])"));
    REQUIRE(read);
    REQUIRE(read->results.size() == 1);
    REQUIRE(read->results[0].peers);
    const auto& peers = *read->results[0].peers;
    REQUIRE(peers.size() == 2);
    CHECK(peers[0].peer_id == "d");
    CHECK(peers[0].certificate.empty());
    CHECK(peers[0].address.address.to_string() == "192.0.2.2:1");
    CHECK(peers[1].address.address.to_string() == "[2001:db8::2]:2");
  }

  TEST_CASE("of a response no more than so many peers and results are kept") {
    SwarmResult many{.swarm_id = "aa", .peers = std::vector<PeerInfo>()};
    for (std::size_t i = 0; i < kMaxPeers; ++i) many.peers->push_back({"p", peer("192.0.2.1:1")});
    Response full{.transaction_id = "t", .results = {many, many}};
    auto read = read_response(to_json(full));
    REQUIRE(read);
    CHECK(read->results[0].peers->size() == kMaxPeers);
    CHECK(read->results[1].peers->empty());
    full.results.assign(kMaxSwarmActions + 1, {.swarm_id = "aa"});
    read = read_response(to_json(full));
    REQUIRE(read);
    CHECK(read->results.size() == kMaxSwarmActions);
  }

  TEST_CASE("a response that contradicts itself is none") {
    CHECK(!read_response(""));
    CHECK(!read_response("<html>502</html>"));
    CHECK(!read_response(R"({"PPSPTrackerProtocol":{}})"));
    CHECK(!read_response(
        R"({"PPSPTrackerProtocol":{"version":1,"response_type":0,"error_code":3}})"));
    CHECK(!read_response(
        R"({"PPSPTrackerProtocol":{"version":1,"response_type":2,"error_code":0}})"));
    CHECK(!read_response(
        R"({"PPSPTrackerProtocol":{"version":2,"response_type":0,"error_code":0}})"));
  }

  TEST_CASE("codes of errors may be written with digits, as in Table 9") {
    const auto read = read_response(
        R"({"PPSPTrackerProtocol":{"version":1,"response_type":1,"error_code":"05"}})");
    REQUIRE(read);
    CHECK(read->error == ErrorCode::service_unavailable);
    const auto unknown =
        read_response(R"({"PPSPTrackerProtocol":{"version":1,"response_type":1,"error_code":99}})");
    REQUIRE(unknown);
    CHECK(unknown->error == ErrorCode::internal_error);
  }

  TEST_CASE("an interval is bounded, and nothing of an extension makes a response invalid") {
    CHECK(read_response(response(R"("interval":999999999)"))->interval == 86'400);
    CHECK(!read_response(response(R"("interval":0)"))->interval);
    CHECK(!read_response(response(R"("interval":"soon","message":[],"peer_addr":1)"))->interval);
    CHECK(read_response(response(fmt::format(R"("message":"{}")", std::string(1'000, 'x'))))
              ->message.size() == kMaxTextSize);
  }
}

}  // namespace
}  // namespace ppspp::tracker
