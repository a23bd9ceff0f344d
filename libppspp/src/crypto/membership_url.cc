#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "crypto/membership_certificate.h"

namespace ppspp {
namespace {

constexpr std::string_view kScheme = "file://";
constexpr std::size_t kMaxName = 253;  // of a DNS name in its textual form

int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

std::optional<std::vector<std::byte>> from_hex(std::string_view text) {
  if (text.empty() || text.size() % 2 != 0) return std::nullopt;
  std::vector<std::byte> octets;
  octets.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    octets.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return octets;
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.';
}

bool is_ipv6(std::string_view host) {
  return host.find_first_of("%[]") == std::string_view::npos &&
         host.find(':') != std::string_view::npos &&
         TransportAddress::parse(fmt::format("[{}]:1", host)).has_value();
}

bool is_name(std::string_view host) {
  return !host.empty() && host.size() <= kMaxName && std::ranges::all_of(host, is_name_character);
}

bool has_scheme(std::string_view url) {
  return url.size() >= kScheme.size() &&
         std::ranges::equal(url.substr(0, kScheme.size()), kScheme, {}, [](char c) {
           return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
         });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc{} || stop != end || port == 0) return std::nullopt;
  return port;
}

std::string authority_of(const MembershipCertificate& certificate) {
  const bool v6 = certificate.host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", certificate.host, certificate.port)
            : fmt::format("{}:{}", certificate.host, certificate.port);
}

}  // namespace

std::optional<TransportAddress> MembershipCertificate::address() const {
  const auto parsed = TransportAddress::parse(authority_of(*this));
  return parsed ? std::optional(*parsed) : std::nullopt;
}

std::string host_of(const TransportAddress& address) {
  std::string text = address.to_string();
  text.resize(text.rfind(':'));
  return text.starts_with('[') ? text.substr(1, text.size() - 2) : text;
}

std::string membership_url(const MembershipCertificate& certificate) {
  std::string url = fmt::format("{}{}/", kScheme, authority_of(certificate));
  for (const std::byte octet : certificate.swarm_id) {
    fmt::format_to(std::back_inserter(url), "{:02x}", std::to_integer<unsigned>(octet));
  }
  return url;
}

std::optional<MembershipCertificate> parse_membership_url(std::string_view url) {
  if (!has_scheme(url)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  const auto slash = url.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view authority = url.substr(0, slash);
  const auto colon = authority.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = authority.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (!is_ipv6(host)) return std::nullopt;
  } else if (!is_name(host)) {
    return std::nullopt;
  }
  const auto port = parse_port(authority.substr(colon + 1));
  auto swarm_id = from_hex(url.substr(slash + 1));
  if (!port || !swarm_id) return std::nullopt;
  MembershipCertificate certificate;
  certificate.host = std::string(host);
  certificate.port = *port;
  certificate.swarm_id = std::move(*swarm_id);
  return certificate;
}

}  // namespace ppspp
