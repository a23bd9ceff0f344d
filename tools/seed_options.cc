#include "seed_options.h"

namespace ppspp::tools {

Parsed<SeedCommand> parse_seed_command(int argc, const char* const* argv) {
  SeedCommand command;
  std::string file;
  CommandLine line("ppspp-seed", "Seeds a file to the swarm that it makes (RFC 7574)", "FILE");
  line.app().add_option("FILE", file, "The file to seed")->required()->type_name("");
  line.add_listen(command.listen, "[::]:6778");
  line.add_swarm_options(command.swarm, false);
  line.add_peers(command.peers, "A peer to contact, repeatable");
  line.not_yet("--tracker", "URL", "A tracker to announce to, repeatable");
  line.add_rate("--upload-limit", command.upload_limit, "Bytes per second, with k, M or G");
  line.not_yet("--live", "", "The input is a live feed");
  line.not_yet("--key", "FILE", "Private key of the live feed");
  line.not_yet("--signature", "A", "Signature algorithm of the live feed", "ecdsap256sha256");
  line.not_yet("--chunks-per-signature", "N", "Chunks that are signed at once");
  line.not_yet("--discard-window", "N", "Chunks of the live feed that are kept");
  line.add_peers(command.advertise, "Put this peer into the printed URL, repeatable",
                 "--advertise");
  line.add_verbose(command.verbosity);
  if (auto exit = line.parse(argc, argv)) return tl::unexpected(*std::move(exit));
  if (file == "-") {
    return tl::unexpected(EarlyExit{
        kUsage, "standard input can only be a live feed, and --live is not yet available"});
  }
  command.file = file;
  return command;
}

}  // namespace ppspp::tools
