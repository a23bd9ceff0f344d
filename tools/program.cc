#include "program.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>

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

bool print_line(std::string_view program, std::string_view line) {
  const std::string text = fmt::format("{}\n", line);
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) {
    return true;
  }
  complain(program, fmt::format("cannot write to standard output: {}",
                                std::generic_category().message(errno)));
  return false;
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
