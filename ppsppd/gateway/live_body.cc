#include "gateway/live_body.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <utility>

#include "base/log.h"
#include "gateway/answers.h"
#include "gateway/content_types.h"

namespace ppspp::daemon {
namespace {

constexpr std::string_view kTransportStream = "video/mp2t";

}  // namespace

LiveBody::LiveBody(std::shared_ptr<GatewayState> shared, ReaderSlot slot,
                   std::shared_ptr<http::Exchange> exchange, Swarm swarm, std::string name)
    : Activity(std::move(shared)),
      slot_(std::move(slot)),
      exchange_(std::move(exchange)),
      swarm_(std::move(swarm)),
      name_(std::move(name)),
      patience_(state().io) {}

void LiveBody::start() {
  if (exchange_->request().method == "HEAD") {
    begin(true);
    stopped_ = true;
    return exchange_->finish();
  }
  exchange_->on_gone([weak = weak_from_this()] {
    if (const auto body = weak.lock()) body->stop();
  });
  patience_.expires_after(state().options.wait);
  patience_.async_wait([weak = weak_from_this()](error_code error) {
    const auto body = std::static_pointer_cast<LiveBody>(weak.lock());
    if (body && !error && !body->stopped_ && !body->begun_) body->give_up();
  });
  reader_ = swarm_.open_reader();
  read();
}

void LiveBody::give_up() {
  stopped_ = true;
  reader_.reset();
  refuse(state().options, *exchange_, 504,
         "Nothing of this feed came in " + std::to_string(state().options.wait.count()) + " s.");
}

void LiveBody::stop() {
  if (std::exchange(stopped_, true)) return;
  reader_.reset();
  patience_.cancel();
  exchange_->abort();
}

// A feed has no length and no ranges, and is never the same again.
void LiveBody::begin(bool transport_stream) {
  begun_ = true;
  patience_.cancel();
  http::Headers headers = cors_headers(state().options, exchange_->request());
  const std::string_view type = transport_stream ? kTransportStream : content_type(name_);
  headers.emplace_back("Content-Type", std::string(type));
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  headers.emplace_back("Cache-Control", "no-store");
  headers.emplace_back("Accept-Ranges", "none");
  exchange_->begin(200, headers, std::nullopt);
}

void LiveBody::read() {
  reader_->async_read_some(
      boost::asio::buffer(buffer_),
      [self = self()](error_code error, std::size_t size) { self->took(error, size); });
}

void LiveBody::took(error_code error, std::size_t size) {
  if (stopped_) return;
  out_.clear();
  if (error == boost::asio::error::eof) return ended();
  if (error) {
    if (begun_) return stop();
    stopped_ = true;
    return refuse(state().options, *exchange_, 503, "The feed was left.");
  }
  aligner_.push(reader_->position() - size, std::span(buffer_).first(size), out_);
  if (out_.empty()) return read();
  write(false);
}

void LiveBody::ended() {
  aligner_.finish(out_);
  write(true);
}

void LiveBody::write(bool last) {
  if (!begun_) begin(aligner_.is_transport_stream());
  exchange_->write(out_, [self = self(), last](bool ok) {
    if (self->stopped_) return;
    if (!ok) return self->stop();
    self->state().sent += self->out_.size();
    if (!last) return self->read();
    self->stopped_ = true;
    self->reader_.reset();
    self->exchange_->finish();
  });
}

}  // namespace ppspp::daemon
