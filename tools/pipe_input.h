// A feed that is read as it comes: from a pipe, a socket or a device.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <vector>

#include "file_descriptor.h"
#include "live_input.h"

namespace ppspp::tools {

class PipeInput final : public LiveInput {
 public:
  // Fails for what one cannot wait for.
  static Result<std::unique_ptr<LiveInput>> open(boost::asio::io_context& io, FileDescriptor file,
                                                 std::string name);

  void start(Handlers handlers) override;
  void stop() override;

 private:
  PipeInput(boost::asio::posix::stream_descriptor pipe, std::string name);
  void wait();
  void read();

  boost::asio::posix::stream_descriptor pipe_;
  std::string name_;
  Handlers handlers_;
  std::vector<std::byte> buffer_;
  bool stopped_ = false;
};

}  // namespace ppspp::tools
