// The body of an answer with octets of static content.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "gateway/gateway_state.h"

namespace ppspp::daemon {

// Text first, then content, either may be empty.
struct BodyPart {
  std::string text;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// Reads and writes by turns, at the pace of the client and of the download. begin() of the exchange
// was called. Content that cannot be had cuts the connection, so that the client notices.
class StaticBody final : public Activity {
 public:
  StaticBody(std::shared_ptr<GatewayState> state, ReaderSlot slot,
             std::shared_ptr<http::Exchange> exchange, Swarm swarm, std::deque<BodyPart> parts);
  void start();
  void stop() override;

 private:
  static constexpr std::size_t kBuffer = std::size_t{256} << 10;

  std::shared_ptr<StaticBody> self() {
    return std::static_pointer_cast<StaticBody>(shared_from_this());
  }
  void next_part();
  void read();
  void took(error_code error, std::size_t size);
  void wrote(std::size_t size);
  void pause_for(std::size_t size);

  ReaderSlot slot_;
  std::shared_ptr<http::Exchange> exchange_;
  Swarm swarm_;
  std::deque<BodyPart> parts_;
  std::string text_;
  std::shared_ptr<ContentReader> reader_;
  std::vector<std::byte> buffer_;
  std::uint64_t left_ = 0;  // octets of this part
  bool stopped_ = false;
  boost::asio::steady_timer pause_;
  std::chrono::steady_clock::time_point due_;  // when the next octets may be sent
};

}  // namespace ppspp::daemon
