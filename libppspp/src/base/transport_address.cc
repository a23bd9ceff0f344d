#include "ppspp/transport_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>

#include "base/assert.h"

namespace ppspp {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct V4Network {
  std::uint32_t network;
  int bits;
};

// RFC 1918 and what else never belongs to a public peer.
constexpr V4Network kInternalV4[] = {
    {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
    {0xac100000, 12}, {0xc0000200, 24}, {0xc0a80000, 16}, {0xc6336400, 24}, {0xcb007100, 24},
    {0xe0000000, 4},  {0xf0000000, 4},
};

template <typename T>
bool parse_number(std::string_view text, T& value) {
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && stop == end && !text.empty();
}

Unexpected bad_address(std::string_view text) {
  return fail(Errc::invalid_argument,
              fmt::format("'{}' is not an address and port, such as 192.0.2.1:6778 or [::1]:6778",
                          text));
}

}  // namespace

TransportAddress TransportAddress::v4(std::uint32_t address, std::uint16_t port) {
  TransportAddress result;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), result.bytes_.begin());
  for (std::size_t i = 0; i < 4; ++i) {
    result.bytes_[12 + i] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
  }
  result.port_ = port;
  return result;
}

TransportAddress TransportAddress::v6(const std::array<std::uint8_t, 16>& address,
                                      std::uint16_t port, std::uint32_t scope_id) {
  TransportAddress result;
  result.bytes_ = address;
  result.port_ = port;
  result.scope_id_ = scope_id;
  return result;
}

Result<TransportAddress> TransportAddress::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad_address(text);
  std::uint16_t port = 0;
  if (!parse_number(text.substr(colon + 1), port)) return bad_address(text);
  std::string host(text.substr(0, colon));

  if (!host.empty() && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    std::uint32_t scope = 0;
    if (const auto percent = host.find('%'); percent != std::string::npos) {
      if (!parse_number(std::string_view(host).substr(percent + 1), scope)) return bad_address(text);
      host.resize(percent);
    }
    std::array<std::uint8_t, 16> bytes = {};
    if (inet_pton(AF_INET6, host.c_str(), bytes.data()) != 1) return bad_address(text);
    return v6(bytes, port, scope);
  }
  std::array<std::uint8_t, 4> bytes = {};
  if (inet_pton(AF_INET, host.c_str(), bytes.data()) != 1) return bad_address(text);
  const std::uint32_t address = std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
                                std::uint32_t{bytes[2]} << 8 | std::uint32_t{bytes[3]};
  return v4(address, port);
}

std::string TransportAddress::to_string() const {
  if (is_v4()) {
    return fmt::format("{}.{}.{}.{}:{}", bytes_[12], bytes_[13], bytes_[14], bytes_[15], port_);
  }
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(AF_INET6, bytes_.data(), text, sizeof text);
  if (scope_id_ != 0) return fmt::format("[{}%{}]:{}", text, scope_id_, port_);
  return fmt::format("[{}]:{}", text, port_);
}

bool TransportAddress::is_v4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes_.begin());
}

std::uint32_t TransportAddress::v4_address() const {
  PPSPP_ASSERT(is_v4());
  std::uint32_t address = 0;
  for (std::size_t i = 12; i < 16; ++i) address = address << 8 | bytes_[i];
  return address;
}

bool TransportAddress::is_unspecified() const {
  if (is_v4()) return v4_address() == 0;
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t b) { return b == 0; });
}

bool TransportAddress::is_loopback() const {
  if (is_v4()) return bytes_[12] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t b) { return b == 0; }) &&
         bytes_[15] == 1;
}

bool TransportAddress::is_internal() const {
  if (is_v4()) {
    const auto address = v4_address();
    return std::any_of(std::begin(kInternalV4), std::end(kInternalV4), [&](const V4Network& n) {
      return (address ^ n.network) >> (32 - n.bits) == 0;
    });
  }
  const bool unique_local = (bytes_[0] & 0xfe) == 0xfc;
  const bool link_local = bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
  const bool multicast = bytes_[0] == 0xff;
  const bool documentation =
      bytes_[0] == 0x20 && bytes_[1] == 0x01 && bytes_[2] == 0x0d && bytes_[3] == 0xb8;
  return unique_local || link_local || multicast || documentation || is_unspecified() ||
         is_loopback();
}

std::size_t TransportAddress::hash() const {
  std::uint64_t words[2];
  std::memcpy(words, bytes_.data(), sizeof words);
  std::uint64_t h = words[0] * 0x9e3779b97f4a7c15 ^ (words[1] + port_) * 0xbf58476d1ce4e5b9;
  h ^= h >> 29;
  return h * 0x94d049bb133111eb ^ scope_id_;
}

}  // namespace ppspp
