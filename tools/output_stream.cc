#include "output_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

namespace ppspp::tools {
namespace {

constexpr int kPipeSize = 1 << 20;  // the most that a user may ask for by default

bool is_pipe(int fd) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) return false;
  return S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode);
}

boost::system::error_code last_error() {
  return {errno, boost::system::system_category()};
}

}  // namespace

OutputStream::OutputStream(boost::asio::io_context& io, int fd) : io_(io), fd_(fd) {
  if (!is_pipe(fd)) return;
  flags_ = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, flags_ | O_NONBLOCK);
  fcntl(fd, F_SETPIPE_SZ, kPipeSize);
  pipe_.emplace(io, fd);
}

OutputStream::~OutputStream() {
  *alive_ = false;
  if (!pipe_) return;
  pipe_->release();
  fcntl(fd_, F_SETFL, flags_);
}

void OutputStream::write(std::span<const std::byte> bytes, Done done) {
  write_some(bytes, std::move(done));
}

void OutputStream::write_some(std::span<const std::byte> bytes, Done done) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(fd_, bytes.data(), bytes.size());
    if (size >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(size));
    } else if (errno == EAGAIN && pipe_) {
      pipe_->async_wait(boost::asio::posix::descriptor_base::wait_write,
                        [this, bytes, done = std::move(done),
                         alive = alive_](const boost::system::error_code& error) {
                          if (*alive && !error) write_some(bytes, done);
                        });
      return;
    } else if (errno != EINTR) {
      boost::asio::post(io_, [done = std::move(done), error = last_error()] { done(error); });
      return;
    }
  }
  boost::asio::post(io_, [done = std::move(done)] { done({}); });
}

void OutputStream::watch(std::function<void()> closed) {
  if (!pipe_) return;
  closed_ = std::move(closed);
  watch_again();
}

void OutputStream::watch_again() {
  pipe_->async_wait(boost::asio::posix::descriptor_base::wait_error,
                    [this, alive = alive_](const boost::system::error_code& error) {
                      if (!*alive || error) return;
                      pollfd state{fd_, 0, 0};
                      if (poll(&state, 1, 0) > 0 && (state.revents & (POLLERR | POLLHUP)) != 0) {
                        const auto closed = closed_;  // which may destroy us
                        closed();
                      } else {
                        watch_again();
                      }
                    });
}

void OutputStream::cancel() {
  if (pipe_) pipe_->cancel();
}

}  // namespace ppspp::tools
