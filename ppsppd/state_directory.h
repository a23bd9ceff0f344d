// The directory where the daemon keeps what it must not lose:
//   catalogue.db    what it serves, and accounts (catalogue.h)
//   trees/          hash trees of what was hashed, by the swarm's number
//   content/        downloads for which nobody named a place
//   bundles/        directories as one file each, by the swarm's number
//   keys/           keys of feeds for which nobody named one
//   lock            held while a daemon runs
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "ppspp/result.h"

namespace ppspp::daemon {

class StateDirectory {
 public:
  // Makes what is not there and takes the lock. Errors, each one line for the operator: another
  // daemon has it, it cannot be made, read or written.
  static Result<StateDirectory> open(const std::filesystem::path& directory);
  // Only looks, for --check.
  static Result<void> check(const std::filesystem::path& directory);

  StateDirectory(StateDirectory&& other) noexcept;
  StateDirectory& operator=(StateDirectory&& other) noexcept;
  ~StateDirectory();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path catalogue() const { return path_ / "catalogue.db"; }
  std::filesystem::path tree(std::uint64_t number) const;
  std::filesystem::path key(std::uint64_t number) const;
  std::filesystem::path bundle(std::uint64_t number) const;  // of a directory
  std::filesystem::path content() const { return path_ / "content"; }

 private:
  StateDirectory(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::filesystem::path path_;
  int lock_ = -1;
};

// Octets that one may still write where `path` lies, or would lie. A system that does not say: as
// much as one wants.
std::uint64_t free_space(const std::filesystem::path& path);
// Octets that the file takes on its disk; 0 if it is not there.
std::uint64_t allocated_octets(const std::filesystem::path& file);

}  // namespace ppspp::daemon
