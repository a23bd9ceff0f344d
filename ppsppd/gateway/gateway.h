// Content over HTTP, for players and browsers: what ppsppd(8) says under GATEWAY.
//
//   GET /                                the swarms that are served, for humans
//   GET /swarm/ID-OR-URL[/NAME]          static content with ranges; a live feed as a stream
//   GET /swarm/ID-OR-URL/a/b.m3u8        a file of a bundle
//
// Everything happens on the thread of the io_context. Each reader has a buffer, a window of the
// picker and one write under way; a client that goes, or another range, lets go of them at once.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/content_source.h"
#include "http/http_server.h"

namespace ppspp::daemon {

struct GatewayOptions {
  std::vector<std::string> cors;   // origins whose pages may read, or "*"
  std::vector<std::string> hosts;  // names that may be asked for, besides addresses (host_names.h)
  std::size_t max_readers = 200;   // at once; more are told to come back
  std::uint64_t read_ahead = std::uint64_t{8} << 20;
  // For content whose length and beginning are not here yet.
  std::chrono::seconds wait{30};
  std::optional<std::uint64_t> max_rate;  // octets per second, to one reader
};

struct GatewayState;

class Gateway {
 public:
  // `source` outlives the gateway.
  Gateway(boost::asio::io_context& io, ContentSource& source, GatewayOptions options);
  ~Gateway();  // what is being read is cut off

  // For the handler of an http::Server.
  void handle(std::shared_ptr<http::Exchange> exchange);
  // For requests from now on.
  void set_options(GatewayOptions options);

  std::size_t readers() const;
  std::uint64_t bytes_sent() const;  // of content, since the start

 private:
  std::shared_ptr<GatewayState> state_;
};

}  // namespace ppspp::daemon
