// Whatever the text, reading ends; and what it gives survives being written and read.
//
// The first octet chooses: even a request, odd a response.
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "tracker/codec.h"

namespace {

using namespace ppspp::tracker;

void one_line(std::string_view reason) {
  PPSPP_ASSERT(!reason.empty());
  PPSPP_ASSERT(reason.find('\n') == std::string_view::npos);
}

void request(std::string_view text) {
  const auto read = read_request(text);
  if (!read) {
    one_line(read.error().reason);
    const auto answer = read_response(to_json(to_response(read.error())));
    PPSPP_ASSERT(answer && answer->error == read.error().code);
    return;
  }
  // Written, it may be longer than what was read, with names that had been left out.
  const auto written = to_json(*read);
  const auto again = read_request(written);
  PPSPP_ASSERT(written.size() > kMaxRequestSize || again);
}

void response(std::string_view text) {
  const auto read = read_response(text);
  if (!read) return one_line(read.error());
  std::size_t peers = 0;
  for (const SwarmResult& result : read->results) peers += result.peers ? result.peers->size() : 0;
  PPSPP_ASSERT(peers <= kMaxPeers);
  const auto written = to_json(*read);
  const auto again = read_response(written);
  PPSPP_ASSERT(written.size() > kMaxResponseSize || again);
  PPSPP_ASSERT(!again || again->results.size() == read->results.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  data[0] % 2 == 0 ? request(text) : response(text);
  return 0;
}
