// A few threads that help the calling one with work that is cut into parts, and sleep otherwise.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ppspp {

// One thread calls it, always the same or one after the other.
class WorkerPool {
 public:
  // `lane` tells the threads apart: 0 is the calling one.
  using Work = std::function<void(std::size_t part, std::size_t lane)>;

  // The threads, `helpers` of them, are begun with the first work; if the system does not give as
  // many, there are fewer.
  explicit WorkerPool(std::size_t helpers) : helpers_(helpers) {}
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  std::size_t lanes() const { return helpers_ + 1; }
  std::size_t threads() const { return threads_.size(); }  // that were begun

  // Does all parts, each once, on this thread and others; returns when all are done. What they
  // wrote is then to be seen. Allocates nothing once the threads are there.
  void run(std::size_t parts, const Work& work);

 private:
  void start();
  void help(std::size_t lane);
  void take_parts(const Work& work, std::size_t parts, std::size_t lane);
  void wait_for_helpers();

  const std::size_t helpers_;
  bool started_ = false;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  // Guarded by the mutex; null: there is nothing to join any more.
  const Work* work_ = nullptr;
  std::size_t parts_ = 0;
  std::uint64_t round_ = 0;
  bool stop_ = false;
  // Of this round. Written under the mutex as well, so that one may sleep for it.
  std::atomic<std::size_t> inside_{0};
  std::atomic<std::size_t> next_{0};
};

}  // namespace ppspp
