#include "tracker/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "metadata/text.h"
#include "ppspp/transport_address.h"

namespace ppspp::tracker {
namespace {

Unexpected wrong(std::string_view text, std::string_view why) {
  return fail(
      Errc::invalid_argument,
      fmt::format("{} is not the URL of a tracker, such as https://tracker.example.com/: {}",
                  quoted(text), why));
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_host_character(char c) {
  c = lower(c);
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

// What RFC 3986 allows in a path and a query; the rest must be percent-encoded.
bool is_target_character(char c) {
  return c > ' ' && c < 0x7f && std::string_view("\"<>\\^`{|}#").find(c) == std::string_view::npos;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (text.size() < prefix.size()) return false;
  for (std::size_t i = 0; i < prefix.size(); ++i) {
    if (lower(text[i]) != prefix[i]) return false;
  }
  text.remove_prefix(prefix.size());
  return true;
}

bool is_v6(std::string_view host) {
  return host.find(':') != std::string_view::npos &&
         TransportAddress::parse(fmt::format("[{}]:1", host)).has_value();
}

// Into host and what follows it; nothing if it is neither a name nor an address.
std::optional<std::string> take_host(std::string_view& authority) {
  std::string host;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = authority.substr(1, end - 1);
    authority.remove_prefix(end + 1);
    if (!is_v6(host)) return std::nullopt;
  } else {
    host = authority.substr(0, authority.find(':'));
    authority.remove_prefix(host.size());
    if (host.empty() || host.size() > 253) return std::nullopt;
    if (!std::all_of(host.begin(), host.end(), is_host_character)) return std::nullopt;
  }
  std::transform(host.begin(), host.end(), host.begin(), lower);
  return host;
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  if (text.size() > kMaxSize) return wrong(utf8_front(text, 40), "it is too long");
  std::string_view rest = text;
  Url url;
  if (take_prefix(rest, "https://")) {
    url.tls = true;
  } else if (!take_prefix(rest, "http://")) {
    return wrong(text, "it begins with neither https:// nor http://");
  }
  std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  const std::string_view target = rest.substr(authority.size());
  const auto host = take_host(authority);
  if (!host) return wrong(text, "it has no name or address of a host");
  url.host = *host;
  url.port = url.tls ? 443 : 80;
  if (!authority.empty()) {
    const auto port =
        authority.front() == ':' ? parse_decimal<std::uint16_t>(authority.substr(1)) : std::nullopt;
    if (!port || *port == 0) return wrong(text, "its port must be from 1 to 65535");
    url.port = *port;
  }
  if (!std::all_of(target.begin(), target.end(), is_target_character)) {
    return wrong(text, "its path has a character that must be percent-encoded");
  }
  if (!target.empty()) url.target = target.front() == '/' ? target : fmt::format("/{}", target);
  return url;
}

std::string Url::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  const std::string name = v6 ? fmt::format("[{}]", host) : host;
  return port == (tls ? 443 : 80) ? name : fmt::format("{}:{}", name, port);
}

std::string Url::to_string() const {
  return fmt::format("{}://{}{}", tls ? "https" : "http", authority(), target);
}

}  // namespace ppspp::tracker
