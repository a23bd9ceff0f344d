#include "event_stream.h"

#include <fmt/format.h>

#include <chrono>
#include <span>
#include <utility>

#include "control/json.h"

namespace ppspp::daemon {
namespace {

// So that both ends notice a connection that is gone.
constexpr auto kHeartbeat = std::chrono::seconds(15);

std::string text_of(const control::Event& event) {
  return fmt::format("event: {}\ndata: {}\n\n", event.type, control::to_json(event));
}

}  // namespace

EventStream::EventStream(boost::asio::io_context& io, std::shared_ptr<http::Exchange> exchange)
    : exchange_(std::move(exchange)), heartbeat_(io) {}

void EventStream::start(std::function<void()> gone) {
  gone_ = std::move(gone);
  exchange_->begin(200, {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}},
                   std::nullopt);
  exchange_->on_gone([self = weak_from_this()] {
    if (const auto stream = self.lock()) stream->close();
  });
  queue_.push_back(": connected\n\n");
  write_next();
  beat();
}

void EventStream::send(const control::Event& event) {
  if (closed_ || ending_) return;
  if (queue_.size() < kMostBehind) {
    queue_.push_back(text_of(event));
  } else {
    queue_.clear();
    queue_.push_back(text_of(
        {.type = "lagging", .message = "you are too slow: connect again, and list the swarms"}));
    ending_ = true;
  }
  write_next();
}

void EventStream::end() {
  ending_ = true;
  queue_.clear();
  if (!busy_) {
    exchange_->finish();
    close();
  }
}

void EventStream::write_next() {
  if (busy_ || closed_) return;
  if (queue_.empty()) {
    if (!ending_) return;
    exchange_->finish();
    return close();
  }
  busy_ = true;
  writing_.clear();
  // Several at once: a client that reads fast is not told one by one.
  while (!queue_.empty() && writing_.size() < (std::size_t{64} << 10)) {
    writing_ += queue_.front();
    queue_.pop_front();
  }
  exchange_->write(std::as_bytes(std::span(writing_)),
                   [self = shared_from_this()](bool ok) { self->written(ok); });
}

void EventStream::written(bool ok) {
  busy_ = false;
  if (closed_) return;
  if (!ok) return close();
  write_next();
}

void EventStream::beat() {
  heartbeat_.expires_after(kHeartbeat);
  heartbeat_.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
    const auto stream = self.lock();
    if (error || !stream || stream->closed_) return;
    if (stream->queue_.empty() && !stream->busy_) stream->queue_.push_back(": here\n\n");
    stream->write_next();
    stream->beat();
  });
}

void EventStream::close() {
  if (std::exchange(closed_, true)) return;
  heartbeat_.cancel();
  queue_.clear();
  if (const auto gone = std::exchange(gone_, nullptr)) gone();
}

}  // namespace ppspp::daemon
