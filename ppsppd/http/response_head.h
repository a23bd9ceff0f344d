// The octets of a response that are not its body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/http_server.h"

namespace ppspp::http {

struct ResponseHead {
  int status = 200;
  const Headers& headers;
  bool http_1_0 = false;  // of the request
  bool keep_alive = true;
  bool chunked = false;
  std::optional<std::uint64_t> length;  // Content-Length
};

// Status line and header, with Date and Connection. Header values lose what would end the line.
std::string response_head(const ResponseHead& head);

// What stands before and behind a piece of a chunked body, and at its end.
std::string chunk_head(std::size_t size);
std::string_view chunk_tail();
std::string_view last_chunk();

// The whole answer "100 Continue".
std::string_view continue_response();

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7).
std::string http_date(std::int64_t unix_seconds);

}  // namespace ppspp::http
