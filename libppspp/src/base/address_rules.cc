#include "ppspp/address_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ppspp {
namespace {

constexpr unsigned kV4Bits = 32;
constexpr unsigned kV6Bits = 128;

// Clears what stands behind the first `bits` bits.
void cut(std::array<std::uint8_t, 16>& bytes, unsigned bits) {
  for (unsigned i = 0; i < bytes.size(); ++i) {
    const unsigned kept = bits <= 8 * i ? 0 : std::min(bits - 8 * i, 8U);
    bytes[i] &= static_cast<std::uint8_t>(0xff00U >> kept);
  }
}

std::array<std::uint8_t, 16> prefix_of(const TransportAddress& address) {
  if (!address.is_v4()) return address.bytes();
  std::array<std::uint8_t, 16> bytes = {};
  std::copy(address.bytes().begin() + 12, address.bytes().end(), bytes.begin());
  return bytes;
}

Unexpected bad_network(std::string_view text) {
  return fail(Errc::invalid_argument,
              fmt::format("'{}' is not an IP address or network, such as 192.0.2.1, 192.0.2.0/24 "
                          "or 2001:db8::/32",
                          text));
}

}  // namespace

Network Network::of(const TransportAddress& address) {
  return of(address, kV6Bits);
}

Network Network::of(const TransportAddress& address, unsigned bits) {
  Network network;
  network.v4_ = address.is_v4();
  network.bits_ = static_cast<std::uint8_t>(std::min(bits, network.v4_ ? kV4Bits : kV6Bits));
  network.bytes_ = prefix_of(address);
  cut(network.bytes_, network.bits_);
  return network;
}

Result<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  const bool colons = host.find(':') != std::string_view::npos;
  // No scope: a network is not on one interface.
  if (host.find_first_of("[]%") != std::string_view::npos) return bad_network(text);
  const std::string host_and_port =
      colons ? fmt::format("[{}]:0", host) : fmt::format("{}:0", host);
  const auto address = TransportAddress::parse(host_and_port);
  if (!address) return bad_network(text);
  unsigned bits = colons ? kV6Bits : kV4Bits;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto end = digits.data() + digits.size();
    unsigned given = 0;
    const auto [stop, error] = std::from_chars(digits.data(), end, given);
    if (error != std::errc{} || stop != end || given > bits) return bad_network(text);
    bits = given;
  }
  if (colons && address->is_v4()) {
    constexpr unsigned kMappedBits = kV6Bits - kV4Bits;
    if (bits < kMappedBits) return bad_network(text);  // of both versions
    bits -= kMappedBits;
  }
  return of(*address, bits);
}

bool Network::contains(const TransportAddress& address) const {
  return address.is_v4() == v4_ && of(address, bits_).bytes_ == bytes_;
}

bool Network::contains(const Network& other) const {
  if (other.v4_ != v4_ || other.bits_ < bits_) return false;
  auto bytes = other.bytes_;
  cut(bytes, bits_);
  return bytes == bytes_;
}

std::string Network::to_string() const {
  std::string text;
  if (v4_) {
    text = fmt::format("{}.{}.{}.{}", bytes_[0], bytes_[1], bytes_[2], bytes_[3]);
  } else {
    text = TransportAddress::v6(bytes_, 0).to_string();  // "[...]:0"
    text = text.substr(1, text.size() - 4);
  }
  return bits_ == (v4_ ? kV4Bits : kV6Bits) ? text : fmt::format("{}/{}", text, bits_);
}

bool AddressRules::allows(const TransportAddress& address) const {
  const auto holds = [&](const Network& network) { return network.contains(address); };
  if (std::any_of(deny.begin(), deny.end(), holds)) return false;
  return allow.empty() || std::any_of(allow.begin(), allow.end(), holds);
}

}  // namespace ppspp
