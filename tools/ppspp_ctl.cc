#include "ctl.h"

int main(int argc, char** argv) {
  using namespace ppspp::tools;
  const auto command = parse_ctl_command(argc, argv);
  if (!command) return leave_early(kCtl, command.error());
  set_up(kCtl, 0);
  return run_ctl(*command);
}
