// The readers of a swarm: any number, which share what is downloaded.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "net/active_node.h"
#include "net/active_swarm.h"
#include "net/clock.h"

namespace ppspp {

ContentReader& ActiveSwarm::reader() {
  if (reader_ == nullptr) {
    auto reader = std::make_unique<ActiveReader>(*this);
    // It begins at the tune-in point, also if it was not there yet when that was found.
    if (live_ && live_->tuned_in) reader->tune_in(live_->first_position);
    reader_ = std::make_unique<ContentReader>(std::move(reader));
  }
  return *reader_;
}

std::shared_ptr<ContentReader> ActiveSwarm::open_reader(const ReaderOptions& options) {
  auto reader = std::make_unique<ActiveReader>(
      shared_from_this(), url_.metadata.live ? 0 : options.offset, options.read_ahead);
  ActiveReader& opened = *reader;
  const auto handle = std::make_shared<ContentReader>(std::move(reader));
  if (!left()) proceed_reading(opened);
  return handle;
}

std::size_t ActiveSwarm::reader_count() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      readers_, [](const auto* r) { return r->opened() || r->reading().under_way(); }));
}

void ActiveSwarm::add_reader(ActiveReader& reader) {
  readers_.push_back(&reader);
}

void ActiveSwarm::remove_reader(ActiveReader& reader) {
  std::erase(readers_, &reader);
  if (joined()) tell_windows();
}

bool ActiveSwarm::may_read() const {
  return joined() && (live_ == nullptr || live_->tuned_in || live_->publishes);
}

void ActiveSwarm::proceed_reading(ActiveReader& reader) {
  if (sleeping()) return wake();
  if (!may_read()) return;
  proceed(reader);
  tell_windows();
}

void ActiveSwarm::proceed_reading() {
  if (readers_.empty() || !may_read()) return;
  for (ActiveReader* reader : readers_) proceed(*reader);
  tell_windows();
}

// Never calls the user: reads that end are posted.
void ActiveSwarm::proceed(ActiveReader& reader) {
  Endpoint& endpoint = node_->driver().endpoint();
  const bool live = url_.metadata.live;
  if (live && !reader.tuned_in()) tune_in(reader);
  if (!reader.reading().under_way()) return;
  const auto length = live ? endpoint.feed_length(handle_) : url_.metadata.content_length;
  reader.reading().proceed(
      {endpoint, handle_, *store_, url_.metadata.chunk_size, length, live, complete_});
}

// Where the feed is played now.
void ActiveSwarm::tune_in(ActiveReader& reader) {
  const auto live = status().live;
  const ChunkIndex chunk = !live ? 0 : live_->publishes ? live->window.end : live->position;
  reader.tune_in(chunk * url_.metadata.chunk_size);
}

// Those who are ahead of it already stay there.
void ActiveSwarm::tune_readers_in(ChunkIndex chunk) {
  live_->tuned_in = true;
  const std::uint64_t position = chunk * url_.metadata.chunk_size;
  live_->first_position = position;
  for (ActiveReader* reader : readers_) {
    const bool behind = reader->position() < position;
    if (!reader->tuned_in() || !reader->opened() || behind) reader->tune_in(position);
  }
  announce_first_byte();
  proceed_reading();
}

// Only what has changed is told; of complete content there is nothing to be asked for.
void ActiveSwarm::tell_windows() {
  if (live_ || complete_) return;
  std::vector<ReadWindow> windows;
  for (const ActiveReader* reader : readers_) {
    if (const auto window = reader->window(url_.metadata.chunk_size)) windows.push_back(*window);
  }
  if (windows == windows_) return;
  windows_ = std::move(windows);
  node_->driver().endpoint().set_read_windows(handle_, windows_, read_clocks());
  node_->driver().kick();
}

void ActiveSwarm::announce_first_byte() {
  if (!on_first_byte_ || !may_read()) return;
  const Endpoint& endpoint = node_->driver().endpoint();
  std::uint64_t position = live_ ? live_->first_position : 0;
  if (reader_) position = reader_->position();
  if (!endpoint.has_chunk(handle_, position / url_.metadata.chunk_size)) return;
  asio::post(io_, [handler = std::exchange(on_first_byte_, nullptr)] { handler(); });
}

}  // namespace ppspp
