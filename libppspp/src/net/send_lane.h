// Sends on a thread of its own: a full queue goes in, an empty one comes back, and what the kernel
// does to send (copying, mostly) no longer takes the time of the protocol's thread.
//
// One queue is in the lane's hands at most, while the owner fills the other: what waits here counts
// as delay of the path. All functions are for one thread, the owner's.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "net/io_thread.h"
#include "net/send_queue.h"
#include "net/udp_socket.h"
#include "ppspp/node_statistics.h"

namespace ppspp {

class SendLane {
 public:
  // The sockets outlive the lane; either may be null. `on_news` is called on the lane's thread:
  // when it is idle after take() was called in vain, and when there is something to report.
  SendLane(UdpSocket* v4, UdpSocket* v6, std::function<void()> on_news);
  ~SendLane() { finish(); }
  SendLane(const SendLane&) = delete;
  SendLane& operator=(const SendLane&) = delete;

  // What it was given has left: who sends by himself now keeps the order.
  bool idle() const;
  // Takes the queue and puts an empty one in its place. False: it is busy, and on_news will be
  // called.
  bool take(std::unique_ptr<SendQueue>& queue);
  // Sends what it has, as far as the sockets take it at once. It is of no use from then on.
  void finish();

  UdpCounters counters() const;  // of the queues that it is done with
  // Tells of the datagrams that were too big since the last call.
  void report(const SendQueue::TooBig& too_big);

 private:
  struct Refusal {
    TransportAddress to;
    std::size_t size;
  };

  void send();
  bool wait_writable() const;

  UdpSocket* const v4_;
  UdpSocket* const v6_;
  const std::function<void()> on_news_;
  std::atomic<bool> ending_ = false;

  mutable std::mutex mutex_;
  bool busy_ = false;    // the thread has the queue
  bool wanted_ = false;  // take() was called in vain
  std::unique_ptr<SendQueue> queue_ = std::make_unique<SendQueue>();
  std::vector<Refusal> refusals_;
  UdpCounters counters_;

  std::optional<IoThread> thread_;  // last: it uses all of the above
};

void add(UdpCounters& sum, const UdpCounters& more);

}  // namespace ppspp
