#include "http/status.h"

namespace ppspp::http {

int status_of(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
      return 400;
    case Errc::not_found:
      return 404;
    case Errc::exists:
      return 409;
    case Errc::not_supported:
      return 422;
    case Errc::left:
      return 503;
    case Errc::timed_out:
      return 504;
    case Errc::no_space:
      return 507;
    case Errc::io:
    case Errc::content_changed:
    case Errc::integrity:
      break;
  }
  return 500;
}

}  // namespace ppspp::http
