#include "swarm/live_source.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/bytes.h"
#include "swarm/live_window.h"
#include "wire/signed_content.h"

namespace ppspp {
namespace {

constexpr Microseconds kMeasureFor = std::chrono::seconds(1);
constexpr std::size_t kMeasureAtMost = std::size_t{4} << 20;
constexpr std::uint64_t kWindowSeconds = 30;
constexpr std::uint64_t kMaxWidth = 1'024;

// The power of two that is nearest by ratio.
std::uint64_t nearest_power(std::uint64_t number) {
  if (number < 2) return 2;
  const std::uint64_t below = std::bit_floor(number);
  const bool up = number * number >= 2 * below * below;
  return up ? below * 2 : below;
}

}  // namespace

LiveSource::LiveSource(const SwarmMetadata& metadata, const LiveSourceSettings& settings,
                       std::unique_ptr<Signer> signer)
    : metadata_(metadata), settings_(settings), signer_(std::move(signer)) {
  signature_.resize(signer_->signature_size());
  // Nothing is left to be chosen.
  const bool signs_each = metadata_.integrity == IntegrityMethod::sign_all;
  if ((metadata_.chunks_per_signature || signs_each) && settings_.discard_window != 0) {
    choose(0);
    measuring_ = false;
  }
}

bool LiveSource::measure(std::span<const std::byte> content, Now now) {
  PPSPP_ASSERT(measuring_);
  if (content.empty()) return false;
  if (!first_at_) first_at_ = now.monotonic;
  kept_.insert(kept_.end(), content.begin(), content.end());
  if (now.monotonic < measured_at() && kept_.size() < kMeasureAtMost) return false;
  end_measuring(now);
  return true;
}

TimePoint LiveSource::measured_at() const {
  return first_at_ && measuring_ ? *first_at_ + kMeasureFor : kNever;
}

void LiveSource::end_measuring(Now now) {
  if (!std::exchange(measuring_, false)) return;
  // What came at once at the start may be the input's buffer; below a millisecond nothing is told.
  const Microseconds time = first_at_ ? now.monotonic - *first_at_ : Microseconds(0);
  const auto us = static_cast<std::uint64_t>(std::max<Microseconds::rep>(time.count(), 1'000));
  choose(kept_.size() * 1'000'000 / us);
}

void LiveSource::choose(std::uint64_t rate) {
  const auto interval = static_cast<std::uint64_t>(settings_.signature_interval.count());
  const std::uint64_t chunks = rate * interval / 1'000'000 / metadata_.chunk_size;
  if (metadata_.integrity == IntegrityMethod::sign_all) {
    width_ = 1;
  } else if (metadata_.chunks_per_signature) {
    width_ = *metadata_.chunks_per_signature;
  } else if (settings_.chunks_per_signature != 0) {
    width_ = settings_.chunks_per_signature;
  } else {
    width_ = std::min(nearest_power(chunks), kMaxWidth);
  }
  window_ = settings_.discard_window != 0 ? settings_.discard_window
                                          : std::clamp(rate * kWindowSeconds / metadata_.chunk_size,
                                                       default_window(metadata_.chunk_size),
                                                       largest_chosen_window(metadata_.chunk_size));
  next_chunk_ = (settings_.first_chunk + width_ - 1) / width_ * width_;
}

std::span<const std::byte> LiveSource::cut(std::span<const std::byte>& content) {
  const std::size_t chunk_size = metadata_.chunk_size;
  if (partial_.size() == chunk_size) partial_.clear();  // it was handed out
  if (!partial_.empty() || content.size() < chunk_size) {
    const std::size_t missing = std::min(chunk_size - partial_.size(), content.size());
    partial_.insert(partial_.end(), content.begin(),
                    content.begin() + static_cast<std::ptrdiff_t>(missing));
    content = content.subspan(missing);
    if (partial_.size() < chunk_size) return {};
    ++next_chunk_;
    return partial_;
  }
  const std::uint64_t left_in_group = width_ - next_chunk_ % width_;
  const std::uint64_t chunks = std::min<std::uint64_t>(left_in_group, content.size() / chunk_size);
  const auto whole = content.first(static_cast<std::size_t>(chunks) * chunk_size);
  content = content.subspan(whole.size());
  next_chunk_ += chunks;
  return whole;
}

std::span<const std::byte> LiveSource::sign(ChunkRange chunks, std::uint64_t ntp,
                                            std::span<const std::byte> content,
                                            const WireFormat& format) {
  plaintext_.resize(format.spec_size() + 8 + content.size());
  ByteWriter out(plaintext_);
  write_signed_content(out, chunks, ntp, content, format);
  PPSPP_ASSERT(out.ok());
  if (!signer_->sign(plaintext_, signature_)) return {};
  return signature_;
}

}  // namespace ppspp
