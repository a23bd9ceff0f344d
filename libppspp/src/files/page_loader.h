// Reads parts of a file into the page cache, so that the thread that serves peers never waits for
// the disk. The threads are few, shared by all files of the process and fair among them: they begin
// with the first range and end with the last loader.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "files/store_latency.h"

namespace ppspp {

class LoaderThreads;

class PageLoader {
 public:
  static constexpr std::size_t kMaxQueued = 64;

  // `fd` stays open as long as the loader lives. `ready` is called from another thread after each
  // range, whether or not it could be read: who reads it then learns why. Throws std::system_error
  // when the system has no thread for us. `latency` outlives it; null: not counted.
  PageLoader(int fd, std::function<void()> ready, LatencyCounter* latency = nullptr);
  ~PageLoader();  // waits for the part of a range that is being read, but for no other file's
  PageLoader(const PageLoader&) = delete;
  PageLoader& operator=(const PageLoader&) = delete;

  // Does nothing for a range that begins where one in the queue does, or when the queue is full:
  // `ready` is then called for another range, and the caller asks again.
  void load(std::uint64_t offset, std::uint64_t size);

  // Whether a range that begins here was read a short time ago: if it is not in the cache even now,
  // there is no point in waiting for it again. Answers yes once.
  bool take_loaded(std::uint64_t offset);

 private:
  friend class LoaderThreads;
  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::uint64_t done = 0;  // octets of it that were read
    LatencyCounter::Clock::time_point asked_at = {};
  };

  const int fd_;
  const std::function<void()> ready_;
  LatencyCounter* const latency_;
  const std::shared_ptr<LoaderThreads> threads_;
  // Guarded by the threads' mutex.
  std::deque<Range> queue_;  // the front is being read, or is next
  std::array<std::uint64_t, kMaxQueued> loaded_;
  std::size_t next_loaded_ = 0;
  bool busy_ = false;  // a thread is at it
};

// The threads of all loaders.
class LoaderThreads {
 public:
  static constexpr std::size_t kThreads = 2;

  // Of this process; made anew when the last loader has gone.
  static std::shared_ptr<LoaderThreads> shared();
  LoaderThreads();
  ~LoaderThreads();
  LoaderThreads(const LoaderThreads&) = delete;
  LoaderThreads& operator=(const LoaderThreads&) = delete;

 private:
  friend class PageLoader;
  // A long range is read in such parts, with other files' turns between them.
  static constexpr std::uint64_t kTurn = std::uint64_t{1} << 20;

  void run();
  void take_turn(PageLoader& loader, std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;     // a loader is not busy any more
  std::deque<PageLoader*> waiting_;  // those with a range and no thread at it, each once
  bool stop_ = false;
  std::vector<std::thread> threads_;  // last: they use all of the above
};

}  // namespace ppspp
