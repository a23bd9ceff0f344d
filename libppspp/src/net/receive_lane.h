// Reads a batch on a thread of its own while the owner works on the one before. All functions are
// for one thread, the owner's.
#pragma once

#include <condition_variable>
#include <mutex>

#include "net/io_thread.h"
#include "net/receive_batch.h"
#include "net/udp_socket.h"

namespace ppspp {

class ReceiveLane {
 public:
  // Begins to read. Neither is to be touched before wait(), which has to come before the next call.
  void start(UdpSocket& socket, ReceiveBatch& batch);
  void wait();

 private:
  void read();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool reading_ = false;
  UdpSocket* socket_ = nullptr;
  ReceiveBatch* batch_ = nullptr;
  IoThread thread_{"ppspp-receive"};  // last: it uses all of the above
};

}  // namespace ppspp
