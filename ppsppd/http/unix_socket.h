// Listening on a path.
#pragma once

#include <filesystem>
#include <string>

#include "ppspp/result.h"

namespace ppspp::http {

// A listening socket, which closes and, if its file is still the one that was made here, removes
// it.
class UnixListener {
 public:
  // A socket file that nobody listens on is replaced. Errors: exists (somebody listens on it, or it
  // is no socket), not_found (no such group), io.
  static Result<UnixListener> open(const std::filesystem::path& path, unsigned mode,
                                   const std::string& group);
  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&&) = delete;
  ~UnixListener();

  int release_socket();  // to its user; the file stays with us

 private:
  UnixListener(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}

  int fd_;
  std::filesystem::path path_;
  unsigned long long device_ = 0;
  unsigned long long inode_ = 0;
};

}  // namespace ppspp::http
