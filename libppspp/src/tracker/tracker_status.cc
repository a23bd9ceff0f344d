#include "ppspp/tracker_status.h"

#include <fmt/format.h>

namespace ppspp {

std::string_view to_string(TrackerFailure failure) {
  switch (failure) {
    case TrackerFailure::unreachable:
      return "unreachable";
    case TrackerFailure::timed_out:
      return "timed_out";
    case TrackerFailure::tls:
      return "tls";
    case TrackerFailure::http:
      return "http";
    case TrackerFailure::bad_response:
      return "bad_response";
    case TrackerFailure::refused:
      return "refused";
  }
  return "";
}

std::string_view to_string(TrackerState state) {
  switch (state) {
    case TrackerState::idle:
      return "idle";
    case TrackerState::registering:
      return "registering";
    case TrackerState::working:
      return "working";
    case TrackerState::failing:
      return "failing";
  }
  return "";
}

std::string describe_failure(const TrackerStatus& status) {
  std::string_view what = "is of no help";
  switch (status.failure) {
    case TrackerFailure::unreachable:
    case TrackerFailure::timed_out:
      what = "does not answer";
      break;
    case TrackerFailure::tls:
      what = "cannot be trusted";
      break;
    case TrackerFailure::refused:
      what = "refuses";
      break;
    case TrackerFailure::http:
    case TrackerFailure::bad_response:
      break;
  }
  return fmt::format("the tracker at {} {}: {}", status.url, what, status.problem);
}

}  // namespace ppspp
