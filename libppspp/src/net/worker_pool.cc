#include "net/worker_pool.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <system_error>

#include "net/blocked_signals.h"

namespace ppspp {
namespace {

// A part takes some ten microseconds: who waits for the last one need not sleep for it.
constexpr auto kSpin = std::chrono::microseconds(5);

constexpr char kName[] = "ppspp-check";  // in what lists threads

}  // namespace

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::start() {
  started_ = true;
  const BlockedSignals blocked;
  try {
    threads_.reserve(helpers_);
    while (threads_.size() < helpers_) {
      std::thread& thread =
          threads_.emplace_back([this, lane = threads_.size() + 1] { help(lane); });
      pthread_setname_np(thread.native_handle(), kName);
    }
  } catch (const std::system_error&) {  // as many as the system gives
  }
}

void WorkerPool::run(std::size_t parts, const Work& work) {
  if (!started_ && parts > 1) start();
  next_.store(0, std::memory_order_relaxed);
  if (parts > 1 && !threads_.empty()) {
    {
      const std::lock_guard lock(mutex_);
      work_ = &work;
      parts_ = parts;
      ++round_;
    }
    const std::size_t useful = std::min(parts - 1, threads_.size());
    for (std::size_t i = 0; i < useful; ++i) wake_.notify_one();
  }
  take_parts(work, parts, 0);
  wait_for_helpers();
}

void WorkerPool::take_parts(const Work& work, std::size_t parts, std::size_t lane) {
  for (;;) {
    const std::size_t part = next_.fetch_add(1, std::memory_order_relaxed);
    if (part >= parts) return;
    work(part, lane);
  }
}

// All parts are taken. Who wakes up only now finds nothing to join.
void WorkerPool::wait_for_helpers() {
  std::unique_lock lock(mutex_);
  work_ = nullptr;
  if (inside_.load(std::memory_order_relaxed) == 0) return;
  lock.unlock();
  const auto until = std::chrono::steady_clock::now() + kSpin;
  while (std::chrono::steady_clock::now() < until) {
    if (inside_.load(std::memory_order_acquire) == 0) return;
  }
  lock.lock();
  idle_.wait(lock, [this] { return inside_.load(std::memory_order_relaxed) == 0; });
}

void WorkerPool::help(std::size_t lane) {
  std::uint64_t seen = 0;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stop_ || (work_ != nullptr && round_ != seen); });
    if (stop_) return;
    seen = round_;
    const Work& work = *work_;
    const std::size_t parts = parts_;
    inside_.fetch_add(1, std::memory_order_relaxed);
    lock.unlock();
    take_parts(work, parts, lane);
    lock.lock();
    if (inside_.fetch_sub(1, std::memory_order_release) == 1) idle_.notify_one();
  }
}

}  // namespace ppspp
