#include "get.h"

int main(int argc, char** argv) {
  using namespace ppspp::tools;
  const auto command = parse_get_command(argc, argv);
  if (!command) return leave_early("ppspp-get", command.error());
  set_up("ppspp-get", command->verbosity);
  return run_get(*command);
}
