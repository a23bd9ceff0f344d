// For processors, and builds, without it.
#include "crypto/multi_buffer.h"

namespace ppspp {

std::unique_ptr<MultiBuffer> MultiBuffer::make(Width) {
  return nullptr;
}
MultiBuffer* MultiBuffer::of_this_thread() {
  return nullptr;
}

}  // namespace ppspp
