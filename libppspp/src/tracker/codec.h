// Messages to JSON text and back (RFC 7846, section 4; Boost.JSON inside, none in this header).
//
// Written is what section 3 defines. Read is more: unknown members are ignored (4.4), and where the
// RFC's examples differ from its definitions, both are accepted:
//   - an array with one element may be that element alone (peer_addr, swarm_action, swarm_result,
//     peer_info, stat);
//   - numbers may be decimal strings ("concurrent_links": "5");
//   - what belongs into "find" may stand beside it;
//   - "stat" may be written "Stat";
//   - of an address, "priority" and "type" may be missing.
// In a response a peer that makes no sense is left out, and the rest counts; a request must be
// right as a whole. Everything is bounded: message.h. Nothing throws; any thread may call.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "tracker/message.h"

namespace ppspp::tracker {

std::string to_json(const Request& request);
std::string to_json(const Response& response);

// A request that cannot be read: what its answer is (4.3).
struct RequestError {
  ErrorCode code = ErrorCode::bad_request;  // or unsupported_version
  std::string transaction_id;               // as far as it could be read
  std::string reason;                       // one line
};

// The answer to it.
Response to_response(const RequestError& error);

tl::expected<Request, RequestError> read_request(std::string_view json);
// The error is one line that says what is wrong with it.
tl::expected<Response, std::string> read_response(std::string_view json);

}  // namespace ppspp::tracker
