// Octets of a connection to requests, one after the other (RFC 9112). Nothing is read or written
// here: what arrives is committed, and complete requests are taken.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "http/http_server.h"

namespace ppspp::http {

class RequestReader {
 public:
  static constexpr std::size_t kMaxHeader = 16 * 1024;  // octets of request line and header fields

  explicit RequestReader(std::size_t max_body);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  enum class State {
    more,           // the request is not complete
    more_expected,  // nor will it be before the client has seen 100 (Continue); said once
    complete,       // take() it
    refused,        // refusal() is the answer, after which the connection is closed
  };

  // Where the next octets go, until anything else is called: kMaxHeader less those that wait to be
  // parsed.
  std::span<std::byte> prepare();
  void commit(std::size_t size);
  State parse();

  // Octets of a request that has not been taken are here.
  bool begun() const;
  // The request that is complete. parse() goes on with the one behind it.
  Request take();
  // Of the request that was taken last, or refused.
  bool keep_alive() const;
  bool is_http_1_0() const;

  struct Refusal {
    int status = 400;
    std::string reason;
  };
  const Refusal& refusal() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppspp::http
