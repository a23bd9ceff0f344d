// What /metrics and /healthz say.
#pragma once

#include <string>

#include "tracker/tracker_service.h"

namespace ppspp::tracker {

struct MetricsInput {
  const TrackerService& service;
  std::size_t connections = 0;
  double start_seconds = 0;  // since 1970
};

std::string metrics_text(const MetricsInput& input);

}  // namespace ppspp::tracker
