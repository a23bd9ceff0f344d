// Looks at files, in the background: whether they are there, and still those that were hashed. A
// disk that has gone to sleep, or a network share that hangs, must not hold up anybody.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "ppspp/ppspp.h"

namespace ppspp::daemon {

class FileWatch {
 public:
  struct File {
    std::uint64_t number = 0;
    std::filesystem::path path;
    std::optional<FileStamp> stamp;   // of when it was hashed
    std::filesystem::path directory;  // of which the file is a bundle; empty: it is none
    bool told = false;                // that something is not as it was: it may be again
  };
  enum class Sight {
    as_it_was,
    touched,  // of the same length, but written
    changed,
    gone,
    outdated,  // a bundle: its directory is not as it was
  };
  struct Finding {
    std::uint64_t number = 0;
    Sight sight = Sight::as_it_was;
    std::string reason;  // of gone and outdated
  };
  using Found = std::function<void(std::vector<Finding>)>;

  explicit FileWatch(boost::asio::io_context& io) : io_(io) {}
  ~FileWatch();

  // What is not as it was, or is again. One look at a time: while one goes on, another is not begun
  // (false).
  bool look(std::vector<File> files, Found found);

 private:
  boost::asio::io_context& io_;
  std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<std::atomic<bool>> busy_ = std::make_shared<std::atomic<bool>>(false);
  std::thread thread_;
};

// The stamp of a file now. Errors: not_found, io, invalid_argument if it is not a regular file.
Result<FileStamp> stamp_of(const std::filesystem::path& file);

}  // namespace ppspp::daemon
