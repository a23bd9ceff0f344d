// Assertions for our own mistakes, on in release builds as well. Never for input: what a peer or a
// user can cause is an error value.
#pragma once

namespace ppspp {

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace ppspp

#define PPSPP_ASSERT(condition) \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0) \
       : ::ppspp::assertion_failed(#condition, __FILE__, __LINE__))
