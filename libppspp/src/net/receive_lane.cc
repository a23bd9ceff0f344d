#include "net/receive_lane.h"

namespace ppspp {

void ReceiveLane::start(UdpSocket& socket, ReceiveBatch& batch) {
  {
    const std::lock_guard lock(mutex_);
    reading_ = true;
    socket_ = &socket;
    batch_ = &batch;
  }
  thread_.run([this] { read(); });
}

void ReceiveLane::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !reading_; });
}

// On the lane's thread.
void ReceiveLane::read() {
  batch_->receive(*socket_);
  {
    const std::lock_guard lock(mutex_);
    reading_ = false;
  }
  changed_.notify_one();
}

}  // namespace ppspp
