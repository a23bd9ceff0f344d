#include "log_sink.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "systemd.h"

namespace ppspp::daemon {
namespace {

// In one piece: lines of several threads do not mix.
void write_line(std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nobody reads it: the daemon goes on
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

}  // namespace

void install_log(LogLevel lowest, std::string_view program, LogSink also) {
  set_log_sink(lowest, [journal = systemd::stderr_is_journal(), program = std::string(program),
                        also = std::move(also)](LogLevel level, std::string_view message) {
    const std::string text = one_line(message);
    write_line(journal ? fmt::format("{}{}\n", systemd::journal_prefix(level), text)
                       : fmt::format("{}: {}\n", program, text));
    if (also) also(level, text);
  });
}

}  // namespace ppspp::daemon
