// RFC 7846's examples. They contradict its definitions (3.2 to 3.4) in these points, of which no
// erratum is known; both forms are read, and the definitions are written:
//   - one element stands without the array that the notation <1..*> asks for;
//   - concurrent_links, online_time and upload_bandwidth are strings, not integers;
//   - FIND has swarm_id and peer_num in the message itself, not in "find";
//   - STAT_REPORT has "Stat", not "stat";
//   - peer_addr of a response has no "type";
//   - the Content-Length of the HTTP examples is not that of the bodies.
#include <doctest/doctest.h>

#include "tracker/codec.h"
#include "tracker/rfc7846_examples.h"

namespace ppspp::tracker {
namespace {

TransportAddress address(std::string_view text) {
  return TransportAddress::parse(text).value();
}

const PeerNum kFivePeers{.peer_count = 5,
                         .ability_nat = NatAbility::stun,
                         .concurrent_links = 5,
                         .online_time = 200,
                         .upload_bandwidth = 600};

Request request(std::string_view text) {
  const auto read = read_request(text);
  REQUIRE_MESSAGE(read, (read ? "" : read.error().reason));
  return *read;
}

Response response(std::string_view text) {
  const auto read = read_response(text);
  REQUIRE_MESSAGE(read, (read ? "" : read.error()));
  return *read;
}

PeerInfo listed(std::string id, std::string_view host, std::uint64_t priority,
                Connection connection, std::string protocol = "") {
  return {std::move(id),
          {.address = address(host),
           .priority = priority,
           .type = AddressType::reflexive,
           .connection = connection,
           .asn = "64496",
           .peer_protocol = std::move(protocol)}};
}

TEST_SUITE("tracker/examples of RFC 7846") {
  TEST_CASE("4.1.1.1: a seeder joins two swarms") {
    const Request expected{"12345", "656164657220",
                           Connect{.addresses = {{.address = address("192.0.2.2:80"),
                                                  .priority = 1,
                                                  .type = AddressType::host,
                                                  .connection = Connection::wired,
                                                  .asn = "45645"}},
                                   .actions = {{"1111", Action::join, PeerMode::seeder},
                                               {"2222", Action::join, PeerMode::seeder}}}};
    CHECK(request(rfc7846::kConnectSeeder) == expected);
  }

  TEST_CASE("4.1.1.1: a leech joins with two addresses") {
    const Request expected{"12345.0", "656164657221",
                           Connect{.peer_num = kFivePeers,
                                   .addresses = {{.address = address("192.0.2.2:80"),
                                                  .priority = 1,
                                                  .type = AddressType::host,
                                                  .connection = Connection::wired,
                                                  .asn = "3256546"},
                                                 {.address = address("[2001:db8::2]:80"),
                                                  .priority = 2,
                                                  .type = AddressType::host,
                                                  .connection = Connection::wireless,
                                                  .asn = "34563456",
                                                  .peer_protocol = std::string(kPeerProtocol)}},
                                   .actions = {{"1111", Action::join, PeerMode::leech}}}};
    CHECK(request(rfc7846::kConnectLeech) == expected);
  }

  TEST_CASE("4.1.1.1: a viewer switches channels, and is told of two peers") {
    const Request expected{"12345", "656164657221",
                           Connect{.peer_num = kFivePeers,
                                   .actions = {{"1111", Action::leave, PeerMode::leech},
                                               {"2222", Action::join, PeerMode::leech}}}};
    CHECK(request(rfc7846::kConnectSwitch) == expected);
    const Response answer{
        .transaction_id = "12345",
        .peer_address =
            PeerAddress{.address = address("198.51.100.1:80"), .priority = 1, .asn = "64496"},
        .results = {
            {.swarm_id = "2222",
             .peers = {{listed("956264622298", "198.51.100.22:80", 2, Connection::wired, "PPSP-PP"),
                        listed("3332001256741", "198.51.100.201:80", 2, Connection::wired,
                               "PPSP-PP")}}}}};
    CHECK(response(rfc7846::kConnectResponse) == answer);
  }

  TEST_CASE("4.1.2.1: FIND, and three peers") {
    CHECK(request(rfc7846::kFind) ==
          Request{"12345", "656164657221", Find{.swarm_id = "1111", .peer_num = kFivePeers}});
    const Response answer{
        .transaction_id = "12345",
        .results = {
            {.swarm_id = "1111",
             .peers = {{listed("656164657221", "198.51.100.1:80", 1, Connection::wireless),
                        listed("956264622298", "198.51.100.22:80", 1, Connection::wireless),
                        listed("3332001256741", "198.51.100.201:80", 1, Connection::wireless)}}}}};
    CHECK(response(rfc7846::kFindResponse) == answer);
  }

  TEST_CASE("4.1.3.1: STAT_REPORT, and its confirmation") {
    CHECK(
        request(rfc7846::kStatReport) ==
        Request{"12345", "656164657221", StatReport{.stats = {{"1111", 512, 768, 1'024'000, 5}}}});
    CHECK(response(rfc7846::kStatReportResponse) ==
          Response{.transaction_id = "12345", .results = {{.swarm_id = "1111"}}});
  }

  TEST_CASE("what is read of them is written as section 3 defines it, and read again") {
    for (const auto text : {rfc7846::kConnectSeeder, rfc7846::kConnectLeech,
                            rfc7846::kConnectSwitch, rfc7846::kFind, rfc7846::kStatReport}) {
      CAPTURE(text);
      CHECK(request(to_json(request(text))) == request(text));
    }
    for (const auto text : {rfc7846::kFindResponse, rfc7846::kStatReportResponse}) {
      CAPTURE(text);
      CHECK(response(to_json(response(text))) == response(text));
    }
    CHECK(to_json(request(rfc7846::kFind)) ==
          R"({"PPSPTrackerProtocol":{"version":1,"request_type":"FIND","find":{"swarm_id":"1111",)"
          R"("peer_num":{"peer_count":5,"ability_nat":"STUN","concurrent_links":5,)"
          R"("online_time":200,"upload_bandwidth":600}},"transaction_id":"12345",)"
          R"("peer_id":"656164657221"}})");
    CHECK(to_json(request(rfc7846::kStatReport)) ==
          R"({"PPSPTrackerProtocol":{"version":1,"request_type":"STAT_REPORT","stat_report":)"
          R"({"type":"STREAM_STATS","stat":[{"swarm_id":"1111","uploaded_bytes":512,)"
          R"("downloaded_bytes":768,"available_bandwidth":1024000,"concurrent_links":5}]},)"
          R"("transaction_id":"12345","peer_id":"656164657221"}})");
  }
}

}  // namespace
}  // namespace ppspp::tracker
