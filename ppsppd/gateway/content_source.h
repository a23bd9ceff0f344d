// What the HTTP gateway needs of the daemon. Implemented by the service; tests implement it over a
// Node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ppspp/ppspp.h"

namespace ppspp::daemon {

struct Content {
  Swarm swarm;
  std::string name;  // display name, for the content type
};

// A swarm on the page that lists them.
struct Listed {
  SwarmId id;
  std::string name;
  std::optional<std::uint64_t> length;  // octets; absent: live, or not known yet
  bool live = false;
};

class ContentSource {
 public:
  virtual ~ContentSource() = default;
  // The swarm that this URL names; joined now if it is not there and joining on demand is allowed
  // (the keys peer=, len=, cs=... of the request are in `url`). Errors: not_found (unknown, and not
  // allowed on demand), the service's limits (no_space, not_supported).
  virtual Result<Content> open(const SwarmUrl& url) = 0;
  // +1, -1: what was joined on demand is left some time after its last reader.
  virtual void note_readers(const SwarmId& id, int change) = 0;
  // Some of the swarms that are served, at most `limit`, in the order in which people see them.
  virtual std::vector<Listed> list(std::size_t limit) const {
    static_cast<void>(limit);
    return {};
  }
};

}  // namespace ppspp::daemon
