// For processors, and builds, without it.
#include "crypto/multi_buffer.h"

namespace ppspp {

std::unique_ptr<MultiBuffer> MultiBuffer::make(Width) {
  return nullptr;
}

std::unique_ptr<MultiBuffer> MultiBuffer::make_best() {
  return nullptr;
}

}  // namespace ppspp
