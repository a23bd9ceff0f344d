// Requests that are valid JSON of the right types, but make no sense. Answers are not checked: what
// the daemon says is so.
#pragma once

#include "control/control_types.h"
#include "ppspp/result.h"

namespace ppspp::control {

// The errors name the member: "limits.weight: 0 is not a number from 1 to 10000".
Result<void> check(const Limits& limits);
Result<void> check(const AddRequest& request);
Result<void> check(const ChangeRequest& request);
Result<void> check(const PeerRequest& request);
Result<void> check(const LimitsChange& change);
Result<void> check(const BanRequest& request);

// For everything else.
template <typename T>
Result<void> check(const T& /*value*/) {
  return {};
}

}  // namespace ppspp::control
