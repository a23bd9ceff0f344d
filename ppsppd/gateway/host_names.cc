#include "gateway/host_names.h"

#include <algorithm>
#include <boost/algorithm/string/predicate.hpp>
#include <boost/asio/ip/address.hpp>

namespace ppspp::daemon {
namespace {

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.rfind(':'));
}

bool is_address(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  boost::asio::ip::make_address(std::string(host), error);
  return !error;
}

}  // namespace

bool is_our_name(std::string_view host, std::span<const std::string> names) {
  if (host.empty()) return true;
  const std::string_view name = without_port(host);
  if (is_address(name) || boost::iequals(name, "localhost")) return true;
  return std::any_of(names.begin(), names.end(), [name](const std::string& own) {
    return own == "*" || boost::iequals(own, name);
  });
}

}  // namespace ppspp::daemon
