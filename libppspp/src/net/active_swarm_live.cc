// Live swarms behind the handles: following one, publishing one, and their end.
#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <utility>

#include "base/log.h"
#include "net/active_node.h"
#include "net/active_swarm.h"
#include "net/clock.h"
#include "storage/ring_chunk_store.h"

namespace ppspp {
namespace {

// Chunk numbers that are reserved at once: a restart skips at most so many, and the disk is written
// to for every half of them.
constexpr ChunkIndex kReserve = ChunkIndex{1} << 18;
constexpr auto kDeliveredCheck = std::chrono::milliseconds(20);
constexpr auto kDeliveredAtLast = std::chrono::seconds(10);

// A window is kept in memory.
Result<void> check_window(std::uint64_t chunks, std::uint32_t chunk_size) {
  // A group is kept beside the window, and one that is not signed yet: no more than a half of it.
  constexpr std::uint64_t kMost = RingChunkStore::kDefaultMaxWindow / 2;
  if (chunks <= kMost / chunk_size) return {};
  return fail(Errc::invalid_argument,
              fmt::format("a discard window of {} chunks is too large for memory: {} is the most",
                          chunks, kMost / chunk_size));
}

}  // namespace

Result<void> ActiveSwarm::follow() {
  const auto fits = check_window(settings_.live.discard_window, url_.metadata.chunk_size);
  if (!fits) return fits;
  auto store = std::make_unique<RingChunkStore>();
  ChunkStore* const kept = store.get();
  const auto handle = node_->driver().endpoint().join(url_.metadata, std::move(store), {},
                                                      settings_, read_clocks());
  if (!handle) return tl::unexpected(handle.error());
  handle_ = *handle;
  node_->note_joined(*this, LocalFinder::Part::misses);
  store_ = kept;
  begin();
  return {};
}

Result<void> ActiveSwarm::make_feed_store(const FeedOptions& options,
                                          std::unique_ptr<ChunkStore>& store) {
  if (options.record.empty()) {
    const auto fits = check_window(options.live.discard_window, url_.metadata.chunk_size);
    if (!fits) return fits;
    store = std::make_unique<RingChunkStore>();
    return {};
  }
  auto recording = RecordingStore::create(options.record, options.force);
  if (!recording) return tl::unexpected(recording.error());
  recording_ = recording->get();
  store = *std::move(recording);
  return {};
}

Result<void> ActiveSwarm::publish(SigningKey key, const FeedOptions& options) {
  live_->publishes = true;
  live_->numbers = options.numbers;
  live_->reserved = options.live.first_chunk;
  if (live_->numbers) {
    if (auto reserved = live_->numbers->reserve(live_->reserved + kReserve); !reserved)
      return reserved;
    live_->reserved += kReserve;
  }
  std::unique_ptr<ChunkStore> store;
  if (auto made = make_feed_store(options, store); !made) return made;
  ChunkStore* const kept = store.get();
  LiveSourceSettings settings = options.live;
  settings.limits = settings_.limits = options.limits;
  if (const auto fits = keep_width(settings); !fits) return fits;
  if (recording_ != nullptr) settings.discard_window = LiveSourceSettings::kKeepAll;
  const auto handle = node_->driver().endpoint().publish(
      url_.metadata, std::move(store), std::make_unique<SigningKey>(std::move(key)), settings,
      read_clocks());
  if (!handle) return tl::unexpected(handle.error());
  handle_ = *handle;
  node_->note_joined(*this, LocalFinder::Part::complete);
  store_ = kept;
  begin();
  return {};
}

// A feed's subtrees are all of one width (6.1.2.1), also when it starts again.
Result<void> ActiveSwarm::keep_width(LiveSourceSettings& settings) const {
  const SwarmMetadata& metadata = url_.metadata;
  if (!live_->numbers || metadata.integrity == IntegrityMethod::sign_all) return {};
  const std::uint64_t before = live_->numbers->chunks_per_signature();
  if (before != 0 && metadata.chunks_per_signature.value_or(before) != before) {
    return fail(Errc::invalid_argument,
                fmt::format("the feed of this key has {} chunks per signature, and has to go on "
                            "with them: leave the number out, or use a fresh key",
                            before));
  }
  if (settings.chunks_per_signature == 0) settings.chunks_per_signature = before;
  return {};
}

Result<void> ActiveSwarm::append(asio::const_buffer content) {
  if (!joined()) return fail(Errc::left, "the feed was left");
  const std::span octets(static_cast<const std::byte*>(content.data()), content.size());
  const auto appended = node_->driver().endpoint().append(handle_, octets, read_clocks());
  node_->driver().kick();
  if (!appended && recording_ != nullptr && recording_->error()) {
    return tl::unexpected(*recording_->error());
  }
  return appended;
}

void ActiveSwarm::end_feed() {
  if (!joined()) return;
  if (const auto ended = node_->driver().endpoint().end_feed(handle_, read_clocks()); !ended) {
    if (ended.error().code != Errc::left) fail_with(ended.error());
  }
  node_->driver().kick();
}

// On a thread, since it waits for the disk; in time, since a half is still to be used.
void ActiveSwarm::reserve_numbers(ChunkIndex used) {
  if (live_->width_kept && used + kReserve / 2 <= live_->reserved) return;
  const ChunkIndex end = used + kReserve;
  const std::uint64_t width = url_.metadata.integrity == IntegrityMethod::sign_all
                                  ? 0
                                  : status().live->chunks_per_signature;
  if (used >= live_->reserved) {  // faster than the disk: wait for it
    if (const auto reserved = live_->numbers->reserve(end, width); !reserved)
      return fail_with(reserved.error());
    live_->reserved = end;
    return;
  }
  if (std::exchange(live_->reserving, true)) return;
  live_->width_kept = true;
  const auto result = std::make_shared<Result<void>>();
  node_->background().run(
      [numbers = live_->numbers, result, end, width] { *result = numbers->reserve(end, width); },
      [self = shared_from_this(), result, end] {
        self->live_->reserving = false;
        if (!*result) return self->fail_with(result->error());
        self->live_->reserved = std::max(self->live_->reserved, end);
      });
}

void ActiveSwarm::on_store_failed() {
  std::optional<Error> error;
  if (file_ != nullptr) error = file_->error();
  if (recording_ != nullptr) error = recording_->error();
  fail_with(error.value_or(Error{Errc::io, "the content is lost"}));
}

// --- The end

void ActiveSwarm::on_feed_ended() {
  complete_ = true;
  if (joined()) node_->note_complete(*this);
  live_->ended_at = std::chrono::steady_clock::now();
  proceed_reading();
  announce_complete();
  wait_for_delivery();
}

// Others may still need the end of the feed from us.
void ActiveSwarm::wait_for_delivery() {
  if (left()) return;
  const bool late = std::chrono::steady_clock::now() - live_->ended_at >= kDeliveredAtLast;
  if (late || node_->driver().endpoint().everybody_has_all(handle_, read_clocks())) {
    live_->delivered = true;
    return announce_delivered();
  }
  live_->delivery.expires_after(kDeliveredCheck);
  live_->delivery.async_wait([self = weak_from_this()](const error_code& error) {
    const auto swarm = self.lock();
    if (swarm && !error) swarm->wait_for_delivery();
  });
}

void ActiveSwarm::announce_delivered() {
  asio::post(io_, [self = shared_from_this()] {
    if (self->live_->on_delivered && !self->left())
      std::exchange(self->live_->on_delivered, nullptr)();
  });
}

void ActiveSwarm::on_delivered(std::function<void()> handler) {
  if (!live_) return;
  live_->on_delivered = std::move(handler);
  if (live_->delivered) announce_delivered();
}

void ActiveSwarm::on_skipped(std::function<void(const event::Skipped&)> handler) {
  if (!live_) return;
  live_->on_skipped = std::move(handler);
}

void ActiveSwarm::announce_skipped(const event::Skipped& skipped) {
  if (live_->on_skipped) {
    asio::post(io_, [self = shared_from_this(), skipped] {
      const auto handler = self->live_->on_skipped;  // it may set another
      if (handler && !self->left()) handler(skipped);
    });
  }
  proceed_reading();
}

// The tree is whole: no chunk is hashed. Others may be reading from the store meanwhile, and a
// swarm that is left keeps it until the thread is done.
void ActiveSwarm::finish_recording(std::function<void(Result<HashedFile>)> done) {
  if (recording_ == nullptr || !complete_) {
    const auto error = Error{Errc::invalid_argument, "the feed has not ended, or was not recorded"};
    return asio::post(io_, [done, error] { done(tl::unexpected(error)); });
  }
  const auto length = node_->driver().endpoint().feed_length(handle_).value_or(0);
  const auto result = std::make_shared<std::optional<Result<HashedFile>>>();
  syncing_ = std::make_shared<std::latch>(1);
  node_->background().run(
      [recording = recording_, syncing = syncing_, result, length, metadata = url_.metadata] {
        result->emplace(recording->finish(length, metadata.chunk_size, metadata.hash));
        syncing->count_down();
      },
      [result, done] { done(std::move(**result)); });
}

}  // namespace ppspp
