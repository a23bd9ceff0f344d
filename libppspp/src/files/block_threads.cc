#include "files/block_threads.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

namespace ppspp {
namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(100);

class BlockThreads {
 public:
  BlockThreads(const BlockWork& work, const HashOptions& options,
               const BlockHandlerFactory& make_handler)
      : work_(work), options_(options), make_handler_(make_handler) {}

  Result<void> run() {
    const std::uint64_t cores = std::max(1u, std::thread::hardware_concurrency());
    const std::uint64_t wanted = options_.threads != 0 ? options_.threads : cores;
    const std::uint64_t count = std::min(wanted, work_.block_count);
    if (count > 1) start(count);
    if (threads_.empty()) {
      work_off(true);  // one block, or no threads to be had
    } else {
      wait();
    }
    for (std::thread& thread : threads_) thread.join();
    return outcome();
  }

 private:
  void start(std::uint64_t count) {
    running_ = count;
    for (std::uint64_t i = 0; i < count; ++i) {
      try {
        threads_.emplace_back([this] { work_in_thread(); });
      } catch (const std::system_error&) {  // as many as the system gives
        const std::lock_guard lock(mutex_);
        running_ -= count - i;
        break;
      }
    }
  }

  void work_in_thread() {
    work_off(false);
    const std::lock_guard lock(mutex_);
    if (--running_ == 0) finished_.notify_one();
  }

  void work_off(bool report) {
    const BlockHandler handle = make_handler_();
    auto reported = std::chrono::steady_clock::now();
    while (!is_cancelled() && !stop_) {
      const std::uint64_t block = next_++;
      if (block >= work_.block_count) break;
      if (auto result = handle(block); !result) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = result.error();
        stop_ = true;
        break;
      }
      ++done_;
      if (!report || std::chrono::steady_clock::now() - reported < kProgressInterval) continue;
      report_progress();
      reported = std::chrono::steady_clock::now();
    }
  }

  void wait() {
    std::unique_lock lock(mutex_);
    while (!finished_.wait_for(lock, kProgressInterval, [this] { return running_ == 0; })) {
      lock.unlock();
      report_progress();
      lock.lock();
    }
  }

  Result<void> outcome() {
    if (error_) return Unexpected{*error_};
    if (done_ != work_.block_count) return fail(Errc::left, "interrupted");
    report_progress();
    return {};
  }

  bool is_cancelled() const { return options_.cancel != nullptr && *options_.cancel; }

  void report_progress() const {
    if (!options_.progress) return;
    options_.progress(std::min(done_ * work_.block_size, work_.total_size), work_.total_size);
  }

  const BlockWork& work_;
  const HashOptions& options_;
  const BlockHandlerFactory& make_handler_;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<std::uint64_t> done_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable finished_;
  std::uint64_t running_ = 0;
  std::optional<Error> error_;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<void> for_each_block(const BlockWork& work, const HashOptions& options,
                            const BlockHandlerFactory& make_handler) {
  return BlockThreads(work, options, make_handler).run();
}

}  // namespace ppspp
