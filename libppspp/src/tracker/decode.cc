#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>
#include <span>
#include <utility>

#include "json/base64.h"
#include "json/parse.h"
#include "metadata/text.h"
#include "tracker/codec.h"
#include "tracker/names.h"

namespace ppspp::tracker {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 16;  // a peer's address stands in the eighth level of a response
constexpr std::size_t kMaxHostSize = 64;
constexpr std::uint32_t kMaxInterval = 86'400;

std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

// The elements of an array, or the one that stands in its place, as in the RFC's examples.
std::span<const json::value> elements(const json::value& value) {
  if (const json::array* const array = value.if_array()) return {array->data(), array->size()};
  return {&value, 1};
}

// A whole number, or its decimal digits in a string, as in the RFC's examples.
std::optional<std::uint64_t> number_in(const json::value& value) {
  if (value.is_uint64()) return value.get_uint64();
  if (value.is_int64() && value.get_int64() >= 0) {
    return static_cast<std::uint64_t>(value.get_int64());
  }
  if (const json::string* const digits = value.if_string()) {
    return parse_decimal<std::uint64_t>(view(*digits));
  }
  return std::nullopt;
}

// Reads members of objects, and notes what is wrong first. What it gives afterwards counts for
// nothing: ask ok() at the end.
class Reader {
 public:
  bool ok() const { return problem_.empty(); }
  const std::string& problem() const { return problem_; }
  void wrong(std::string_view name, std::string_view what) {
    if (ok()) problem_ = fmt::format("{}: {}", name, what);
  }

  const json::value* must(const json::object& object, std::string_view name) {
    const json::value* const value = object.if_contains(name);
    if (value == nullptr) wrong(name, "it is missing");
    return value;
  }

  const json::object* object(const json::value* value, std::string_view name) {
    const json::object* const object = value == nullptr ? nullptr : value->if_object();
    if (value != nullptr && object == nullptr) wrong(name, "it must be an object");
    return object;
  }

  std::uint64_t number(const json::object& object, std::string_view name) {
    const json::value* const value = must(object, name);
    return value == nullptr ? 0 : number(*value, name);
  }

  std::optional<std::uint64_t> optional_number(const json::object& object, std::string_view name) {
    const json::value* const value = object.if_contains(name);
    return value == nullptr ? std::nullopt : std::optional(number(*value, name));
  }

  // Not empty.
  std::string text(const json::object& object, std::string_view name, std::size_t longest) {
    const json::value* const value = must(object, name);
    std::string read = value == nullptr ? "" : text(*value, name, longest);
    if (ok() && read.empty()) wrong(name, "it is empty");
    return read;
  }

  std::string optional_text(const json::object& object, std::string_view name,
                            std::size_t longest) {
    const json::value* const value = object.if_contains(name);
    return value == nullptr ? "" : text(*value, name, longest);
  }

  template <typename E>
  E name(const json::object& object, std::string_view name) {
    const auto value = named<E>(text(object, name, kMaxTextSize));
    if (!value) wrong(name, "it is none of the values that it may have");
    return value.value_or(E{});
  }

  // A value that is unknown is as good as none: it may be that of an extension.
  template <typename E>
  std::optional<E> optional_name(const json::object& object, std::string_view name) {
    return named<E>(optional_text(object, name, kMaxTextSize));
  }

  // base64 of DER.
  std::optional<Octets> octets(const json::value& value, std::string_view name) {
    const json::string* const digits = value.if_string();
    const auto read = digits == nullptr || digits->size() > 2 * kMaxCertificateSize
                          ? std::nullopt
                          : from_base64(view(*digits));
    if (!read || read->size() > kMaxCertificateSize) {
      wrong(name, "it must be base64 of a certificate's size");
      return std::nullopt;
    }
    Octets octets(read->size());
    if (!octets.empty()) std::memcpy(octets.data(), read->data(), octets.size());
    return octets;
  }

 private:
  std::uint64_t number(const json::value& value, std::string_view name) {
    const auto number = number_in(value);
    if (!number) wrong(name, "it must be a whole number");
    return number.value_or(0);
  }

  std::string text(const json::value& value, std::string_view name, std::size_t longest) {
    const json::string* const string = value.if_string();
    if (string == nullptr) wrong(name, "it must be a string");
    if (string != nullptr && string->size() > longest) wrong(name, "it is too long");
    return ok() ? std::string(view(*string)) : "";
  }

  std::string problem_;
};

// --- Elements

PeerNum read_peer_num(Reader& in, const json::object& object) {
  return {
      .peer_count = static_cast<std::uint32_t>(
          std::min<std::uint64_t>(in.number(object, "peer_count"), kMaxPeerCount)),
      .ability_nat = in.optional_name<NatAbility>(object, "ability_nat"),
      .concurrent_links = in.optional_number(object, "concurrent_links"),
      .online_time = in.optional_number(object, "online_time"),
      .upload_bandwidth = in.optional_number(object, "upload_bandwidth"),
  };
}

std::optional<PeerNum> read_optional_peer_num(Reader& in, const json::object& object) {
  const json::object* const wanted = in.object(object.if_contains("peer_num"), "peer_num");
  if (wanted == nullptr) return std::nullopt;
  return read_peer_num(in, *wanted);
}

// Of either version, whatever address_type calls it.
TransportAddress read_transport(Reader& in, const json::object& object) {
  const json::object* const ip = in.object(in.must(object, "ip_address"), "ip_address");
  if (ip == nullptr) return {};
  const std::string host = in.text(*ip, "address", kMaxHostSize);
  const std::uint64_t port = in.number(object, "port");
  if (in.ok() && (port == 0 || port > 65'535)) in.wrong("port", "it must be from 1 to 65535");
  if (!in.ok()) return {};
  const bool v6 = host.find(':') != std::string::npos;
  const auto address = TransportAddress::parse(v6 ? fmt::format("[{}]:{}", host, port)
                                                  : fmt::format("{}:{}", host, port));
  if (!address || address->scope_id() != 0) {
    in.wrong("address", "it must be an IPv4 or IPv6 address");
    return {};
  }
  return *address;
}

PeerAddress read_peer_address(Reader& in, const json::value& value) {
  const json::object* const object = in.object(&value, "peer_addr");
  if (object == nullptr) return {};
  return {
      .address = read_transport(in, *object),
      .priority = in.optional_number(*object, "priority").value_or(0),
      .type = in.optional_name<AddressType>(*object, "type"),
      .connection = in.optional_name<Connection>(*object, "connection"),
      .asn = in.optional_text(*object, "asn", kMaxTextSize),
      .peer_protocol = in.optional_text(*object, "peer_protocol", kMaxTextSize),
  };
}

SwarmAction read_swarm_action(Reader& in, const json::value& value) {
  const json::object* const object = in.object(&value, "swarm_action");
  if (object == nullptr) return {};
  SwarmAction action{.swarm_id = in.text(*object, "swarm_id", kMaxSwarmIdSize),
                     .action = in.name<Action>(*object, "action"),
                     .mode = in.name<PeerMode>(*object, "peer_mode")};
  if (const json::value* const request = object->if_contains("certificate_request")) {
    action.certificate_request = in.octets(*request, "certificate_request");
  }
  action.url_options = in.optional_text(*object, "url_options", kMaxTextSize);
  return action;
}

StreamStats read_stats(Reader& in, const json::value& value) {
  const json::object* const object = in.object(&value, "stat");
  if (object == nullptr) return {};
  return {
      .swarm_id = in.text(*object, "swarm_id", kMaxSwarmIdSize),
      .uploaded_bytes = in.number(*object, "uploaded_bytes"),
      .downloaded_bytes = in.number(*object, "downloaded_bytes"),
      .available_bandwidth = in.number(*object, "available_bandwidth"),
      .concurrent_links = in.number(*object, "concurrent_links"),
  };
}

// All elements, or one thing that is wrong.
template <typename T>
std::vector<T> read_list(Reader& in, const json::value* value, std::string_view name,
                         std::size_t most, T (*read)(Reader&, const json::value&)) {
  std::vector<T> list;
  if (value == nullptr) return list;
  const auto all = elements(*value);
  if (all.size() > most) in.wrong(name, "there are too many");
  for (const json::value& element : all) {
    if (!in.ok()) break;
    list.push_back(read(in, element));
  }
  return list;
}

// --- Requests

Connect read_connect(Reader& in, const json::object& body) {
  const json::object* const data = in.object(in.must(body, "connect"), "connect");
  if (data == nullptr) return {};
  Connect connect{
      .peer_num = read_optional_peer_num(in, *data),
      .addresses = read_list(in, data->if_contains("peer_addr"), "peer_addr", kMaxPeerAddresses,
                             read_peer_address),
      .actions = read_list(in, in.must(*data, "swarm_action"), "swarm_action", kMaxSwarmActions,
                           read_swarm_action),
  };
  if (in.ok() && connect.actions.empty()) in.wrong("swarm_action", "there is none");
  return connect;
}

// In the RFC's example swarm_id and peer_num stand in the message itself.
Find read_find(Reader& in, const json::object& body) {
  const json::value* const member = body.if_contains("find");
  const json::object* const data = member == nullptr ? &body : in.object(member, "find");
  if (data == nullptr) return {};
  return {.swarm_id = in.text(*data, "swarm_id", kMaxSwarmIdSize),
          .peer_num = read_optional_peer_num(in, *data)};
}

StatReport read_stat_report(Reader& in, const json::object& body) {
  const json::value* const member = body.if_contains("stat_report");
  if (member == nullptr) return {};  // a keep-alive
  const json::object* const data = in.object(member, "stat_report");
  if (data == nullptr) return {};
  // A type of property that is not known says nothing to us.
  if (in.optional_text(*data, "type", kMaxTextSize) != "STREAM_STATS") return {};
  const json::value* const lower = data->if_contains("stat");
  return {.stats = read_list(in, lower != nullptr ? lower : data->if_contains("Stat"), "stat",
                             kMaxStats, read_stats)};
}

Result<json::value> read_root(std::string_view text, std::size_t longest) {
  auto document = parse_json(text, {.longest = longest, .depth = kMaxDepth});
  if (!document) return document;
  const json::object* const root = document->if_object();
  const json::value* const body =
      root == nullptr ? nullptr : root->if_contains("PPSPTrackerProtocol");
  if (body == nullptr || !body->is_object()) {
    return fail(Errc::invalid_argument, "it has no object PPSPTrackerProtocol");
  }
  return *body;
}

void read_data(Reader& in, const json::object& body, Request& request) {
  const std::string type = in.text(body, "request_type", kMaxTextSize);
  if (type == "CONNECT") {
    request.data = read_connect(in, body);
  } else if (type == "FIND") {
    request.data = read_find(in, body);
  } else if (type == "STAT_REPORT") {
    request.data = read_stat_report(in, body);
  } else {
    in.wrong("request_type", "it must be CONNECT, FIND or STAT_REPORT");
  }
}

// --- Responses

Octets read_certificate(const json::value* value) {
  Reader in;
  return value == nullptr ? Octets() : in.octets(*value, "certificate").value_or(Octets());
}

// `peer_addr` may be an array: then the peer has several addresses.
void read_peer(const json::value& value, std::size_t most, std::vector<PeerInfo>& peers) {
  const json::object* const object = value.if_object();
  const json::value* const addresses =
      object == nullptr ? nullptr : object->if_contains("peer_addr");
  if (addresses == nullptr) return;
  Reader in;
  const std::string id = in.text(*object, "peer_id", kMaxIdSize);
  if (!in.ok()) return;
  for (const json::value& element :
       elements(*addresses).first(std::min(elements(*addresses).size(), kMaxPeerAddresses))) {
    Reader address_in;
    PeerAddress address = read_peer_address(address_in, element);
    if (!address_in.ok() || peers.size() >= most) continue;
    peers.push_back({id, std::move(address), read_certificate(object->if_contains("certificate"))});
  }
}

std::optional<std::vector<PeerInfo>> read_peers(const json::object& result, std::size_t most) {
  const json::value* const member = result.if_contains("peer_group");
  const json::object* const group = member == nullptr ? nullptr : member->if_object();
  if (group == nullptr) return std::nullopt;
  std::vector<PeerInfo> peers;
  if (const json::value* const list = group->if_contains("peer_info")) {
    const auto all = elements(*list);
    for (const json::value& peer : all.first(std::min(all.size(), kMaxPeers))) {
      read_peer(peer, most, peers);
    }
  }
  return peers;
}

std::optional<SwarmResult> read_result(const json::value& value, std::size_t most_peers) {
  const json::object* const object = value.if_object();
  if (object == nullptr) return std::nullopt;
  Reader in;
  SwarmResult result{.swarm_id = in.text(*object, "swarm_id", kMaxSwarmIdSize),
                     .successful = in.number(*object, "result") == 0};
  if (!in.ok()) return std::nullopt;
  result.peers = read_peers(*object, most_peers);
  if (const json::value* const list = object->if_contains("certificates")) {
    for (const json::value& element : elements(*list)) {
      if (result.certificates.size() == kMaxCertificates) break;
      Octets octets = read_certificate(&element);
      if (!octets.empty()) result.certificates.push_back(std::move(octets));
    }
  }
  return result;
}

std::vector<SwarmResult> read_results(const json::object& body) {
  std::vector<SwarmResult> results;
  const json::value* const list = body.if_contains("swarm_result");
  if (list == nullptr) return results;
  std::size_t peers_left = kMaxPeers;
  const auto all = elements(*list);
  for (const json::value& element : all.first(std::min(all.size(), kMaxSwarmActions))) {
    auto result = read_result(element, peers_left);
    if (!result) continue;
    if (result->peers) peers_left -= result->peers->size();
    results.push_back(std::move(*result));
  }
  return results;
}

// SUCCESSFUL must come without an error; what is FAILED for a reason that we do not know is the
// tracker's own error.
ErrorCode read_error(Reader& in, const json::object& body) {
  const std::uint64_t type = in.number(body, "response_type");
  const std::uint64_t code = in.optional_number(body, "error_code").value_or(0);
  if (type > 1) in.wrong("response_type", "it must be 0 or 1");
  if (type == 0 && code != 0) in.wrong("error_code", "it contradicts response_type");
  if (type == 0) return ErrorCode::none;
  return code >= 1 && code <= 6 ? static_cast<ErrorCode>(code) : ErrorCode::internal_error;
}

void read_extensions(const json::object& body, Response& response) {
  Reader in;
  const auto seconds = in.optional_number(body, "interval").value_or(0);
  if (seconds > 0) {
    response.interval = static_cast<std::uint32_t>(std::min<std::uint64_t>(seconds, kMaxInterval));
  }
  const json::value* const message = body.if_contains("message");
  if (message != nullptr && message->is_string()) {
    response.message = utf8_front(view(message->get_string()), kMaxTextSize);
  }
  if (const json::value* const address = body.if_contains("peer_addr")) {
    Reader address_in;
    PeerAddress own = read_peer_address(address_in, *address);
    if (address_in.ok()) response.peer_address = std::move(own);
  }
}

}  // namespace

Response to_response(const RequestError& error) {
  return {.transaction_id = error.transaction_id,
          .error = error.code,
          .message = std::string(utf8_front(error.reason, kMaxTextSize))};
}

tl::expected<Request, RequestError> read_request(std::string_view text) {
  const auto root = read_root(text, kMaxRequestSize);
  if (!root) return tl::unexpected(RequestError{.reason = root.error().context});
  const json::object& body = root->get_object();
  Reader in;
  Request request{.transaction_id = in.text(body, "transaction_id", kMaxIdSize)};
  const std::string transaction_id = request.transaction_id;
  const std::uint64_t version = in.number(body, "version");
  if (in.ok() && version != kVersion) {
    return tl::unexpected(
        RequestError{ErrorCode::unsupported_version, transaction_id, "version: it must be 1"});
  }
  request.peer_id = in.text(body, "peer_id", kMaxIdSize);
  if (in.ok()) read_data(in, body, request);
  if (!in.ok()) {
    return tl::unexpected(RequestError{ErrorCode::bad_request, transaction_id, in.problem()});
  }
  return request;
}

tl::expected<Response, std::string> read_response(std::string_view text) {
  const auto root = read_root(text, kMaxResponseSize);
  if (!root) return tl::unexpected(root.error().context);
  const json::object& body = root->get_object();
  Reader in;
  Response response;
  if (in.number(body, "version") != kVersion) in.wrong("version", "it must be 1");
  response.error = read_error(in, body);
  response.transaction_id = in.optional_text(body, "transaction_id", kMaxIdSize);
  if (!in.ok()) return tl::unexpected(in.problem());
  response.results = read_results(body);
  read_extensions(body, response);
  return response;
}

}  // namespace ppspp::tracker
