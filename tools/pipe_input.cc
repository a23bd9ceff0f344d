#include "pipe_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/error.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

namespace ppspp::tools {
namespace {

constexpr std::size_t kBufferSize = std::size_t{256} << 10;
constexpr int kPipeSize = 1 << 20;  // the most that a user may ask for by default

}  // namespace

Result<std::unique_ptr<LiveInput>> PipeInput::open(boost::asio::io_context& io, FileDescriptor file,
                                                   std::string name) {
  // The writer need not wait for us while we are busy. Says no for what is not a pipe.
  fcntl(file.get(), F_SETPIPE_SZ, kPipeSize);
  boost::asio::posix::stream_descriptor pipe(io);
  boost::system::error_code error;
  pipe.assign(file.get(), error);
  if (error) {
    return fail(
        Errc::not_supported,
        fmt::format("{} cannot be waited for ({}): pipe it through cat", name, error.message()));
  }
  static_cast<void>(file.release());  // now the pipe's
  return std::unique_ptr<LiveInput>(new PipeInput(std::move(pipe), std::move(name)));
}

PipeInput::PipeInput(boost::asio::posix::stream_descriptor pipe, std::string name)
    : pipe_(std::move(pipe)), name_(std::move(name)), buffer_(kBufferSize) {}

void PipeInput::start(Handlers handlers) {
  handlers_ = std::move(handlers);
  wait();
}

void PipeInput::stop() {
  stopped_ = true;
  pipe_.cancel();
}

// The descriptor may be shared with others, so it is not made non-blocking: it is read once
// whenever there is something to read.
void PipeInput::wait() {
  pipe_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                   [this, alive = alive()](const boost::system::error_code& error) {
                     if (alive.expired()) return;
                     // Some devices are always ready, and cannot be waited for.
                     const bool ready =
                         !error || error == boost::asio::error::operation_not_supported;
                     if (ready && !stopped_) read();
                   });
}

void PipeInput::read() {
  const ssize_t size = ::read(pipe_.native_handle(), buffer_.data(), buffer_.size());
  if (size > 0) {
    handlers_.on_data(std::span(buffer_).first(static_cast<std::size_t>(size)));
  } else if (size == 0) {
    stopped_ = true;
    return handlers_.on_end();
  } else if (errno != EAGAIN && errno != EINTR) {
    stopped_ = true;
    return handlers_.on_error(Error{Errc::io, fmt::format("cannot read {}: {}", name_,
                                                          std::generic_category().message(errno))});
  }
  if (!stopped_) wait();
}

}  // namespace ppspp::tools
