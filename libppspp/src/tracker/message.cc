#include "tracker/message.h"

namespace ppspp::tracker {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::none:
      return "No Error";
    case ErrorCode::bad_request:
      return "Bad Request";
    case ErrorCode::unsupported_version:
      return "Unsupported Version Number";
    case ErrorCode::forbidden_action:
      return "Forbidden Action";
    case ErrorCode::internal_error:
      return "Internal Server Error";
    case ErrorCode::service_unavailable:
      return "Service Unavailable";
    case ErrorCode::authentication_required:
      return "Authentication Required";
  }
  return "";
}

}  // namespace ppspp::tracker
