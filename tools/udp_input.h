// A feed in UDP datagrams, such as a transport stream from an encoder: the payloads in the order in
// which they come, whoever sends them.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <vector>

#include "file_descriptor.h"
#include "live_input.h"

namespace ppspp::tools {

class UdpInput final : public LiveInput {
 public:
  // Binds the address, and joins it if it is a group.
  static Result<std::unique_ptr<LiveInput>> open(boost::asio::io_context& io,
                                                 const InputName& name);

  void start(Handlers handlers) override;
  void stop() override;
  std::uint64_t datagrams_lost() const override { return lost_; }

 private:
  UdpInput(boost::asio::io_context& io, FileDescriptor socket, std::string name);
  void wait();
  void read();
  // Octets of one datagram, behind those that are in the buffer; absent: there is none.
  std::optional<std::size_t> receive(std::size_t used);
  void fail_with(int error);

  boost::asio::posix::stream_descriptor socket_;
  std::string name_;
  Handlers handlers_;
  std::vector<std::byte> buffer_;
  std::uint64_t lost_ = 0;
  bool stopped_ = false;
};

}  // namespace ppspp::tools
