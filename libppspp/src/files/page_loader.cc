#include "files/page_loader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <limits>
#include <utility>

namespace ppspp {
namespace {

constexpr std::uint64_t kNowhere = std::numeric_limits<std::uint64_t>::max();

// readahead() would only begin: reading waits until the pages are there. False: there is no more,
// or it cannot be read.
bool read_pages(int fd, std::uint64_t offset, std::uint64_t size) {
  std::array<std::byte, 64 * 1024> scratch;
  while (size > 0) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(size, scratch.size()));
    const ssize_t got = pread(fd, scratch.data(), part, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::uint64_t>(got);
  }
  return true;
}

}  // namespace

PageLoader::PageLoader(int fd, std::function<void()> ready, LatencyCounter* latency)
    : fd_(fd), ready_(std::move(ready)), latency_(latency), threads_(LoaderThreads::shared()) {
  loaded_.fill(kNowhere);
}

PageLoader::~PageLoader() {
  std::unique_lock lock(threads_->mutex_);
  queue_.clear();
  std::erase(threads_->waiting_, this);
  threads_->idle_.wait(lock, [this] { return !busy_; });
}

void PageLoader::load(std::uint64_t offset, std::uint64_t size) {
  {
    const std::lock_guard lock(threads_->mutex_);
    const auto here = [offset](const Range& range) { return range.offset == offset; };
    if (queue_.size() >= kMaxQueued || std::ranges::any_of(queue_, here)) return;
    queue_.push_back({offset, size, 0, LatencyCounter::Clock::now()});
    if (queue_.size() > 1 || busy_) return;  // it stands in line already, or a thread is at it
    threads_->waiting_.push_back(this);
  }
  threads_->wake_.notify_one();
}

bool PageLoader::take_loaded(std::uint64_t offset) {
  const std::lock_guard lock(threads_->mutex_);
  const auto found = std::ranges::find(loaded_, offset);
  if (found == loaded_.end()) return false;
  *found = kNowhere;
  return true;
}

std::shared_ptr<LoaderThreads> LoaderThreads::shared() {
  static std::mutex mutex;
  static std::weak_ptr<LoaderThreads> current;
  const std::lock_guard lock(mutex);
  auto threads = current.lock();
  if (threads == nullptr) current = threads = std::make_shared<LoaderThreads>();
  return threads;
}

// Signals are for the program's own threads.
LoaderThreads::LoaderThreads() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    for (std::size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { run(); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (threads_.empty()) throw;
    return;  // one is enough
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LoaderThreads::~LoaderThreads() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void LoaderThreads::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (stop_) return;
    PageLoader& loader = *waiting_.front();
    waiting_.pop_front();
    take_turn(loader, lock);
  }
}

// A part of the loader's first range, then it stands behind all others.
void LoaderThreads::take_turn(PageLoader& loader, std::unique_lock<std::mutex>& lock) {
  loader.busy_ = true;
  PageLoader::Range range = loader.queue_.front();
  const std::uint64_t part = std::min(range.size - range.done, kTurn);
  lock.unlock();
  const bool more = read_pages(loader.fd_, range.offset + range.done, part);
  range.done += part;
  const bool ends = !more || range.done == range.size;
  if (ends && loader.latency_ != nullptr) {
    loader.latency_->add(LatencyCounter::Clock::now() - range.asked_at);
  }
  lock.lock();
  bool tell = false;
  if (!loader.queue_.empty()) {  // it is not being destroyed
    if (ends) {
      loader.queue_.pop_front();
      loader.loaded_.at(loader.next_loaded_) = range.offset;
      loader.next_loaded_ = (loader.next_loaded_ + 1) % loader.loaded_.size();
      tell = loader.ready_ != nullptr;
    } else {
      loader.queue_.front().done = range.done;
    }
  }
  if (tell) {
    lock.unlock();
    loader.ready_();
    lock.lock();
  }
  loader.busy_ = false;
  if (!loader.queue_.empty()) waiting_.push_back(&loader);
  idle_.notify_all();
}

}  // namespace ppspp
