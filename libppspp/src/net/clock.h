// Reads the clocks for the core, which has none.
#pragma once

#include "ppspp/time.h"

namespace ppspp {

// Monotonic time, and the wall time that goes with it: the system's clock as it was when the
// program first asked, carried on by the monotonic clock, so that a step of the system's clock is
// no delay (RFC 7574, section 8.6, with RFC 6817, section 2.1).
Now read_clocks();

}  // namespace ppspp
