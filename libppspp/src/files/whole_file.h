// Small files that are there with all their octets or not at all, whenever the process is killed or
// the machine stops. Only their owner can read and write them (mode 0600), whatever the umask.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "files/file_handle.h"
#include "ppspp/result.h"

namespace ppspp {

// Makes a file; Errc::exists if there is something of this name, which then stays as it is. On the
// disk when this returns. A process that is killed meanwhile may leave PATH.new-XXXXXX behind.
Result<void> create_whole_file(const std::filesystem::path& path, std::string_view octets);

// Puts a file in the place of one that may exist. On the disk when this returns; until then the old
// one is there. Not for two at once: PATH.new is the name of what is being written.
Result<void> replace_whole_file(const std::filesystem::path& path, std::string_view octets);

// The octets of an open file, at most `size_max` of them and no error for more.
Result<std::string> read_whole_file(const FileHandle& file, std::size_t size_max,
                                    const std::filesystem::path& path);

}  // namespace ppspp
