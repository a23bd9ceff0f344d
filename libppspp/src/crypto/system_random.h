// The system's cryptographic generator (libsodium).
#pragma once

#include <cstddef>
#include <memory>

#include "ppspp/random_source.h"

namespace ppspp {

std::unique_ptr<RandomSource> make_system_random();

}  // namespace ppspp
