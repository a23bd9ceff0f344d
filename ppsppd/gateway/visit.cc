#include "gateway/visit.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <utility>

#include "base/log.h"
#include "gateway/answers.h"
#include "gateway/live_body.h"
#include "http/status.h"

namespace ppspp::daemon {
namespace {

constexpr std::size_t kBuffer = std::size_t{64} << 10;

}  // namespace

Visit::Visit(std::shared_ptr<GatewayState> shared, std::shared_ptr<http::Exchange> exchange)
    : Activity(std::move(shared)), exchange_(std::move(exchange)), patience_(state().io) {}

void Visit::refuse(int status, const std::string& reason) {
  done_ = true;
  reader_.reset();
  patience_.cancel();
  daemon::refuse(state().options, *exchange_, status, reason);
}

void Visit::stop() {
  if (std::exchange(done_, true)) return;
  reader_.reset();
  patience_.cancel();
  exchange_->abort();
}

void Visit::start() {
  auto place = parse_place(exchange_->request());
  if (!place) return refuse(http::status_of(place.error().code), place.error().context);
  place_ = std::move(*place);
  if (state().readers >= state().options.max_readers) {
    return refuse(503, "There are too many readers: come back a little later.");
  }
  open();
}

void Visit::open() {
  if (state().source == nullptr) return refuse(503, "The gateway is closing.");
  auto content = state().source->open(place_->url);
  if (!content) return refuse(http::status_of(content.error().code), content.error().context);
  content_ = std::move(*content);
  const SwarmMetadata& metadata = content_->swarm.url().metadata;
  slot_.emplace(shared_state(), metadata.id);
  if (metadata.live) {
    done_ = true;
    std::string name(place_->name().empty() ? content_->name : place_->name());
    return std::make_shared<LiveBody>(shared_state(), std::move(*slot_), exchange_, content_->swarm,
                                      std::move(name))
        ->start();
  }
  exchange_->on_gone([weak = weak_from_this()] {
    if (const auto visit = weak.lock()) visit->stop();
  });
  const auto* known = state().known.find(metadata.id);
  if (known != nullptr && metadata.content_length) return answer(*known);
  identify();
}

void Visit::identify() {
  const auto wait = state().options.wait;
  patience_.expires_after(wait);
  patience_.async_wait([weak = weak_from_this(), wait](error_code error) {
    const auto visit = std::static_pointer_cast<Visit>(weak.lock());
    if (!visit || error || visit->done_) return;
    visit->refuse(504, "Nobody who has the beginning of this content was found in " +
                           std::to_string(wait.count()) + " s.");
  });
  reader_ = content_->swarm.open_reader({.offset = 0, .read_ahead = kBuffer});
  buffer_.resize(kBuffer);
  read_more(BundleHeader::kSize);
}

void Visit::read_more(std::size_t wanted) {
  const std::size_t size = std::min(wanted - head_.size(), buffer_.size());
  reader_->async_read_some(boost::asio::buffer(buffer_.data(), size),
                           [self = self(), wanted](error_code error, std::size_t got) {
                             self->took(error, got, wanted);
                           });
}

void Visit::took(error_code error, std::size_t size, std::size_t wanted) {
  if (done_) return;
  if (error == boost::asio::error::eof) return identified(nullptr);
  if (error) return refuse(503, "The swarm was left.");
  const auto octets = std::span(buffer_).first(size);
  std::ranges::transform(octets, std::back_inserter(head_),
                         [](std::byte octet) { return static_cast<char>(octet); });
  if (head_.size() < wanted) return read_more(wanted);
  if (wanted == BundleHeader::kSize) return look_at_header();
  look_at_index();
}

void Visit::look_at_header() {
  const auto header = BundleHeader::parse(std::as_bytes(std::span(head_)));
  const auto length = content_->swarm.url().metadata.content_length;
  if (!header || !length || header->content_offset() > *length) return identified(nullptr);
  if (header->index_length == 0) return identified(nullptr);
  read_more(BundleHeader::kSize + static_cast<std::size_t>(header->index_length));
}

void Visit::look_at_index() {
  const auto header =
      BundleHeader::parse(std::as_bytes(std::span(head_)).first(BundleHeader::kSize));
  const std::uint64_t length = content_->swarm.url().metadata.content_length.value_or(0);
  auto bundle = std::make_shared<OpenedBundle>();
  bundle->content_offset = header->content_offset();
  auto index = BundleIndex::parse(std::string_view(head_).substr(BundleHeader::kSize),
                                  length - bundle->content_offset);
  if (!index) {
    log(LogLevel::info, "gateway: {} is served as a file: {}", place_->url.metadata.id.to_hex(),
        index.error().context);
    return identified(nullptr);
  }
  bundle->index = std::move(*index);
  identified(std::move(bundle));
}

void Visit::identified(std::shared_ptr<const OpenedBundle> bundle) {
  reader_.reset();
  patience_.cancel();
  head_ = {};
  buffer_ = {};
  const SwarmMetadata& metadata = content_->swarm.url().metadata;
  if (!metadata.content_length) return refuse(503, "The length of the content is not known.");
  const KnownContents::Known known{std::move(bundle)};
  state().known.add(metadata.id, known);
  answer(known);
}

}  // namespace ppspp::daemon
