// One thread that reads parts of a file into the page cache, so that the thread that serves peers
// never waits for the disk.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace ppspp {

class PageLoader {
 public:
  static constexpr std::size_t kMaxQueued = 64;

  // `fd` stays open as long as the loader lives. `ready` is called from the loader's thread after
  // each range, whether or not it could be read: who reads it then learns why.
  PageLoader(int fd, std::function<void()> ready);
  ~PageLoader();  // waits for the range that is being read
  PageLoader(const PageLoader&) = delete;
  PageLoader& operator=(const PageLoader&) = delete;

  // Does nothing for a range that begins where one in the queue does, or when the queue is full:
  // `ready` is then called for another range, and the caller asks again.
  void load(std::uint64_t offset, std::uint64_t size);

  // Whether a range that begins here was read a short time ago: if it is not in the cache even now,
  // there is no point in waiting for it again. Answers yes once.
  bool take_loaded(std::uint64_t offset);

 private:
  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };

  void run();
  void read(Range range) const;

  int fd_;
  std::function<void()> ready_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Range> queue_;  // the front is being read
  std::array<std::uint64_t, kMaxQueued> loaded_;
  std::size_t next_loaded_ = 0;
  bool stop_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace ppspp
