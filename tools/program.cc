#include "program.h"

#include <csignal>
#include <cstdio>

#include "base/log.h"
#include "terminal.h"

namespace ppspp::tools {

int exit_code_of(const Error& error) {
  const bool usage = error.code == Errc::invalid_argument || error.code == Errc::not_supported;
  return usage ? kUsage : kFailed;
}

void complain(std::string_view program, std::string_view message) {
  clear_progress();
  const std::string line = fmt::format("{}: {}\n", program, message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

int leave_early(std::string_view program, const EarlyExit& exit) {
  if (exit.code == kDone) {
    std::fwrite(exit.message.data(), 1, exit.message.size(), stdout);
  } else {
    complain(program, exit.message);
  }
  return exit.code;
}

void set_up(std::string_view program, int verbosity) {
  std::signal(SIGPIPE, SIG_IGN);
  const LogLevel lowest = verbosity == 0   ? LogLevel::warning
                          : verbosity == 1 ? LogLevel::info
                                           : LogLevel::debug;
  set_log_sink(lowest, [name = std::string(program)](LogLevel, std::string_view line) {
    complain(name, line);
  });
}

}  // namespace ppspp::tools
