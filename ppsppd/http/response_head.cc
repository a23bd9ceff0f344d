#include "http/response_head.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffers_iterator.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/serializer.hpp>
#include <chrono>
#include <ctime>

namespace ppspp::http {
namespace {

namespace beast = boost::beast;
using Message = beast::http::response<beast::http::empty_body>;

template <typename Buffers>
std::string to_string(const Buffers& buffers) {
  return {boost::asio::buffers_begin(buffers), boost::asio::buffers_end(buffers)};
}

// A value comes from names of files and the like: it must not begin another line.
std::string one_line(std::string value) {
  std::replace_if(
      value.begin(), value.end(),
      [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F; }, ' ');
  return value;
}

std::int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::string response_head(const ResponseHead& head) {
  Message message;
  message.version(head.http_1_0 ? 10 : 11);
  message.result(static_cast<unsigned>(head.status));
  message.set(beast::http::field::date, http_date(unix_now()));
  for (const auto& [name, value] : head.headers) message.insert(name, one_line(value));
  if (head.length) message.content_length(*head.length);
  if (head.chunked) message.chunked(true);
  message.keep_alive(head.keep_alive);
  std::string octets;
  beast::http::response_serializer<beast::http::empty_body> serializer{message};
  serializer.split(true);
  beast::error_code error;
  while (!serializer.is_header_done() && !error) {
    serializer.next(error, [&](beast::error_code&, const auto& buffers) {
      octets += to_string(buffers);
      serializer.consume(boost::asio::buffer_size(buffers));
    });
  }
  return octets;
}

std::string chunk_head(std::size_t size) {
  return to_string(beast::http::chunk_header(size));
}
std::string_view chunk_tail() {
  return "\r\n";
}

std::string_view last_chunk() {
  static const std::string octets = to_string(beast::http::make_chunk_last());
  return octets;
}

std::string_view continue_response() {
  static const std::string octets = [] {
    Message message;
    message.version(11);
    message.result(beast::http::status::continue_);
    std::string text;
    beast::http::response_serializer<beast::http::empty_body> serializer{message};
    beast::error_code error;
    serializer.split(true);
    serializer.next(error,
                    [&](beast::error_code&, const auto& buffers) { text = to_string(buffers); });
    return text;
  }();
  return octets;
}

std::string http_date(std::int64_t unix_seconds) {
  const auto time = static_cast<std::time_t>(unix_seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", parts);
}

}  // namespace ppspp::http
