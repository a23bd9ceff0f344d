#include <boost/json.hpp>
#include <span>
#include <utility>

#include "base/assert.h"
#include "base/overloaded.h"
#include "json/base64.h"
#include "metadata/text.h"
#include "tracker/codec.h"
#include "tracker/names.h"

namespace ppspp::tracker {
namespace {

namespace json = boost::json;

json::string text(std::string_view value) {
  PPSPP_ASSERT(is_utf8(value));
  return json::string(value.data(), value.size());
}

template <typename T>
json::array list(const std::vector<T>& elements, json::object (*as_value)(const T&)) {
  json::array array;
  array.reserve(elements.size());
  for (const T& element : elements) array.push_back(as_value(element));
  return array;
}

json::string base64(const Octets& octets) {
  return text(to_base64({reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()}));
}

void put(json::object& object, const char* name, const std::optional<std::uint64_t>& number) {
  if (number) object[name] = *number;
}

template <typename E>
requires std::is_enum_v<E>
void put(json::object& object, const char* name, const std::optional<E>& value) {
  if (value) object[name] = text(name_of(*value));
}

void put(json::object& object, const char* name, const std::string& value) {
  if (!value.empty()) object[name] = text(value);
}

json::object value_of(const PeerNum& wanted) {
  json::object object;
  object["peer_count"] = wanted.peer_count;
  put(object, "ability_nat", wanted.ability_nat);
  put(object, "concurrent_links", wanted.concurrent_links);
  put(object, "online_time", wanted.online_time);
  put(object, "upload_bandwidth", wanted.upload_bandwidth);
  return object;
}

// The literal without port, brackets and zone: an index of our interfaces means nothing to others.
std::string host_of(const TransportAddress& address) {
  if (address.is_v4()) {
    const std::string both = address.to_string();
    return both.substr(0, both.rfind(':'));
  }
  const std::string both = TransportAddress::v6(address.bytes(), address.port()).to_string();
  return both.substr(1, both.rfind(']') - 1);
}

json::object value_of(const PeerAddress& peer) {
  json::object ip;
  ip["address_type"] = peer.address.is_v4() ? "ipv4" : "ipv6";
  ip["address"] = text(host_of(peer.address));
  json::object object;
  object["ip_address"] = std::move(ip);
  object["port"] = peer.address.port();
  object["priority"] = peer.priority;
  object["type"] = text(name_of(peer.type.value_or(AddressType::host)));
  put(object, "connection", peer.connection);
  put(object, "asn", peer.asn);
  put(object, "peer_protocol", peer.peer_protocol);
  return object;
}

json::object value_of(const SwarmAction& action) {
  json::object object;
  object["swarm_id"] = text(action.swarm_id);
  object["action"] = text(name_of(action.action));
  object["peer_mode"] = text(name_of(action.mode));
  if (action.certificate_request) {
    object["certificate_request"] = base64(*action.certificate_request);
  }
  if (!action.url_options.empty()) object["url_options"] = text(action.url_options);
  return object;
}

json::object value_of(const StreamStats& stats) {
  json::object object;
  object["swarm_id"] = text(stats.swarm_id);
  object["uploaded_bytes"] = stats.uploaded_bytes;
  object["downloaded_bytes"] = stats.downloaded_bytes;
  object["available_bandwidth"] = stats.available_bandwidth;
  object["concurrent_links"] = stats.concurrent_links;
  return object;
}

json::object value_of(const PeerInfo& peer) {
  json::object object;
  object["peer_id"] = text(peer.peer_id);
  object["peer_addr"] = value_of(peer.address);
  if (!peer.certificate.empty()) object["certificate"] = base64(peer.certificate);
  return object;
}

json::object value_of(const SwarmResult& result) {
  json::object object;
  object["swarm_id"] = text(result.swarm_id);
  object["result"] = result.successful ? 0 : 1;
  if (result.peers) {
    json::object group;
    group["peer_info"] = list(*result.peers, value_of);
    object["peer_group"] = std::move(group);
  }
  if (!result.certificates.empty()) {
    json::array certificates;
    for (const Octets& octets : result.certificates) certificates.push_back(base64(octets));
    object["certificates"] = std::move(certificates);
  }
  return object;
}

json::object value_of(const Connect& connect) {
  json::object object;
  if (connect.peer_num) object["peer_num"] = value_of(*connect.peer_num);
  if (!connect.addresses.empty()) object["peer_addr"] = list(connect.addresses, value_of);
  object["swarm_action"] = list(connect.actions, value_of);
  return object;
}

json::object value_of(const Find& find) {
  json::object object;
  object["swarm_id"] = text(find.swarm_id);
  if (find.peer_num) object["peer_num"] = value_of(*find.peer_num);
  return object;
}

json::object value_of(const StatReport& report) {
  json::object object;
  object["type"] = "STREAM_STATS";
  if (!report.stats.empty()) object["stat"] = list(report.stats, value_of);
  return object;
}

std::string as_message(json::object body) {
  json::object root;
  root["PPSPTrackerProtocol"] = std::move(body);
  return json::serialize(root);
}

}  // namespace

std::string to_json(const Request& request) {
  json::object body;
  body["version"] = kVersion;
  const auto put_data = [&body](const char* type, const char* name, json::object data) {
    body["request_type"] = type;
    body[name] = std::move(data);
  };
  std::visit(overloaded{
                 [&](const Connect& c) { put_data("CONNECT", "connect", value_of(c)); },
                 [&](const Find& f) { put_data("FIND", "find", value_of(f)); },
                 [&](const StatReport& s) { put_data("STAT_REPORT", "stat_report", value_of(s)); },
             },
             request.data);
  body["transaction_id"] = text(request.transaction_id);
  body["peer_id"] = text(request.peer_id);
  return as_message(std::move(body));
}

std::string to_json(const Response& response) {
  json::object body;
  body["version"] = kVersion;
  body["response_type"] = response.error == ErrorCode::none ? 0 : 1;
  body["error_code"] = static_cast<int>(response.error);
  body["transaction_id"] = text(response.transaction_id);
  if (response.peer_address) body["peer_addr"] = value_of(*response.peer_address);
  if (!response.results.empty()) body["swarm_result"] = list(response.results, value_of);
  if (response.interval) body["interval"] = *response.interval;
  put(body, "message", response.message);
  return as_message(std::move(body));
}

}  // namespace ppspp::tracker
