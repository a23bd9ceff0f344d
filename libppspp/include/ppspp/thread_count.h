// How many threads move content: a number from 1 on, or 0 for as many as are of use on the machine.
#pragma once

namespace ppspp {

inline constexpr unsigned kMaxThreads = 64;

}  // namespace ppspp
