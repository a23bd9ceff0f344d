// Work that blocks (hashing, syncing a file), on threads of its own: a few at a time, begun in the
// order in which it came.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

namespace ppspp {

class Background {
 public:
  // Work waits for threads of its own lane only. A thread ends when its lane is empty.
  enum class Lane : std::uint8_t {
    slow,   // hashing, checking, bringing to the disk
    quick,  // opening files that somebody waits for
  };
  static constexpr std::array<std::size_t, 2> kThreads = {8, 2};

  explicit Background(boost::asio::io_context& io) : io_(io) {}
  ~Background();  // sets cancel, and waits for all work; what was to follow does not
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // For work that can be given up.
  const std::atomic<bool>& cancelled() const { return cancelled_; }

  // Runs `work` on a thread and then `done` in the io_context, whose run() does not return before.
  // Work may wait for work that came before it in its lane.
  void run(std::function<void()> work, std::function<void()> done, Lane lane = Lane::slow);
  // Runs `function` in the io_context, from any thread.
  void post(std::function<void()> function);

 private:
  struct Threads {
    std::deque<std::function<void()>> queue;
    std::size_t running = 0;
    std::list<std::thread> threads;
    std::list<std::thread> ended;  // to be joined
  };

  void start_thread(Threads& lane);
  void work_on(Threads& lane, std::list<std::thread>::iterator self);

  boost::asio::io_context& io_;
  std::atomic<bool> cancelled_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // read in the io_context's thread
  std::mutex mutex_;
  std::condition_variable ended_;
  std::array<Threads, 2> lanes_;
};

}  // namespace ppspp
