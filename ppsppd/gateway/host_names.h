// By which names this server may be asked for. A web page elsewhere can give its own name our
// address (DNS rebinding) and would then be of our origin to the browser, which sends that name as
// Host: so names count only where the user has listed them.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ppspp::daemon {

// `host`: the header's value, with or without a port; empty: the client is no browser. Numeric
// addresses and localhost are always good, others if `names` has them, or "*".
bool is_our_name(std::string_view host, std::span<const std::string> names);

}  // namespace ppspp::daemon
