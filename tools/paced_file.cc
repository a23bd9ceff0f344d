#include "paced_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace ppspp::tools {
namespace {

constexpr auto kTick = std::chrono::milliseconds(20);
// After a longer sleep (of the computer, say) the feed goes on from there instead of catching up.
constexpr auto kMostBehind = std::chrono::seconds(1);
// The event loop has a turn after so much.
constexpr std::size_t kBufferSize = std::size_t{256} << 10;

}  // namespace

PacedFile::PacedFile(boost::asio::io_context& io, FileDescriptor file, std::string name,
                     std::uint64_t pace)
    : timer_(io),
      file_(std::move(file)),
      name_(std::move(name)),
      pace_(static_cast<double>(pace)),
      buffer_(kBufferSize) {}

void PacedFile::start(Handlers handlers) {
  handlers_ = std::move(handlers);
  start_ = Clock::now();
  next_tick_ = start_;
  tick();
}

void PacedFile::stop() {
  stopped_ = true;
  timer_.cancel();
}

// Ticks stand at fixed distances from the start, and each brings the file to where it should be by
// the clock: no delay adds up.
void PacedFile::tick() {
  next_tick_ += kTick;
  timer_.expires_at(next_tick_);
  timer_.async_wait([this, alive = alive()](const boost::system::error_code& error) {
    if (error || alive.expired() || stopped_) return;
    const auto now = Clock::now();
    const std::uint64_t size = due(now);
    if (size > 0 && !read(std::min<std::uint64_t>(size, buffer_.size()))) return;
    const bool behind = size > buffer_.size();
    next_tick_ = behind ? now - kTick : std::max(next_tick_, now - kTick);
    if (!stopped_) tick();
  });
}

std::uint64_t PacedFile::due(Clock::time_point now) {
  const auto passed = std::chrono::duration<double>(now - start_).count();
  const auto target = static_cast<std::uint64_t>(passed * pace_);
  const std::uint64_t most =
      static_cast<std::uint64_t>(pace_ * std::chrono::duration<double>(kMostBehind).count() + 1);
  const std::uint64_t size = target - std::min(target, done_);
  if (size > most) {
    done_ = target - most;
    return most;
  }
  return size;
}

// False: the file has ended, or cannot be read.
bool PacedFile::read(std::uint64_t size) {
  const ssize_t got = ::read(file_.get(), buffer_.data(), size);
  if (got > 0) {
    done_ += static_cast<std::uint64_t>(got);
    handlers_.on_data(std::span(buffer_).first(static_cast<std::size_t>(got)));
    return true;
  }
  if (got < 0 && errno == EINTR) return true;
  stopped_ = true;
  if (got == 0) {
    handlers_.on_end();
  } else {
    handlers_.on_error(Error{Errc::io, fmt::format("cannot read {}: {}", name_,
                                                   std::generic_category().message(errno))});
  }
  return false;
}

}  // namespace ppspp::tools
