// Standard output as something that the event loop can write to, however slowly it is read.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>

namespace ppspp::tools {

class OutputStream {
 public:
  using Done = std::function<void(const boost::system::error_code&)>;

  // Pipes and sockets become non-blocking until we go; files and terminals are written to as they
  // are, since there is nothing to wait for or nobody to be kept waiting.
  OutputStream(boost::asio::io_context& io, int fd);
  ~OutputStream();
  OutputStream(const OutputStream&) = delete;
  OutputStream& operator=(const OutputStream&) = delete;

  // Writes all of `bytes`, which stay as they are until `done` is called. One write at a time.
  void write(std::span<const std::byte> bytes, Done done);
  // Calls `closed` when nobody reads any more, even if there is nothing to write.
  void watch(std::function<void()> closed);
  void cancel();

 private:
  void write_some(std::span<const std::byte> bytes, Done done);
  void watch_again();

  boost::asio::io_context& io_;
  int fd_;
  int flags_ = 0;  // as they were
  std::optional<boost::asio::posix::stream_descriptor> pipe_;
  std::function<void()> closed_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ppspp::tools
