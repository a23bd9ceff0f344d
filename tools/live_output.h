// Where a live feed is written to: standard output, or a file that is begun anew.
#pragma once

#include <filesystem>
#include <string>

#include "file_descriptor.h"
#include "ppspp/result.h"

namespace ppspp::tools {

class LiveOutput {
 public:
  // `name` as in the option. A file that exists is overwritten only with `force`; a named pipe or a
  // device is written to.
  static Result<LiveOutput> open(const std::string& name, bool force);

  int fd() const { return file_.get(); }
  std::string name() const;  // for messages
  // Brings the file to the disk; a player at the end of a pipe learns that nothing follows.
  Result<void> close();
  // Nothing was written: takes away a file that was made for it.
  void discard();

 private:
  LiveOutput(FileDescriptor file, std::filesystem::path path, bool created);

  FileDescriptor file_;
  std::filesystem::path path_;  // empty: standard output
  bool created_;
};

}  // namespace ppspp::tools
