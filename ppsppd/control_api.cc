#include "control_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/json.h"
#include "event_stream.h"
#include "http/status.h"
#include "log_ring.h"
#include "metadata/text.h"

namespace ppspp::daemon {
namespace {

using Exchange = std::shared_ptr<http::Exchange>;
using http::Headers;

constexpr std::size_t kMostSubscribers = 64;

const Headers kJson = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}};

void answer(const Exchange& to, int status, std::string json) {
  to->respond(status, kJson, std::move(json));
}

void refuse(const Exchange& to, const Error& error) {
  answer(to, http::status_of(error.code), control::error_json(error));
}

void refuse_method(const Exchange& to, const std::string& allowed) {
  Headers headers = kJson;
  headers.emplace_back("Allow", allowed);
  const Error error{Errc::invalid_argument,
                    fmt::format("{} is not possible here: {} is", to->request().method, allowed)};
  to->respond(405, headers, control::error_json(error));
}

// Answers when it is done: with the value as JSON, or nothing for void.
template <typename T>
std::function<void(Result<T>)> answer_later(const Exchange& to,
                                            int status = std::is_void_v<T> ? 204 : 200) {
  return [to, status](const Result<T>& result) {
    if (!result) return refuse(to, result.error());
    if constexpr (std::is_void_v<T>) {
      to->respond(status, {}, "");
    } else {
      answer(to, status, control::to_json(*result));
    }
  };
}

template <typename T>
void answer_now(const Exchange& to, const Result<T>& result) {
  answer_later<T>(to)(result);
}

std::optional<std::string> parameter(const http::Request& request, std::string_view name) {
  for (const auto& [key, value] : request.query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

// Misspelt parameters are said, not ignored.
Result<void> check_parameters(const http::Request& request,
                              std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : request.query) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return fail(Errc::invalid_argument, fmt::format("there is no parameter '{}' here", key));
    }
  }
  return {};
}

Result<std::size_t> number_parameter(const http::Request& request, std::string_view name,
                                     std::size_t absent) {
  const auto text = parameter(request, name);
  if (!text) return absent;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error == std::errc{} && end == text->data() + text->size()) return number;
  return fail(Errc::invalid_argument, fmt::format("{}: '{}' is not a number", name, *text));
}

bool is_day(const std::string& text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  for (const std::size_t i : {0U, 1U, 2U, 3U, 5U, 6U, 8U, 9U}) {
    if (text[i] < '0' || text[i] > '9') return false;
  }
  return true;
}

Result<std::string> day_parameter(const http::Request& request, std::string_view name) {
  const std::string text = parameter(request, name).value_or("");
  if (text.empty() || is_day(text)) return text;
  return fail(Errc::invalid_argument,
              fmt::format("{}: '{}' is not a day: write it as 2026-11-21", name, text));
}

Result<control::AccountQuery> account_query(const http::Request& request) {
  control::AccountQuery query;
  if (const auto known = check_parameters(request, {"from", "to", "label", "after", "limit"});
      !known) {
    return tl::unexpected(known.error());
  }
  for (const auto& [name, day] : {std::pair("from", &query.from), std::pair("to", &query.to)}) {
    auto given = day_parameter(request, name);
    if (!given) return tl::unexpected(given.error());
    *day = *std::move(given);
  }
  query.label = parameter(request, "label");
  const auto limit = number_parameter(request, "limit", query.limit);
  if (!limit) return tl::unexpected(limit.error());
  query.limit = *limit;
  if (query.limit == 0 || query.limit > control::AccountQuery::kMost) {
    return fail(Errc::invalid_argument,
                fmt::format("limit: {} is not from 1 to {}", *limit, control::AccountQuery::kMost));
  }
  const std::string after = parameter(request, "after").value_or("");
  if (after.empty()) return query;
  query.after_day = after.substr(0, after.find('.'));
  const std::string_view digits = std::string_view(after).substr(query.after_day.size());
  const auto number = parse_decimal<std::uint64_t>(digits.substr(digits.empty() ? 0 : 1));
  if (!is_day(query.after_day) || !number || *number >> 63 != 0) {
    return fail(Errc::invalid_argument,
                fmt::format("after: '{}' is not the `next` of another page", after));
  }
  query.after_number = *number;
  return query;
}

// "/v1/swarms/12/pause" without "/v1": {"swarms", "12", "pause"}. A network may hold a slash, so
// that what follows "bans" is one.
std::vector<std::string> segments_of(const std::string& path) {
  std::vector<std::string> segments;
  std::size_t begin = 4;  // behind "/v1/"
  while (begin < path.size()) {
    const bool rest = segments.size() == 1 && segments[0] == "bans";
    const std::size_t end = rest ? path.size() : std::min(path.find('/', begin), path.size());
    segments.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return segments;
}

}  // namespace

class ControlApi::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::io_context& io, Service& service) : io_(io), service_(service) {}

  void handle(const Exchange& to);
  void end();

  std::function<void(Exchange)> other;
  std::size_t subscribers() const { return streams_.size(); }

 private:
  void root(const Exchange& to);
  void swarms(const Exchange& to);
  void swarm(const Exchange& to, const std::string& ref);
  void swarm_part(const Exchange& to, const std::string& ref, const std::string& part);
  void limits(const Exchange& to);
  void bans(const Exchange& to);
  void ban(const Exchange& to, const std::string& network);
  void accounts(const Exchange& to);
  void events(const Exchange& to);
  void log_lines(const Exchange& to);

  boost::asio::io_context& io_;
  Service& service_;
  std::vector<std::shared_ptr<EventStream>> streams_;
};

void ControlApi::Impl::handle(const Exchange& to) {
  const std::string& path = to->request().path;
  if (path == "/v1" || path == "/v1/") return root(to);
  if (!path.starts_with("/v1/")) {
    if (other) return other(to);
    return refuse(to, {Errc::not_found, "there is nothing here: the interface is below /v1"});
  }
  const std::vector<std::string> segments = segments_of(path);
  const std::string& first = segments[0];
  if (segments.size() == 1) {
    if (first == "swarms") return swarms(to);
    if (first == "limits") return limits(to);
    if (first == "bans") return bans(to);
    if (first == "accounts") return accounts(to);
    if (first == "events") return events(to);
    if (first == "log") return log_lines(to);
  } else if (first == "swarms" && segments.size() == 2) {
    return swarm(to, segments[1]);
  } else if (first == "swarms" && segments.size() == 3) {
    return swarm_part(to, segments[1], segments[2]);
  } else if (first == "bans") {
    return ban(to, segments[1]);
  }
  refuse(to, {Errc::not_found, fmt::format("there is nothing at {}", path)});
}

void ControlApi::Impl::root(const Exchange& to) {
  const std::string& method = to->request().method;
  if (method != "GET" && method != "HEAD") return refuse_method(to, "GET");
  answer(to, 200, control::to_json(service_.daemon_info()));
}

// --- Swarms

void ControlApi::Impl::swarms(const Exchange& to) {
  const http::Request& request = to->request();
  if (request.method == "GET" || request.method == "HEAD") {
    const auto query = control::swarm_query(request.query);
    if (!query) return refuse(to, query.error());
    return answer(to, 200, control::to_json(service_.list(*query)));
  }
  if (request.method != "POST") return refuse_method(to, "GET, POST");
  if (const auto known = check_parameters(request, {}); !known) return refuse(to, known.error());
  auto add = control::from_json<control::AddRequest>(request.body);
  if (!add) return refuse(to, add.error());
  service_.add(*std::move(add), [to](const Result<control::SwarmInfo>& added) {
    if (!added) return refuse(to, added.error());
    Headers headers = kJson;
    headers.emplace_back("Location", fmt::format("/v1/swarms/{}", added->number));
    to->respond(201, headers, control::to_json(*added));
  });
}

void ControlApi::Impl::swarm(const Exchange& to, const std::string& ref) {
  const http::Request& request = to->request();
  if (request.method == "GET" || request.method == "HEAD") {
    return answer_now(to, service_.info(ref));
  }
  if (request.method == "PATCH") {
    auto change = control::from_json<control::ChangeRequest>(request.body);
    if (!change) return refuse(to, change.error());
    return service_.change(ref, *std::move(change), answer_later<control::SwarmInfo>(to));
  }
  if (request.method != "DELETE") return refuse_method(to, "GET, PATCH, DELETE");
  const auto known = check_parameters(request, {"delete_content"});
  if (!known) return refuse(to, known.error());
  const std::string text = parameter(request, "delete_content").value_or("false");
  if (text != "true" && text != "false") {
    return refuse(to, {Errc::invalid_argument,
                       fmt::format("delete_content: '{}' is neither true nor false", text)});
  }
  service_.remove(ref, text == "true", answer_later<void>(to));
}

void ControlApi::Impl::swarm_part(const Exchange& to, const std::string& ref,
                                  const std::string& part) {
  const http::Request& request = to->request();
  const bool get = request.method == "GET" || request.method == "HEAD";
  const bool post = request.method == "POST";
  if (part == "pause" || part == "resume") {
    if (!post) return refuse_method(to, "POST");
    auto done = answer_later<control::SwarmInfo>(to);
    return part == "pause" ? service_.pause(ref, done) : service_.resume(ref, done);
  }
  if (part == "availability") {
    if (!get) return refuse_method(to, "GET");
    const auto known = check_parameters(request, {"buckets"});
    if (!known) return refuse(to, known.error());
    const auto buckets = number_parameter(request, "buckets", 256);
    if (!buckets) return refuse(to, buckets.error());
    return answer_now(to, service_.availability(ref, *buckets));
  }
  if (part != "peers") {
    return refuse(to, {Errc::not_found, fmt::format("a swarm has no '{}'", part)});
  }
  if (get) return answer_now(to, service_.peers(ref));
  if (!post) return refuse_method(to, "GET, POST");
  auto peer = control::from_json<control::PeerRequest>(request.body);
  if (!peer) return refuse(to, peer.error());
  service_.add_peer(ref, peer->address, answer_later<void>(to));
}

// --- The whole daemon

void ControlApi::Impl::limits(const Exchange& to) {
  const http::Request& request = to->request();
  if (request.method == "GET" || request.method == "HEAD") {
    return answer(to, 200, control::to_json(service_.limits()));
  }
  if (request.method != "PATCH") return refuse_method(to, "GET, PATCH");
  const auto change = control::from_json<control::LimitsChange>(request.body);
  if (!change) return refuse(to, change.error());
  service_.set_limits(*change, answer_later<control::GlobalLimits>(to));
}

void ControlApi::Impl::bans(const Exchange& to) {
  const http::Request& request = to->request();
  if (request.method == "GET" || request.method == "HEAD") {
    return answer(to, 200, control::to_json(service_.bans()));
  }
  if (request.method != "POST") return refuse_method(to, "GET, POST");
  auto ban = control::from_json<control::BanRequest>(request.body);
  if (!ban) return refuse(to, ban.error());
  service_.ban(*std::move(ban), answer_later<control::BanInfo>(to, 201));
}

void ControlApi::Impl::ban(const Exchange& to, const std::string& network) {
  if (to->request().method != "DELETE") return refuse_method(to, "DELETE");
  service_.unban(network, answer_later<void>(to));
}

void ControlApi::Impl::accounts(const Exchange& to) {
  const http::Request& request = to->request();
  if (request.method != "GET" && request.method != "HEAD") return refuse_method(to, "GET");
  auto query = account_query(request);
  if (!query) return refuse(to, query.error());
  service_.accounts(*std::move(query), answer_later<control::AccountPage>(to));
}

void ControlApi::Impl::log_lines(const Exchange& to) {
  const http::Request& request = to->request();
  if (request.method != "GET" && request.method != "HEAD") return refuse_method(to, "GET");
  const auto known = check_parameters(request, {"lines"});
  if (!known) return refuse(to, known.error());
  const auto lines = number_parameter(request, "lines", 100);
  if (!lines) return refuse(to, lines.error());
  std::vector<control::LogEntry> entries;
  for (LogLine& line : log_ring().last(*lines)) {
    entries.push_back({line.at, std::string(to_string(line.level)), std::move(line.message)});
  }
  answer(to, 200, control::to_json(entries));
}

void ControlApi::Impl::events(const Exchange& to) {
  const http::Request& request = to->request();
  if (request.method != "GET") return refuse_method(to, "GET");
  if (const auto known = check_parameters(request, {}); !known) return refuse(to, known.error());
  if (streams_.size() >= kMostSubscribers) {
    return refuse(to, {Errc::left, fmt::format("{} already watch the events: try again later",
                                               streams_.size())});
  }
  auto stream = std::make_shared<EventStream>(io_, to);
  const unsigned subscription =
      service_.subscribe([weak = std::weak_ptr(stream)](const control::Event& event) {
        if (const auto watched = weak.lock()) watched->send(event);
      });
  streams_.push_back(stream);
  stream->start([weak = weak_from_this(), subscription, raw = stream.get()] {
    const auto self = weak.lock();
    if (!self) return;
    self->service_.unsubscribe(subscription);
    std::erase_if(self->streams_, [raw](const auto& one) { return one.get() == raw; });
  });
}

void ControlApi::Impl::end() {
  other = nullptr;
  for (const auto& stream : std::exchange(streams_, {})) stream->end();
}

Result<void> listen_control(http::Server& server, const Config::Control& control) {
  const auto opened = server.listen_unix(control.socket, control.mode, control.group);
  if (opened || control.group.empty()) return opened;
  const Error error = opened.error();
  const auto again = server.listen_unix(control.socket, control.mode, "");
  if (!again) return again;
  log(LogLevel::warning,
      "{}: the control socket belongs to the group of the process instead, so that only its "
      "members can use it: make the group ('groupadd --system {}'), or name another one as group "
      "in [control]",
      error.context, control.group);
  return {};
}

ControlApi::ControlApi(boost::asio::io_context& io, Service& service)
    : impl_(std::make_shared<Impl>(io, service)) {}

ControlApi::~ControlApi() {
  impl_->end();
}

void ControlApi::handle(Exchange exchange) {
  impl_->handle(exchange);
}

void ControlApi::set_other(std::function<void(Exchange)> other) {
  impl_->other = std::move(other);
}

std::size_t ControlApi::subscribers() const {
  return impl_->subscribers();
}

}  // namespace ppspp::daemon
