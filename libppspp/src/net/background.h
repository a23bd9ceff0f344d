// Work that blocks (hashing, syncing a file), on threads of its own.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <list>
#include <memory>
#include <thread>

namespace ppspp {

class Background {
 public:
  explicit Background(boost::asio::io_context& io) : io_(io) {}
  ~Background();  // sets cancel and waits; what was to follow does not
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // For work that can be given up.
  const std::atomic<bool>& cancelled() const { return cancelled_; }

  // Runs `work` on a thread and then `done` in the io_context, whose run() does not return before.
  void run(std::function<void()> work, std::function<void()> done);
  // Runs `function` in the io_context, from any thread.
  void post(std::function<void()> function);

 private:
  boost::asio::io_context& io_;
  std::atomic<bool> cancelled_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // read in the io_context's thread
  std::list<std::thread> threads_;
};

}  // namespace ppspp
