// The names of enumerations in JSON and query strings.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control/control_types.h"
#include "ppspp/result.h"

namespace ppspp::control {

std::string_view to_string(Errc code);
std::optional<Errc> parse_errc(std::string_view name);

// "a, b or c", for errors.
std::string swarm_kind_names();
std::string swarm_state_names();

}  // namespace ppspp::control
