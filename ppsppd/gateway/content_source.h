// What the HTTP gateway needs of the daemon. Implemented by the service; tests implement it over a
// Node.
#pragma once

#include <string>

#include "ppspp/ppspp.h"

namespace ppspp::daemon {

struct Content {
  Swarm swarm;
  std::string name;  // display name, for the content type
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
};

}  // namespace ppspp::daemon
