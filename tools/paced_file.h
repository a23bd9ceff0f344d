// A file as a live feed: read at a steady rate, whatever the system is busy with.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <vector>

#include "file_descriptor.h"
#include "live_input.h"

namespace ppspp::tools {

class PacedFile final : public LiveInput {
 public:
  // `pace` in octets per second.
  PacedFile(boost::asio::io_context& io, FileDescriptor file, std::string name, std::uint64_t pace);

  void start(Handlers handlers) override;
  void stop() override;

 private:
  using Clock = std::chrono::steady_clock;

  void tick();
  std::uint64_t due(Clock::time_point now);
  bool read(std::uint64_t size);

  boost::asio::steady_timer timer_;
  FileDescriptor file_;
  std::string name_;
  double pace_;
  Handlers handlers_;
  std::vector<std::byte> buffer_;
  Clock::time_point start_;
  Clock::time_point next_tick_;
  std::uint64_t done_ = 0;  // octets read since start_
  bool stopped_ = false;
};

}  // namespace ppspp::tools
