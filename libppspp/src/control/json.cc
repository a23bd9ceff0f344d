#include "control/json.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>
#include <limits>
#include <utility>

#include "control/check.h"
#include "control/members.h"
#include "control/names.h"
#include "json/parse.h"
#include "metadata/text.h"

namespace ppspp::control {

// The body of an error.
struct ErrorBody {
  std::string code;
  std::string message;
};
struct ErrorReply {
  ErrorBody error;
};

template <typename Visit, Is<ErrorBody> T>
void members(Visit& visit, T& body) {
  visit.must("code", body.code);
  visit.must("message", body.message);
}

template <typename Visit, Is<ErrorReply> T>
void members(Visit& visit, T& reply) {
  visit.must("error", reply.error);
}

namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 8;  // twice what there is
constexpr std::size_t kMaxElements = 1'000'000;

template <typename T>
constexpr bool is_request = false;
template <>
constexpr bool is_request<AddRequest> = true;
template <>
constexpr bool is_request<ChangeRequest> = true;
template <>
constexpr bool is_request<BanRequest> = true;
template <>
constexpr bool is_request<PeerRequest> = true;
template <>
constexpr bool is_request<Limits> = true;
template <>
constexpr bool is_request<LimitsChange> = true;

// --- Writing

// Paths and names of the system are octets: what is no UTF-8 becomes U+FFFD.
std::string to_utf8(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  std::string clean;
  while (!text.empty()) {
    std::size_t size = 1;
    while (size <= 4 && size <= text.size() && !is_utf8(text.substr(0, size))) ++size;
    const bool valid = size <= 4 && size <= text.size();
    clean += valid ? text.substr(0, size) : "\xef\xbf\xbd";
    text.remove_prefix(valid ? size : 1);
  }
  return clean;
}

json::value write(const std::string& text) {
  return json::value(to_utf8(text));
}

json::value write(bool value) {
  return json::value(value);
}

json::value write(double value) {
  return json::value(std::isfinite(value) ? value : 0.0);
}

template <std::integral T>
json::value write(T value) {
  return json::value(value);
}

template <typename T>
requires std::is_enum_v<T> json::value write(T value) {
  return json::value(to_string(value));
}

template <typename T>
json::value write(const std::vector<T>& list);

struct Writer {
  json::object object;

  template <typename T>
  void must(const char* name, const T& member);
  template <typename T>
  void may(const char* name, const T& member) {
    must(name, member);
  }
  template <typename T>
  void may(const char* name, const std::optional<T>& member) {
    if (member) must(name, *member);
  }
  template <typename T>
  void may(const char* name, const std::optional<std::optional<T>>& member) {
    if (member && *member) must(name, **member);
    if (member && !*member) object[name] = nullptr;
  }
};

template <typename T>
requires std::is_class_v<T> json::value write(const T& value) {
  Writer writer;
  members(writer, value);
  return std::move(writer.object);
}

template <typename T>
json::value write(const std::vector<T>& list) {
  json::array array;
  array.reserve(list.size());
  for (const T& element : list) array.push_back(write(element));
  return array;
}

template <typename T>
void Writer::must(const char* name, const T& member) {
  object[name] = write(member);
}

template <typename T>
std::string text_of(const T& value) {
  Writer writer;
  members(writer, value);
  return json::serialize(writer.object);
}

// --- Reading

// Where in the document: made into text only for an error.
struct Place {
  const Place* outer = nullptr;
  std::string_view name = {};
  std::size_t index = 0;  // where there is no name
  // Of the document: what a newer daemon says besides is left alone, what it is asked is not.
  bool tolerant = false;

  bool tolerates() const { return outer == nullptr ? tolerant : outer->tolerates(); }
  std::string text() const {
    if (outer == nullptr) return "";
    const std::string before = outer->text();
    if (name.empty()) return fmt::format("{}[{}]", before, index);
    return before.empty() ? std::string(name) : fmt::format("{}.{}", before, name);
  }
};

Unexpected wrong(const Place& place, std::string_view what) {
  const std::string where = place.text();
  return fail(Errc::invalid_argument,
              where.empty() ? std::string(what) : fmt::format("{}: {}", where, what));
}

Result<void> read(const json::value& value, const Place& place, std::string& text) {
  const json::string* const string = value.if_string();
  if (string == nullptr) return wrong(place, "it must be a string");
  text.assign(string->data(), string->size());
  return {};
}

Result<void> read(const json::value& value, const Place& place, bool& flag) {
  if (!value.is_bool()) return wrong(place, "it must be true or false");
  flag = value.get_bool();
  return {};
}

Result<void> read(const json::value& value, const Place& place, double& number) {
  json::error_code error;
  const auto read = value.to_number<double>(error);
  if (!value.is_number() || error || !std::isfinite(read)) {
    return wrong(place, "it must be a number");
  }
  number = read;
  return {};
}

template <std::integral T>
Result<void> read(const json::value& value, const Place& place, T& number) {
  using Limit = std::numeric_limits<T>;
  const bool fits = (value.is_int64() && std::in_range<T>(value.get_int64())) ||
                    (value.is_uint64() && std::in_range<T>(value.get_uint64()));
  if (!fits) {
    return wrong(
        place, fmt::format("it must be a whole number from {} to {}", Limit::min(), Limit::max()));
  }
  number =
      value.is_int64() ? static_cast<T>(value.get_int64()) : static_cast<T>(value.get_uint64());
  return {};
}

template <typename E>
Result<void> read_name(const json::value& value, const Place& place, E& target,
                       std::optional<E> (*parse)(std::string_view), const std::string& right) {
  const json::string* const name = value.if_string();
  const auto parsed = name == nullptr ? std::nullopt : parse({name->data(), name->size()});
  if (!parsed) return wrong(place, fmt::format("it must be {}", right));
  target = *parsed;
  return {};
}

Result<void> read(const json::value& value, const Place& place, SwarmKind& kind) {
  return read_name(value, place, kind, parse_swarm_kind, swarm_kind_names());
}

Result<void> read(const json::value& value, const Place& place, SwarmState& state) {
  return read_name(value, place, state, parse_swarm_state, swarm_state_names());
}

template <typename T>
Result<void> read(const json::value& value, const Place& place, std::optional<T>& member) {
  return read(value, place, member.emplace());
}

// Null has a meaning here: no limit.
Result<void> read(const json::value& value, const Place& place, LimitsChange::Change& change) {
  change.emplace();
  return value.is_null() ? Result<void>() : read(value, place, change->emplace());
}

template <typename T>
Result<void> read(const json::value& value, const Place& place, std::vector<T>& list);

class Reader {
 public:
  Reader(const json::object& object, const Place& place) : object_(object), place_(place) {}

  template <typename T>
  void must(std::string_view name, T& member) {
    if (take(name, member) || !result_) return;
    result_ = wrong(Place{&place_, name}, "it is missing");
  }

  template <typename T>
  void may(std::string_view name, T& member) {
    take(name, member);
  }

  Result<void> result() const {
    if (!result_ || names_.size() == object_.size() || place_.tolerates()) return result_;
    for (const auto& [key, value] : object_) {
      const std::string_view name(key.data(), key.size());
      if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
        return wrong(place_, fmt::format("unknown member {}", quoted(name)));
      }
    }
    return result_;
  }

 private:
  template <typename T>
  bool take(std::string_view name, T& member);

  const json::object& object_;
  const Place& place_;
  std::vector<std::string_view> names_;  // that were found
  Result<void> result_;
};

template <typename T>
requires std::is_class_v<T> Result<void> read(const json::value& value, const Place& place,
                                              T& target) {
  const json::object* const object = value.if_object();
  if (object == nullptr) return wrong(place, "it must be an object");
  Reader reader(*object, place);
  members(reader, target);
  return reader.result();
}

template <typename T>
Result<void> read(const json::value& value, const Place& place, std::vector<T>& list) {
  const json::array* const array = value.if_array();
  if (array == nullptr) return wrong(place, "it must be a list");
  if (array->size() > kMaxElements) return wrong(place, "it is too long");
  list.reserve(array->size());
  for (const json::value& element : *array) {
    const Place inner{&place, {}, list.size()};
    if (auto done = read(element, inner, list.emplace_back()); !done) return done;
  }
  return {};
}

template <typename T>
bool Reader::take(std::string_view name, T& member) {
  const json::value* const value = object_.if_contains(name);
  if (value == nullptr) return false;
  names_.push_back(name);
  if (result_) result_ = read(*value, Place{&place_, name}, member);
  return true;
}

template <typename T>
Result<T> value_of(std::string_view text, std::size_t longest) {
  const auto document = parse_json(text, {.longest = longest, .depth = kMaxDepth});
  if (!document) return tl::unexpected(document.error());
  if (!document->is_object()) return fail(Errc::invalid_argument, "it must be a JSON object");
  T value;
  const Place top{.tolerant = !is_request<T>};
  Reader reader(document->get_object(), top);
  members(reader, value);
  if (auto done = reader.result(); !done) return tl::unexpected(done.error());
  return value;
}

}  // namespace

#define PPSPP_CONTROL_TYPE(...)                          \
  std::string to_json(const __VA_ARGS__& value) {        \
    return text_of(value);                               \
  }                                                      \
  template <>                                            \
  Result<__VA_ARGS__> from_json(std::string_view text) { \
    return read_checked<__VA_ARGS__>(text);              \
  }

namespace {

template <typename T>
Result<T> read_checked(std::string_view text) {
  auto value = value_of<T>(text, is_request<T> ? kMaxRequestSize : kMaxReplySize);
  if (!value) return value;
  if (auto checked = check(*value); !checked) return tl::unexpected(checked.error());
  return value;
}

}  // namespace

PPSPP_CONTROL_TYPE(AddRequest)
PPSPP_CONTROL_TYPE(ChangeRequest)
PPSPP_CONTROL_TYPE(BanRequest)
PPSPP_CONTROL_TYPE(PeerRequest)
PPSPP_CONTROL_TYPE(Limits)
PPSPP_CONTROL_TYPE(LimitsChange)
PPSPP_CONTROL_TYPE(SwarmInfo)
PPSPP_CONTROL_TYPE(SwarmPage)
PPSPP_CONTROL_TYPE(std::vector<PeerInfo>)
PPSPP_CONTROL_TYPE(Availability)
PPSPP_CONTROL_TYPE(GlobalLimits)
PPSPP_CONTROL_TYPE(std::vector<BanInfo>)
PPSPP_CONTROL_TYPE(BanInfo)
PPSPP_CONTROL_TYPE(AccountPage)
PPSPP_CONTROL_TYPE(std::vector<LogEntry>)
PPSPP_CONTROL_TYPE(DaemonInfo)
PPSPP_CONTROL_TYPE(Event)

#undef PPSPP_CONTROL_TYPE

GlobalLimits apply(GlobalLimits limits, const LimitsChange& change) {
  const auto set = [](std::optional<std::uint64_t>& limit, const LimitsChange::Change& wanted) {
    if (wanted) limit = *wanted;
  };
  set(limits.upload, change.upload);
  set(limits.download, change.download);
  set(limits.upload_per_peer, change.upload_per_peer);
  set(limits.download_per_peer, change.download_per_peer);
  return limits;
}

std::string error_json(const Error& error) {
  return text_of(ErrorReply{{std::string(to_string(error.code)), error.context}});
}

Result<Error> error_from_json(std::string_view text) {
  auto reply = value_of<ErrorReply>(text, kMaxRequestSize);
  if (!reply) return tl::unexpected(reply.error());
  const auto code = parse_errc(reply->error.code);
  if (!code) {
    return fail(Errc::invalid_argument, fmt::format("error.code: {} is not the name of an error",
                                                    quoted(reply->error.code)));
  }
  return Error{*code, std::move(reply->error.message)};
}

}  // namespace ppspp::control
