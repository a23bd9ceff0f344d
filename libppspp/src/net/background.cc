#include "net/background.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "net/blocked_signals.h"

namespace ppspp {

Background::~Background() {
  *alive_ = false;
  cancelled_ = true;
  std::unique_lock lock(mutex_);
  for (Threads& lane : lanes_) {
    ended_.wait(lock, [&lane] { return lane.running == 0; });
    for (std::thread& thread : lane.ended) thread.join();
  }
}

void Background::run(std::function<void()> work, std::function<void()> done, Lane lane) {
  auto job = [this, work = std::move(work), done = std::move(done),
              guard = boost::asio::make_work_guard(io_), alive = alive_]() mutable {
    work();
    work = nullptr;  // what it holds goes here, before what follows
    boost::asio::post(io_, [done = std::move(done), alive = std::move(alive)] {
      if (*alive) done();
    });
    guard.reset();
  };
  Threads& threads = lanes_.at(static_cast<std::size_t>(lane));
  std::list<std::thread> ended;
  {
    const std::lock_guard lock(mutex_);
    threads.queue.emplace_back(std::move(job));
    ended.swap(threads.ended);
    if (threads.running < kThreads.at(static_cast<std::size_t>(lane))) start_thread(threads);
  }
  for (std::thread& thread : ended) thread.join();
}

// With the mutex held. Where the system has no thread for us, those that run do the work.
void Background::start_thread(Threads& lane) {
  const BlockedSignals blocked;
  const auto place = lane.threads.emplace(lane.threads.end());
  try {
    *place = std::thread([this, &lane, place] { work_on(lane, place); });
    ++lane.running;
  } catch (...) {
    lane.threads.erase(place);
    if (lane.running == 0) throw;
  }
}

void Background::work_on(Threads& lane, std::list<std::thread>::iterator self) {
  std::unique_lock lock(mutex_);
  while (!lane.queue.empty()) {
    const auto job = std::move(lane.queue.front());
    lane.queue.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
  lane.ended.splice(lane.ended.end(), lane.threads, self);
  --lane.running;
  ended_.notify_all();
}

void Background::post(std::function<void()> function) {
  boost::asio::post(io_, [function = std::move(function), alive = alive_] {
    if (*alive) function();
  });
}

}  // namespace ppspp
