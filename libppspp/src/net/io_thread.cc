#include "net/io_thread.h"

#include <pthread.h>

#include <utility>

#include "net/blocked_signals.h"

namespace ppspp {

IoThread::IoThread(const char* name) {
  const BlockedSignals blocked;
  thread_ = std::thread([this] { work(); });
  pthread_setname_np(thread_.native_handle(), name);
}

IoThread::~IoThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void IoThread::run(Job job) {
  {
    const std::lock_guard lock(mutex_);
    job_ = std::move(job);
  }
  changed_.notify_one();
}

void IoThread::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || job_ != nullptr; });
    if (job_ == nullptr) return;
    const Job job = std::exchange(job_, nullptr);
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace ppspp
