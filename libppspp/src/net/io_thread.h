// A thread beside the event loop's that does one job at a time, and sleeps when there is none.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace ppspp {

class IoThread {
 public:
  using Job = std::function<void()>;

  // `name` is what the system shows, at most 15 characters. Throws std::system_error where the
  // system has no thread for us.
  explicit IoThread(const char* name);
  ~IoThread();  // does the job that it was given, and ends
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  // Only when the one before has done all that others see of it. A job that holds no more than two
  // pointers is not allocated for.
  void run(Job job);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  Job job_;
  bool ending_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace ppspp
