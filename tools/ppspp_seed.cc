#include "seed.h"

int main(int argc, char** argv) {
  using namespace ppspp::tools;
  const auto command = parse_seed_command(argc, argv);
  if (!command) return leave_early("ppspp-seed", command.error());
  set_up("ppspp-seed", command->verbosity);
  return run_seed(*command);
}
