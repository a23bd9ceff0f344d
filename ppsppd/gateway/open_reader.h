// The readers of the gateway.
#pragma once

#include <cstdint>
#include <memory>

#include "ppspp/ppspp.h"

namespace ppspp::daemon {

struct WindowOptions {
  std::uint64_t offset = 0;
  std::uint64_t read_ahead = std::uint64_t{8} << 20;
};

inline std::shared_ptr<ContentReader> open_reader(const Swarm& swarm,
                                                  const WindowOptions& options = {}) {
  const auto handle = std::make_shared<Swarm>(swarm);
  ContentReader& reader = handle->reader();
  if (!swarm.url().metadata.live) static_cast<void>(reader.seek(options.offset));
  return {handle, &reader};
}

}  // namespace ppspp::daemon
