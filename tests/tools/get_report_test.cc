#include "get_report.h"

#include <doctest/doctest.h>

#include <boost/json/parse.hpp>

using namespace ppspp;
using namespace ppspp::tools;

TEST_SUITE("tools/get_report") {
  TEST_CASE("the report is one line of JSON with everything that the man page names") {
    GetReport report;
    report.swarm_id = "ab12";
    report.output = "a \"quoted\" name\n";
    report.complete = true;
    report.seconds = 4;
    report.seconds_to_first_byte = 0.25;
    report.status.content_length = 9'000;
    report.status.downloaded_bytes = 8'000;
    report.status.peers_seen = 3;
    report.status.chunks_rejected = 2;
    report.status.chunks_unverifiable = 1;
    const std::string line = to_json(report);
    CHECK(line.find('\n') == std::string::npos);
    const auto object = boost::json::parse(line).as_object();
    CHECK(object.at("output").as_string() == report.output);
    CHECK(object.at("complete").as_bool());
    CHECK(object.at("bytes").to_number<int>() == 8'000);
    CHECK(object.at("content_bytes").to_number<int>() == 9'000);
    CHECK(object.at("seconds").to_number<double>() == doctest::Approx(4));
    CHECK(object.at("rate").to_number<int>() == 2'000);
    CHECK(object.at("seconds_to_first_byte").to_number<double>() == doctest::Approx(0.25));
    CHECK(object.at("peers").to_number<int>() == 3);
    CHECK(object.at("chunks_rejected").to_number<int>() == 2);
    CHECK(object.at("hashes_rejected").to_number<int>() == 1);
  }

  TEST_CASE("what is not known is null") {
    const auto object = boost::json::parse(to_json({})).as_object();
    CHECK(object.at("content_bytes").is_null());
    CHECK(object.at("seconds_to_first_byte").is_null());
    CHECK(object.at("rate").to_number<int>() == 0);
  }
}
