// What tells whether a file is the one that was hashed.
#pragma once

#include <cstdint>

namespace ppspp {

// Which file this is and when it was last touched. Any write changes both times, and no program can
// set `changed_ns` back.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;        // octets
  std::int64_t modified_ns = 0;  // since 1970
  std::int64_t changed_ns = 0;
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

}  // namespace ppspp
