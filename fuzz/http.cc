// Whatever the octets of a connection: requests come out of them in the same way in whatever pieces
// they arrive, their paths stay inside, and ranges lie in the content.
//
// The first octet tells how large the pieces are, the second the length of the content.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "gateway/byte_ranges.h"
#include "gateway/place.h"
#include "http/request_reader.h"

namespace {

using ppspp::http::Request;
using ppspp::http::RequestReader;

struct Outcome {
  std::vector<Request> requests;
  bool refused = false;
};

Outcome read(std::string_view text, std::size_t step) {
  RequestReader reader(1000);
  Outcome outcome;
  while (!text.empty()) {
    const auto room = reader.prepare();
    PPSPP_ASSERT(!room.empty());
    const std::size_t size = std::min({text.size(), room.size(), step});
    std::memcpy(room.data(), text.data(), size);
    reader.commit(size);
    text.remove_prefix(size);
    for (auto state = reader.parse(); state == RequestReader::State::complete;
         state = reader.parse()) {
      outcome.requests.push_back(reader.take());
    }
    outcome.refused = !reader.refusal().reason.empty();
    if (outcome.refused) break;
  }
  return outcome;
}

void check_request(const Request& request, std::uint64_t length) {
  PPSPP_ASSERT(request.path.starts_with('/'));
  PPSPP_ASSERT((request.path + "/").find("/../") == std::string::npos);
  PPSPP_ASSERT(request.body.size() <= 1000);
  if (const auto place = ppspp::daemon::parse_place(request)) {
    PPSPP_ASSERT(("/" + place->path() + "/").find("/../") == std::string::npos);
    PPSPP_ASSERT(place->url.metadata.validate());
  }
  const auto ranges = ppspp::daemon::parse_ranges(request.header("range"), length);
  PPSPP_ASSERT(ranges.ranges.size() <= ppspp::daemon::kMaxRanges);
  for (const auto& range : ranges.ranges) {
    PPSPP_ASSERT(range.length > 0 && range.offset < length &&
                 range.length <= length - range.offset);
  }
  ppspp::daemon::holds_if_none_match(request.header("if-none-match"), "\"a\"");
  ppspp::daemon::fails_if_match(request.header("if-match"), "\"a\"");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t step = 1 + data[0] % 64;
  const std::uint64_t length = std::uint64_t{data[1]} * data[1] * data[1];
  const auto* const begin = static_cast<const char*>(static_cast<const void*>(data + 2));
  const std::string_view text(begin, size - 2);
  const Outcome whole = read(text, text.size() + 1);
  const Outcome pieces = read(text, step);
  if (whole.refused != pieces.refused) {
    // A line that is wrong may be noticed before the header is whole, or when it is.
    const std::string ended = std::string(text) + "\r\n\r\n";
    PPSPP_ASSERT(read(ended, ended.size()).refused);
    PPSPP_ASSERT(read(ended, step).refused);
  }
  PPSPP_ASSERT(whole.requests.size() == pieces.requests.size());
  for (std::size_t i = 0; i < whole.requests.size(); ++i) {
    PPSPP_ASSERT(whole.requests[i].target == pieces.requests[i].target);
    PPSPP_ASSERT(whole.requests[i].headers == pieces.requests[i].headers);
    PPSPP_ASSERT(whole.requests[i].body == pieces.requests[i].body);
    check_request(whole.requests[i], length);
  }
  return 0;
}
