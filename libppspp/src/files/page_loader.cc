#include "files/page_loader.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace ppspp {
namespace {

constexpr std::uint64_t kNowhere = std::numeric_limits<std::uint64_t>::max();

}  // namespace

PageLoader::PageLoader(int fd, std::function<void()> ready) : fd_(fd), ready_(std::move(ready)) {
  loaded_.fill(kNowhere);
  thread_ = std::thread([this] { run(); });
}

PageLoader::~PageLoader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void PageLoader::load(std::uint64_t offset, std::uint64_t size) {
  {
    const std::lock_guard lock(mutex_);
    const auto here = [offset](const Range& range) { return range.offset == offset; };
    if (queue_.size() >= kMaxQueued || std::ranges::any_of(queue_, here)) return;
    queue_.push_back({offset, size});
  }
  wake_.notify_one();
}

bool PageLoader::take_loaded(std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(loaded_, offset);
  if (found == loaded_.end()) return false;
  *found = kNowhere;
  return true;
}

void PageLoader::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    const Range range = queue_.front();
    lock.unlock();
    read(range);
    lock.lock();
    queue_.pop_front();
    loaded_[next_loaded_] = range.offset;
    next_loaded_ = (next_loaded_ + 1) % loaded_.size();
    if (stop_) return;
    lock.unlock();
    if (ready_) ready_();
    lock.lock();
  }
}

// readahead() would only begin: reading waits until the pages are there.
void PageLoader::read(Range range) const {
  std::array<std::byte, 64 * 1024> scratch;
  while (range.size > 0) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(range.size, scratch.size()));
    const ssize_t got = pread(fd_, scratch.data(), size, static_cast<off_t>(range.offset));
    if (got <= 0) return;
    range.offset += static_cast<std::uint64_t>(got);
    range.size -= static_cast<std::uint64_t>(got);
  }
}

}  // namespace ppspp
