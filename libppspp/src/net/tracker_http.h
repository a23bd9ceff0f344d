// Posts requests to one tracker over HTTP or HTTPS, one at a time, over a connection that is kept
// (RFC 7846, section 4). Redirects are not followed, nor cookies kept (6.5).
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "ppspp/result.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"
#include "tracker/client.h"
#include "tracker/url.h"

namespace ppspp {

// Whose certificates trackers must have; shared by all connections.
class TrackerTrust {
 public:
  // The system's authorities, and those in the PEM file `ca` if there is one.
  static Result<std::shared_ptr<TrackerTrust>> load(const std::filesystem::path& ca);
  ~TrackerTrust();

 private:
  friend class TrackerHttp;
  struct Context;
  explicit TrackerTrust(std::unique_ptr<Context> context);
  std::unique_ptr<Context> context_;
};

struct HttpFailure {
  tracker::Failure failure = tracker::Failure::unreachable;
  std::string problem;  // one line
};

class TrackerHttp {
 public:
  using Outcome = tl::expected<tracker::HttpReply, HttpFailure>;
  using Done = std::function<void(Outcome)>;

  // For looking up the name, connecting, and the whole exchange, however slowly it trickles.
  static constexpr Microseconds kTimeout{20'000'000};

  TrackerHttp(boost::asio::io_context& io, tracker::Url url, std::shared_ptr<TrackerTrust> trust,
              Microseconds timeout = kTimeout);
  ~TrackerHttp();  // what is under way is given up without a word
  TrackerHttp(const TrackerHttp&) = delete;
  TrackerHttp& operator=(const TrackerHttp&) = delete;

  // `done` is called in the io_context, not before this returns, and may destroy us.
  void post(std::string body, Done done);
  // The tracker's address in the last exchange.
  std::optional<TransportAddress> remote() const;

 private:
  class Exchange;
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace ppspp
