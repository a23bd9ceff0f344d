#include "http/request_reader.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <utility>

#include "http/target.h"

namespace ppspp::http {
namespace {

namespace beast = boost::beast;
using Parser = beast::http::request_parser<beast::http::string_body>;
using Message = Parser::value_type;
using beast::http::error;
using beast::http::field;

constexpr unsigned kHttp10 = 10;
constexpr unsigned kHttp11 = 11;

std::string lower_case(beast::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

RequestReader::Refusal refusal_for(beast::error_code what) {
  if (what == error::header_limit) {
    return {431, "The header of the request is too large."};
  }
  if (what == error::body_limit) return {413, "The body of the request is too large."};
  if (what == error::bad_version) return {505, "This server speaks HTTP/1.1."};
  return {400, "This is not a request of HTTP/1.1."};
}

// What the parser lets pass, and a server must not (RFC 9112, 3.2, 6.1 and 6.3).
std::optional<RequestReader::Refusal> check_header(const Message& message) {
  using Refusal = RequestReader::Refusal;
  const auto version = message.version();
  if (version != kHttp10 && version != kHttp11) return Refusal{505, "This server speaks HTTP/1.1."};
  const auto hosts = message.count(field::host);
  if (hosts > 1 || (hosts == 0 && version == kHttp11)) {
    return Refusal{400, "A request names one Host."};
  }
  if (message.count(field::transfer_encoding) > 0) {
    if (version == kHttp10 || message.count(field::content_length) > 0) {
      return Refusal{400, "Transfer-Encoding does not belong into this request."};
    }
    if (message.count(field::transfer_encoding) > 1 ||
        !beast::iequals(message[field::transfer_encoding], "chunked")) {
      return Refusal{501, "The only Transfer-Encoding known here is chunked."};
    }
  }
  const auto length = message[field::content_length];
  if (message.count(field::content_length) > 1 ||
      length.find_first_not_of("0123456789") != beast::string_view::npos) {
    return Refusal{400, "A request has one Content-Length."};
  }
  if (message.count(field::expect) > 0 && version == kHttp11 &&
      !beast::iequals(message[field::expect], "100-continue")) {
    return Refusal{417, "The only expectation known here is 100-continue."};
  }
  return std::nullopt;
}

}  // namespace

struct RequestReader::Impl {
  explicit Impl(std::size_t max_body_octets) : max_body(max_body_octets) { begin_request(); }

  void begin_request() {
    parser.emplace();
    parser->header_limit(kMaxHeader);
    parser->body_limit(max_body);
    parser->eager(false);  // not beyond the header, before that was looked at
    headers.clear();
    header_seen = false;
    header_octets = 0;
  }

  // A client may have sent an empty line before its request (RFC 9112, 2.2).
  void skip_empty_lines() {
    if (parser->got_some()) return;
    for (;;) {
      const auto data = buffer.data();
      const std::string_view text(static_cast<const char*>(data.data()), data.size());
      if (!text.starts_with("\r\n")) return;
      buffer.consume(2);
    }
  }

  bool is_half_an_empty_line() const {
    const auto data = buffer.data();
    return !parser->got_some() && data.size() == 1 &&
           *static_cast<const char*>(data.data()) == '\r';
  }

  // What the parser may see at once. Its own limit is for a line, not for all of them.
  std::size_t room() const {
    return parser->is_header_done() ? buffer.max_size() : kMaxHeader - header_octets;
  }

  State refuse(Refusal why) {
    refused = std::move(why);
    return State::refused;
  }

  State parse_some() {
    skip_empty_lines();
    if (is_half_an_empty_line()) return State::more;
    while (buffer.size() > 0 && !parser->is_done()) {
      beast::error_code what;
      const std::size_t used = parser->put(boost::asio::buffer(buffer.data(), room()), what);
      buffer.consume(used);
      if (!parser->is_header_done()) {
        header_octets += used;
        const bool wants_more = !what || what == error::need_more;
        if (wants_more && buffer.size() >= room()) return refuse(refusal_for(error::header_limit));
      }
      if (parser->is_header_done() && !header_seen) {
        header_seen = true;
        parser->eager(true);
        keep_headers();
        http_1_0 = parser->get().version() == kHttp10;
        keep_alive = parser->get().keep_alive();
        if (auto why = check_header(parser->get())) return refuse(std::move(*why));
      }
      if (what == error::need_more) break;
      if (what) return refuse(refusal_for(what));
      if (used == 0) break;
    }
    if (parser->is_done()) return check_target();
    return header_seen && !expected && expects_continue() ? State::more_expected : State::more;
  }

  // The parser will add those of a trailer, which are for nobody here: what a request is, and what
  // is allowed, its header says (RFC 9110, 6.5.1).
  void keep_headers() {
    for (const auto& header : parser->get()) {
      headers.emplace_back(lower_case(header.name_string()), std::string(header.value()));
    }
  }

  bool expects_continue() {
    expected = true;
    return !http_1_0 && parser->get().count(field::expect) > 0;
  }

  State check_target() {
    const auto text = parser->get().target();
    target = parse_target(std::string_view(text.data(), text.size()));
    if (!target) return refuse({400, "This server does not serve such a target."});
    return State::complete;
  }

  Request take() {
    Message message = parser->release();
    Request request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    request.path = std::move(target->path);
    request.query = std::move(target->query);
    request.headers = std::move(headers);
    request.body = std::move(message.body());
    expected = false;
    begin_request();
    return request;
  }

  std::size_t max_body;
  beast::flat_buffer buffer{kMaxHeader};
  std::optional<Parser> parser;
  std::optional<Target> target;
  decltype(Request::headers) headers;
  bool header_seen = false;
  std::size_t header_octets = 0;
  bool expected = false;
  bool http_1_0 = false;
  bool keep_alive = false;
  Refusal refused;
};

RequestReader::RequestReader(std::size_t max_body) : impl_(std::make_unique<Impl>(max_body)) {}
RequestReader::~RequestReader() = default;

std::span<std::byte> RequestReader::prepare() {
  const std::size_t room = impl_->buffer.max_size() - impl_->buffer.size();
  if (room == 0) return {};
  const auto space = impl_->buffer.prepare(room);
  return {static_cast<std::byte*>(space.data()), space.size()};
}

void RequestReader::commit(std::size_t size) {
  impl_->buffer.commit(size);
}
RequestReader::State RequestReader::parse() {
  return impl_->parse_some();
}
bool RequestReader::begun() const {
  return impl_->buffer.size() > 0 || impl_->parser->got_some();
}
Request RequestReader::take() {
  return impl_->take();
}
bool RequestReader::keep_alive() const {
  return impl_->keep_alive;
}
bool RequestReader::is_http_1_0() const {
  return impl_->http_1_0;
}
const RequestReader::Refusal& RequestReader::refusal() const {
  return impl_->refused;
}

std::string_view Request::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

}  // namespace ppspp::http
