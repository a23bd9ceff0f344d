// An IP address of either version with a UDP port. An IPv4 address is kept as its IPv4-mapped IPv6
// form, so that one socket and one table serve both versions and comparison is plain.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ppspp/result.h"

namespace ppspp {

class TransportAddress {
 public:
  TransportAddress() = default;  // [::]:0
  static TransportAddress v4(std::uint32_t address, std::uint16_t port);  // host byte order
  static TransportAddress v6(const std::array<std::uint8_t, 16>& address, std::uint16_t port,
                             std::uint32_t scope_id = 0);

  // A literal: "192.0.2.1:6778", "[2001:db8::1]:6778", "[fe80::1%2]:6778". No name is looked up.
  static Result<TransportAddress> parse(std::string_view text);
  std::string to_string() const;

  bool is_v4() const;
  // The mapped form for IPv4 (::ffff:a.b.c.d).
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  std::uint32_t v4_address() const;  // host byte order; only if is_v4()
  std::uint16_t port() const { return port_; }
  std::uint32_t scope_id() const { return scope_id_; }

  bool is_unspecified() const;
  bool is_loopback() const;
  // Private, unique-local, link-local, multicast, loopback, carrier-grade NAT, unspecified and
  // documentation ranges: what must not be told to public peers (RFC 7574, section 8.13).
  bool is_internal() const;

  std::size_t hash() const;
  friend auto operator<=>(const TransportAddress&, const TransportAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_ = {};
  std::uint16_t port_ = 0;
  std::uint32_t scope_id_ = 0;
};

}  // namespace ppspp

template <>
struct std::hash<ppspp::TransportAddress> {
  std::size_t operator()(const ppspp::TransportAddress& address) const noexcept {
    return address.hash();
  }
};
