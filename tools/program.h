// What the programs have in common: exit codes, messages, signals.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "ppspp/result.h"

namespace ppspp::tools {

enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2, kTimedOut = 3 };

// A program that ends before it has begun: with --help, or a wrong command line.
struct EarlyExit {
  int code = kDone;
  std::string message;  // to standard output with kDone, else one line for standard error
};

template <typename T>
using Parsed = tl::expected<T, EarlyExit>;

int exit_code_of(const Error& error);

// One line on standard error that begins with the program's name, on a line of its own also where
// progress is shown.
void complain(std::string_view program, std::string_view message);

// A result, on a line of its own on standard output, at once. False, and a complaint, if it cannot
// be written.
bool print_line(std::string_view program, std::string_view line);

// Prints the message where it belongs.
int leave_early(std::string_view program, const EarlyExit& exit);

// Writes to a pipe that nobody reads are errors, not the end of us; log lines go to standard error:
// warnings, from -v on what happens, from -vv on everything.
void set_up(std::string_view program, int verbosity);

}  // namespace ppspp::tools
