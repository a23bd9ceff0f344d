// ppspp-sim: swarms of the real core in virtual time.
#include <CLI/CLI.hpp>

#include "sim/scaling.h"

int main(int argc, char** argv) {
  using namespace ppspp::sim;
  CLI::App app("Swarms of the real protocol core in one process and in virtual time", "ppspp-sim");
  app.require_subcommand(1);

  ScalingOptions scaling;
  CLI::App* scale = app.add_subcommand(
      "scaling", "The time until everybody has a file, next to what the links allow");
  scale->add_option("--peers", scaling.peers, "Leechers that join at once")->capture_default_str();
  scale->add_option("--seed", scaling.seed, "Equal seeds give equal runs")->capture_default_str();
  scale->add_option("--upload", scaling.upload, "Octets per second of every uplink (k, M)")
      ->transform(CLI::AsSizeValue(true))
      ->capture_default_str();
  scale->add_option("--size", scaling.size, "Octets of the file (k, M; ki, Mi)")
      ->transform(CLI::AsSizeValue(true))
      ->capture_default_str();
  scale->add_option("--chunk-size", scaling.chunk_size, "Octets")->capture_default_str();
  scale->add_option("--churn", scaling.churn, "Percent of the leechers replaced each minute")
      ->capture_default_str();
  scale->add_option("--neighbours", scaling.neighbours, "Addresses that the tracker names")
      ->capture_default_str();
  scale->add_option("--limit", scaling.limit, "Seconds of virtual time")->capture_default_str();
  scale->add_flag("--verbose", scaling.verbose, "A line on stderr for each ten seconds");

  CLI11_PARSE(app, argc, argv);
  if (*scale) return run_scaling(scaling);
  return 2;
}
