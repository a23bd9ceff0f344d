// Where ppspp is built without Avahi.
#include "net/service_finder.h"

namespace ppspp {

std::unique_ptr<ServiceFinder> ServiceFinder::open(boost::asio::io_context&, std::uint64_t,
                                                   Handlers) {
  return nullptr;
}

bool ServiceFinder::is_built_in() {
  return false;
}

}  // namespace ppspp
