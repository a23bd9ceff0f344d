#include "metrics.h"

#include <doctest/doctest.h>

#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace ppspp::daemon {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST_CASE("what is counted is exported with its labels") {
  MetricsInput input;
  input.snapshot.swarms[control::SwarmKind::file][control::SwarmState::seeding] = 3;
  input.snapshot.node.endpoint.static_swarms.bytes_out = 1'234'567'890'123;
  input.snapshot.node.endpoint.live_swarms.chunks_rejected = 7;
  input.snapshot.node.counters.handshakes_over_limit = 5;
  input.snapshot.node.longest_stall = Microseconds(1'500'000);
  const std::string text = metrics_text(input);
  CHECK(has_line(text, R"(ppspp_swarms{kind="file",state="seeding"} 3)"));
  CHECK(has_line(text, R"(ppspp_swarms{kind="live",state="failed"} 0)"));
  CHECK(
      has_line(text, R"(ppspp_content_bytes_total{direction="out",class="static"} 1234567890123)"));
  CHECK(has_line(text, R"(ppspp_chunks_rejected_total{class="live",reason="wrong_hash"} 7)"));
  CHECK(has_line(text, R"(ppspp_dropped_total{reason="handshake_over_limit"} 5)"));
  CHECK(has_line(text, "ppspp_loop_longest_stall_seconds 1.5"));
}

TEST_CASE("histograms are cumulative, in seconds, and end with +Inf") {
  MetricsInput input;
  input.snapshot.node.endpoint.queueing_delay.add(Microseconds(300));
  input.snapshot.node.endpoint.queueing_delay.add(Microseconds(300));
  input.snapshot.node.endpoint.queueing_delay.add(Microseconds(9'000'000));
  const std::string text = metrics_text(input);
  CHECK(has_line(text, R"(ppspp_queueing_delay_seconds_bucket{le="0.00025"} 0)"));
  CHECK(has_line(text, R"(ppspp_queueing_delay_seconds_bucket{le="0.0005"} 2)"));
  CHECK(has_line(text, R"(ppspp_queueing_delay_seconds_bucket{le="2.5"} 2)"));
  CHECK(has_line(text, R"(ppspp_queueing_delay_seconds_bucket{le="+Inf"} 3)"));
  CHECK(has_line(text, "ppspp_queueing_delay_seconds_count 3"));
  CHECK(has_line(text, "ppspp_queueing_delay_seconds_sum 9.0006"));
  CHECK(has_line(text, R"(ppspp_store_seconds_bucket{operation="read",le="+Inf"} 0)"));
}

TEST_CASE("every line is a comment or a sample, and every sample is there once") {
  std::istringstream lines(metrics_text({}));
  const std::regex comment("# (HELP|TYPE) [a-z_]+ .+");
  const std::regex sample(R"([a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? \S+)");
  std::set<std::string> seen;
  std::string line;
  while (std::getline(lines, line)) {
    CAPTURE(line);
    CHECK((std::regex_match(line, comment) || std::regex_match(line, sample)));
    CHECK(seen.insert(line.substr(0, line.rfind(' '))).second);
  }
  CHECK(seen.size() > 100);
}

TEST_CASE("the process knows what it uses") {
  const ProcessUsage usage = ProcessUsage::now();
  CHECK(usage.resident_bytes > 100'000);
  CHECK(usage.virtual_bytes >= usage.resident_bytes);
  CHECK(usage.open_fds >= 1);
  CHECK(usage.max_fds > usage.open_fds);
}

TEST_CASE("health names each problem, and is good without one") {
  HealthInput input;
  input.state_directory = "/var/lib/ppspp";
  input.disk_size = std::uint64_t{100} << 30;
  input.disk_free = std::uint64_t{10} << 30;
  CHECK(assess(input).good);
  CHECK(assess(input).json == R"({"status":"ok","problems":[],"failed_swarms":0})");

  const auto problem = [](HealthInput changed) {
    const Health health = assess(changed);
    CHECK_FALSE(health.good);
    CHECK(health.json.find(R"("status":"failing")") != std::string::npos);
    const std::string key = R"("name":")";
    const auto begin = health.json.find(key) + key.size();
    return health.json.substr(begin, health.json.find('"', begin) - begin);
  };
  HealthInput low = input;
  low.disk_free = 1 << 20;
  CHECK(problem(low) == "disk_low");
  HealthInput gone = input;
  gone.disk_size = 0;
  CHECK(problem(gone) == "state_unreadable");
  HealthInput failed = input;
  failed.failed_swarms = 2;
  CHECK(assess(failed).good);
  CHECK(assess(failed).json == R"({"status":"ok","problems":[],"failed_swarms":2})");
  HealthInput stalled = input;
  stalled.loop_delay_seconds = 2.5;
  CHECK(problem(stalled) == "loop_stalled");
  HealthInput catalogue = input;
  catalogue.catalogue_failing = true;
  CHECK(problem(catalogue) == "catalogue_failing");
}

}  // namespace
}  // namespace ppspp::daemon
