#include <fmt/format.h>

#include <boost/json.hpp>

#include "metrics.h"

namespace ppspp::daemon {
namespace {

constexpr std::uint64_t kLeastFree = std::uint64_t{64} << 20;
constexpr double kLongestDelay = 1.0;  // seconds

}  // namespace

Health assess(const HealthInput& input) {
  boost::json::array problems;
  const auto problem = [&problems](std::string_view name, const std::string& message) {
    problems.push_back({{"name", name}, {"message", message}});
  };
  if (input.disk_size == 0) {
    problem("state_unreadable",
            fmt::format("the state directory {} cannot be read", input.state_directory.string()));
  } else if (input.disk_free < kLeastFree) {
    problem("disk_low",
            fmt::format("{} MiB are free on the disk of {}: less than {} MiB",
                        input.disk_free >> 20, input.state_directory.string(), kLeastFree >> 20));
  }
  if (input.loop_delay_seconds > kLongestDelay) {
    problem("loop_stalled", fmt::format("the event loop stood still for {:.1f} s within the last "
                                        "minute",
                                        input.loop_delay_seconds));
  }
  if (input.catalogue_failing) {
    problem("catalogue_failing", "changes cannot be written to the catalogue");
  }
  Health health;
  health.good = problems.empty();
  health.json =
      boost::json::serialize(boost::json::object{{"status", health.good ? "ok" : "failing"},
                                                 {"problems", std::move(problems)},
                                                 {"failed_swarms", input.failed_swarms}});
  return health;
}

}  // namespace ppspp::daemon
