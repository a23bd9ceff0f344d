#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace ppspp {

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "ppspp: internal error: assertion failed: %s (%s:%d)\n", condition, file,
               line);
  std::abort();
}

}  // namespace ppspp
