// The answer with a live feed: from where it is played now, until it ends.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "gateway/gateway_state.h"
#include "tools/ts_aligner.h"

namespace ppspp::daemon {

// Begins the answer when there is something to be played; whole packets, if it is a transport
// stream.
class LiveBody final : public Activity {
 public:
  LiveBody(std::shared_ptr<GatewayState> state, ReaderSlot slot,
           std::shared_ptr<http::Exchange> exchange, Swarm swarm, std::string name);
  void start();
  void stop() override;

 private:
  static constexpr std::size_t kBuffer = std::size_t{64} << 10;

  std::shared_ptr<LiveBody> self() {
    return std::static_pointer_cast<LiveBody>(shared_from_this());
  }
  void begin(bool transport_stream);
  void read();
  void took(error_code error, std::size_t size);
  void ended();
  void write(bool last);
  void give_up();

  ReaderSlot slot_;
  std::shared_ptr<http::Exchange> exchange_;
  Swarm swarm_;
  std::string name_;
  std::shared_ptr<ContentReader> reader_;
  tools::TsAligner aligner_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kBuffer);
  std::vector<std::byte> out_;
  bool begun_ = false;
  bool stopped_ = false;
  boost::asio::steady_timer patience_;
};

}  // namespace ppspp::daemon
