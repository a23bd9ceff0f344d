// What was asked and told by peer exchange (RFC 7574, 3.10), over a whole endpoint.
#pragma once

#include <cstdint>

namespace ppspp {

struct PexCounters {
  std::uint64_t requests_in = 0;
  std::uint64_t requests_out = 0;
  std::uint64_t addresses_in = 0;  // PEX_RESv4 and PEX_RESv6
  std::uint64_t addresses_out = 0;
  std::uint64_t certificates_in = 0;  // PEX_REScert
  std::uint64_t certificates_out = 0;
  std::uint64_t certificates_accepted = 0;
  std::uint64_t certificates_refused = 0;  // checked, and they did not hold
  std::uint64_t addresses_learned = 0;     // that were not known, by certificates as well
  std::uint64_t addresses_refused = 0;     // of no use to us, or against the rules (3.10.1)
  std::uint64_t ignored = 0;               // too often, unasked, or against the rules
};

}  // namespace ppspp
