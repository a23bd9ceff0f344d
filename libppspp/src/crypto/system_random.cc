#include "crypto/system_random.h"

#include <sodium.h>

#include "base/assert.h"

namespace ppspp {
namespace {

class SystemRandom final : public RandomSource {
 public:
  SystemRandom() { PPSPP_ASSERT(sodium_init() >= 0); }

  std::uint64_t next_u64() override {
    std::uint64_t number = 0;
    randombytes_buf(&number, sizeof(number));
    return number;
  }
};

}  // namespace

std::unique_ptr<RandomSource> make_system_random() {
  return std::make_unique<SystemRandom>();
}

}  // namespace ppspp
