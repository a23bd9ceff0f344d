#include <algorithm>
#include <string>

#include "metadata/text.h"
#include "ppspp/swarm_url.h"
#include "ppspp/transport_address.h"

namespace ppspp {
namespace {

constexpr std::size_t kMaxHostSize = 253;  // of a DNS name in its textual form

Unexpected bad_host_port(std::string_view text) {
  return fail(Errc::invalid_argument,
              quoted(text) + " is not a host and port, such as example.org:6778 or [::1]:6778");
}

// Only what no name has and what would make the text ambiguous is refused: the resolver knows
// better.
bool may_be_name(std::string_view host) {
  return !host.empty() && host.size() <= kMaxHostSize && is_utf8(host) &&
         std::none_of(host.begin(), host.end(), [](char c) {
           const auto code = static_cast<unsigned char>(c);
           return code <= 0x20 || code == 0x7f ||
                  std::string_view(":/?#[]@%\\").find(c) != std::string_view::npos;
         });
}

// The zone of a link-local address (RFC 4007) may be a name that only the system knows.
bool is_ipv6_literal(std::string_view host) {
  const auto percent = host.find('%');
  if (percent != std::string_view::npos && !may_be_name(host.substr(percent + 1))) return false;
  const std::string address(host.substr(0, percent));
  return TransportAddress::parse("[" + address + "]:0").has_value();
}

}  // namespace

Result<HostPort> HostPort::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad_host_port(text);
  const auto port = parse_decimal<std::uint16_t>(text.substr(colon + 1));
  if (!port) return bad_host_port(text);

  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (!is_ipv6_literal(host)) return bad_host_port(text);
  } else if (!may_be_name(host)) {
    return bad_host_port(text);
  }
  return HostPort{std::string(host), *port};
}

}  // namespace ppspp
