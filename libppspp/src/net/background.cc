#include "net/background.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <csignal>
#include <utility>

namespace ppspp {
namespace {

// Signals are for the program's own threads.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

Background::~Background() {
  *alive_ = false;
  cancelled_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void Background::run(std::function<void()> work, std::function<void()> done) {
  const BlockedSignals blocked;
  const auto place = threads_.emplace(threads_.end());
  auto guard = boost::asio::make_work_guard(io_);
  *place = std::thread([this, place, work = std::move(work), done = std::move(done),
                        guard = std::move(guard), alive = alive_]() mutable {
    work();
    boost::asio::post(io_, [this, place, done = std::move(done), alive = std::move(alive)] {
      if (!*alive) return;
      place->join();
      threads_.erase(place);
      done();
    });
  });
}

void Background::post(std::function<void()> function) {
  boost::asio::post(io_, [function = std::move(function), alive = alive_] {
    if (*alive) function();
  });
}

}  // namespace ppspp
