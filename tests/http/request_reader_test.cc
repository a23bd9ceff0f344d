// Octets to requests, without a socket.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "http/request_reader.h"
#include "http/response_head.h"

namespace ppspp::http {
namespace {

using State = RequestReader::State;

State feed(RequestReader& reader, std::string_view text, std::size_t step = 1 << 20) {
  State state = State::more;
  while (!text.empty()) {
    const auto room = reader.prepare();
    REQUIRE(!room.empty());
    const std::size_t size = std::min({text.size(), room.size(), step});
    std::memcpy(room.data(), text.data(), size);
    reader.commit(size);
    text.remove_prefix(size);
    state = reader.parse();
    if (state == State::complete || state == State::refused) break;
  }
  return state;
}

int refused_with(std::string_view text, std::size_t max_body = 1000) {
  RequestReader whole(max_body);
  RequestReader pieces(max_body);
  const State state = feed(whole, text);
  CHECK(feed(pieces, text, 1) == state);
  if (state != State::refused) return 0;
  CHECK(pieces.refusal().status == whole.refusal().status);
  CHECK(!whole.refusal().reason.empty());
  return whole.refusal().status;
}

TEST_CASE("a request comes out as it was sent, in whatever pieces it arrives") {
  const std::string text =
      "\r\nPOST /v1/swarms?limit=3 HTTP/1.1\r\nHost: a\r\nX-Two:  b c \r\nContent-Length: 5\r\n\r\n"
      "hello";
  for (const std::size_t step : {1UL, 2UL, 7UL, 1000UL}) {
    RequestReader reader(100);
    REQUIRE(feed(reader, text, step) == State::complete);
    const Request request = reader.take();
    CHECK(request.method == "POST");
    CHECK(request.target == "/v1/swarms?limit=3");
    CHECK(request.path == "/v1/swarms");
    CHECK(request.query.size() == 1);
    CHECK(request.header("x-two") == "b c");
    CHECK(request.header("none").empty());
    CHECK(request.body == "hello");
    CHECK(reader.keep_alive());
    CHECK(!reader.begun());
  }
}

TEST_CASE("a chunked body is put together") {
  RequestReader reader(100);
  REQUIRE(feed(reader,
               "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
               "5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n",
               3) == State::complete);
  CHECK(reader.take().body == "hello!");
}

TEST_CASE("a trailer is no header, in whatever pieces it arrives") {
  const std::string head = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string trailer = "0\r\nHost: b\r\nRange: bytes=0-1\r\n\r\n";
  for (const std::size_t step : {1UL, 3UL, 1000UL}) {
    RequestReader reader(100);
    REQUIRE(feed(reader, head + "2\r\nhi\r\n" + trailer, step) == State::complete);
    const Request request = reader.take();
    CHECK(request.body == "hi");
    CHECK(request.headers.size() == 2);
    CHECK(request.header("host") == "a");
  }
  CHECK(refused_with("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: a\r\n\r\n") ==
        400);
}

TEST_CASE("requests that come together are taken one after the other") {
  RequestReader reader(100);
  const std::string one = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string two = "GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  REQUIRE(feed(reader, one + two) == State::complete);
  CHECK(reader.take().path == "/1");
  CHECK(reader.keep_alive());
  CHECK(reader.begun());
  REQUIRE(reader.parse() == State::complete);
  CHECK(reader.take().path == "/2");
  CHECK(!reader.keep_alive());
  CHECK(reader.parse() == State::more);
}

TEST_CASE("HTTP/1.0 closes unless it says otherwise") {
  RequestReader reader(100);
  REQUIRE(feed(reader, "GET / HTTP/1.0\r\n\r\n") == State::complete);
  reader.take();
  CHECK(reader.is_http_1_0());
  CHECK(!reader.keep_alive());
}

TEST_CASE("a client that expects 100 is told so once, and not when the body is there") {
  const std::string head =
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
  RequestReader reader(100);
  CHECK(feed(reader, head) == State::more_expected);
  CHECK(feed(reader, "a") == State::more);
  CHECK(feed(reader, "b") == State::complete);
  CHECK(reader.take().body == "ab");
  CHECK(feed(reader, head) == State::more_expected);
  RequestReader whole(100);
  CHECK(feed(whole, head + "ab") == State::complete);
}

TEST_CASE("requests that two servers could read differently are refused") {
  const std::string start = "POST / HTTP/1.1\r\nHost: a\r\n";
  CHECK(refused_with(start + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") ==
        400);
  CHECK(refused_with(start + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n") ==
        400);
  CHECK(refused_with(start + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!") == 400);
  CHECK(refused_with(start + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello") == 400);
  CHECK(refused_with(start + "Content-Length: 5, 5\r\n\r\nhello") == 400);
  CHECK(refused_with(start + "Content-Length: +5\r\n\r\nhello") == 400);
  CHECK(refused_with(start + "Content-Length: -1\r\n\r\nhello") == 400);
  CHECK(refused_with(start + "Content-Length: 0x5\r\n\r\nhello") == 400);
  CHECK(refused_with(start + "Content-Length: 99999999999999999999999\r\n\r\n") >= 400);
  CHECK(refused_with(start + "Content-Length : 5\r\n\r\nhello") == 400);
  CHECK(refused_with(start + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n") == 501);
  CHECK(refused_with(start + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n") >= 400);
  CHECK(refused_with(start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "0\r\n\r\n") >= 400);
  CHECK(refused_with("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == 400);
  CHECK(refused_with(start + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n") == 400);
  CHECK(refused_with(start + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n") >= 400);
  CHECK(refused_with(start + "Transfer-Encoding: chunked\r\n\r\n-1\r\n") == 400);
}

TEST_CASE("what is not HTTP/1.1 is refused") {
  CHECK(refused_with("GET / HTTP/1.1\r\n\r\n") == 400);
  CHECK(refused_with("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n") == 400);
  CHECK(refused_with("GET / HTTP/2.0\r\nHost: a\r\n\r\n") == 505);
  CHECK(refused_with("GET /\r\nHost: a\r\n\r\n") >= 400);
  CHECK(refused_with("GET  / HTTP/1.1\r\nHost: a\r\n\r\n") == 400);
  CHECK(refused_with("GET / HTTP/1.1\nHost: a\n\n\r\n\r\n") >= 400);
  CHECK(refused_with("G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n") == 400);
  CHECK(refused_with(std::string("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 33)) == 400);
  CHECK(refused_with("\x16\x03\x01\x02\r\n\r\n") == 400);
  CHECK(refused_with("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n") == 400);
  CHECK(refused_with("GET /../x HTTP/1.1\r\nHost: a\r\n\r\n") == 400);
  CHECK(refused_with(
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\na") == 417);
}

TEST_CASE("headers and bodies are bounded") {
  const std::string start = "POST / HTTP/1.1\r\nHost: a\r\n";
  CHECK(refused_with(start + "X: " + std::string(20'000, 'x')) == 431);
  CHECK(refused_with("GET /" + std::string(20'000, 'x')) == 431);
  std::string many = start;
  while (many.size() < 20'000) many += "A: b\r\n";
  CHECK(refused_with(many) == 431);
  CHECK(refused_with(start + "X: " + std::string(16'000, 'x') + "\r\nContent-Length: 1\r\n\r\na") ==
        0);
  CHECK(refused_with(start + "Content-Length: 11\r\n\r\n", 10) == 413);
  CHECK(refused_with(start + "Content-Length: 10\r\n\r\n0123456789", 10) == 0);
  CHECK(refused_with(start + "Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n12345\r\n",
                     10) == 413);
}

TEST_CASE("a response's head is what the headers say, in lines that nobody can add to") {
  const Headers headers = {{"Content-Type", "text/plain"}, {"X", "a\r\nSet-Cookie: b"}};
  const std::string head =
      response_head({.status = 206, .headers = headers, .keep_alive = true, .length = 12});
  CHECK(head.starts_with("HTTP/1.1 206 Partial Content\r\n"));
  CHECK(head.ends_with("\r\n\r\n"));
  CHECK(head.find("\r\nContent-Length: 12\r\n") != std::string::npos);
  CHECK(head.find("\r\nSet-Cookie") == std::string::npos);
  CHECK(head.find("Connection") == std::string::npos);
  CHECK(http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(chunk_head(255) == "ff\r\n");
  CHECK(last_chunk() == "0\r\n\r\n");
  CHECK(continue_response() == "HTTP/1.1 100 Continue\r\n\r\n");
}

}  // namespace
}  // namespace ppspp::http
