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

  TEST_CASE("of a live feed it tells the latency, what was missed, and what signatures cost") {
    GetReport report;
    report.chunk_size = 1'000;
    report.seconds_to_first_byte = 0.5;
    report.skips = 2;
    report.chunks_lost = 6;
    report.status.downloaded_bytes = 9'500;
    LiveStatus live;
    live.ended = true;
    live.chunks_per_signature = 32;
    live.munros_verified = 11;
    live.signatures_checked = 12;
    live.signatures_rejected = 1;
    live.signatures_refused = 3;
    live.chunks_late = 4;
    live.chunks_skipped = 5;
    live.latency = {10, Microseconds(1'500), Microseconds(20'000), Microseconds(70'250),
                    Microseconds(80'000)};
    report.status.live = live;
    const auto object = boost::json::parse(to_json(report)).as_object().at("live").as_object();
    CHECK(object.at("ended").as_bool());
    const auto latency = object.at("latency_ms").as_object();
    CHECK(latency.at("min").to_number<double>() == doctest::Approx(1.5));
    CHECK(latency.at("median").to_number<double>() == doctest::Approx(20));
    CHECK(latency.at("p99").to_number<double>() == doctest::Approx(70.25));
    CHECK(latency.at("max").to_number<double>() == doctest::Approx(80));
    CHECK(object.at("tuned_in_seconds").to_number<double>() == doctest::Approx(0.5));
    CHECK(object.at("chunks_verified").to_number<int>() == 10);
    CHECK(object.at("chunks_late").to_number<int>() == 4);
    CHECK(object.at("chunks_skipped").to_number<int>() == 5);
    CHECK(object.at("skips").to_number<int>() == 2);
    CHECK(object.at("chunks_lost").to_number<int>() == 6);
    CHECK(object.at("chunks_per_signature").to_number<int>() == 32);
    CHECK(object.at("munros_verified").to_number<int>() == 11);
    CHECK(object.at("signatures_checked").to_number<int>() == 12);
    CHECK(object.at("signatures_rejected").to_number<int>() == 1);
    CHECK(object.at("signatures_refused").to_number<int>() == 3);
  }

  TEST_CASE("of a live feed that nothing came of, what is not known is null") {
    GetReport report;
    report.status.live.emplace();
    const auto object = boost::json::parse(to_json(report)).as_object().at("live").as_object();
    CHECK(object.at("latency_ms").is_null());
    CHECK(object.at("tuned_in_seconds").is_null());
    CHECK(object.at("chunks_per_signature").is_null());
    CHECK(object.at("chunks_verified").to_number<int>() == 0);
    CHECK(!object.at("ended").as_bool());
  }

  TEST_CASE("what is not known is null") {
    const auto object = boost::json::parse(to_json({})).as_object();
    CHECK(object.at("content_bytes").is_null());
    CHECK(object.at("seconds_to_first_byte").is_null());
    CHECK(object.at("rate").to_number<int>() == 0);
    CHECK(!object.contains("live"));
  }
}
