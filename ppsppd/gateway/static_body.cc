#include "gateway/static_body.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <numeric>
#include <utility>

#include "base/log.h"

namespace ppspp::daemon {

namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t octets_of(const std::deque<BodyPart>& parts) {
  return std::accumulate(parts.begin(), parts.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const BodyPart& part) { return sum + part.length; });
}

}  // namespace

StaticBody::StaticBody(std::shared_ptr<GatewayState> shared, ReaderSlot slot,
                       std::shared_ptr<http::Exchange> exchange, Swarm swarm,
                       std::deque<BodyPart> parts)
    : Activity(std::move(shared)),
      slot_(std::move(slot)),
      exchange_(std::move(exchange)),
      swarm_(std::move(swarm)),
      parts_(std::move(parts)),
      pause_(state().io),
      due_(Clock::now()) {}

void StaticBody::start() {
  exchange_->on_gone([weak = weak_from_this()] {
    if (const auto body = weak.lock()) body->stop();
  });
  // What lies behind the last octet that was asked for is not wanted.
  const std::uint64_t wanted = octets_of(parts_);
  buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kBuffer, wanted)));
  for (const BodyPart& part : parts_) {
    if (part.length == 0) continue;
    reader_ = swarm_.open_reader(
        {.offset = part.offset, .read_ahead = std::min(state().options.read_ahead, wanted)});
    break;
  }
  next_part();
}

void StaticBody::stop() {
  if (std::exchange(stopped_, true)) return;
  reader_.reset();
  pause_.cancel();
  exchange_->abort();
}

void StaticBody::next_part() {
  if (parts_.empty()) {
    stopped_ = true;
    reader_.reset();
    return exchange_->finish();
  }
  BodyPart part = std::move(parts_.front());
  parts_.pop_front();
  left_ = part.length;
  text_ = std::move(part.text);
  if (left_ > 0 && reader_->position() != part.offset && !reader_->seek(part.offset)) return stop();
  if (text_.empty()) return read();
  exchange_->write(std::as_bytes(std::span(text_)), [self = self()](bool ok) {
    if (self->stopped_) return;
    ok ? self->read() : self->stop();
  });
}

void StaticBody::read() {
  if (left_ == 0) return next_part();
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, buffer_.size()));
  reader_->async_read_some(
      boost::asio::buffer(buffer_.data(), size),
      [self = self()](error_code error, std::size_t got) { self->took(error, got); });
}

void StaticBody::took(error_code error, std::size_t size) {
  if (stopped_) return;
  if (error || size == 0) {
    log(LogLevel::info, "gateway: {} is cut off, {} octets before its end: {}",
        exchange_->request().peer, left_, error ? error.message() : "no content");
    return stop();
  }
  left_ -= size;
  exchange_->write(std::span(buffer_).first(size), [self = self(), size](bool ok) {
    if (self->stopped_) return;
    ok ? self->wrote(size) : self->stop();
  });
}

void StaticBody::wrote(std::size_t size) {
  state().sent += size;
  if (!state().options.max_rate) return read();
  pause_for(size);
}

void StaticBody::pause_for(std::size_t size) {
  const double seconds = static_cast<double>(size) /
                         static_cast<double>(std::max<std::uint64_t>(1, *state().options.max_rate));
  due_ = std::max(due_, Clock::now()) +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  pause_.expires_at(due_);
  pause_.async_wait([self = self()](error_code) {
    if (!self->stopped_) self->read();
  });
}

}  // namespace ppspp::daemon
