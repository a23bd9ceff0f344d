// Options that several programs take, their values, and how --help looks.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ppspp/local_means.h"
#include "ppspp/signature_algorithm.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/transport_address.h"
#include "program.h"

namespace ppspp::tools {

// "100", "64k", "1.5M": octets, with suffixes that are powers of 1024.
Result<std::uint64_t> parse_rate(std::string_view text);
// A number of things, at least 1.
Result<std::uint64_t> parse_count(std::string_view text);
// Seconds, with a fraction or without, more than 0.
Result<double> parse_seconds(std::string_view text);

// "--name" of the first of `options` that the command line has.
std::optional<std::string> first_used(const std::vector<CLI::Option*>& options);

// How the swarm is described; only what was given.
struct SwarmOptions {
  std::optional<std::uint32_t> chunk_size;
  std::optional<ChunkAddressing> addressing;
  std::optional<HashFunction> hash;
  std::optional<IntegrityMethod> integrity;
  std::vector<std::byte> authority;  // as in SwarmMetadata; empty: not given

  void apply_to(SwarmMetadata& metadata) const;
  // "No integrity protection" with peers anywhere: only if it was asked for by name.
  bool allow_unprotected() const { return integrity == IntegrityMethod::none; }
};

class CommandLine {
 public:
  // `positional` as it stands in the usage line.
  CommandLine(std::string name, std::string purpose, std::string positional);
  // A command of a program that has several: its options stand behind its name. `outer` outlives
  // it.
  CommandLine(CommandLine& outer, std::string name, std::string purpose, std::string positional);

  CLI::App& app() { return *app_; }

  // An option whose value `take` understands, or says in an Error why not.
  using Take = std::function<Result<void>(const std::string&)>;
  CLI::Option* option(const std::string& names, const std::string& value, Take take,
                      const std::string& description, const std::string& default_value = "");
  CLI::Option* repeatable(const std::string& names, const std::string& value, Take take,
                          const std::string& description, const std::string& default_value = "");
  CLI::Option* flag(const std::string& names, bool& target, const std::string& description);

  void add_listen(std::vector<TransportAddress>& target, const std::string& default_value);
  void add_swarm_options(SwarmOptions& target, bool for_url);
  void add_peers(std::vector<std::string>& target, const std::string& description,
                 const std::string& names = "--peer");
  void add_local_discovery(bool& off, LocalMeans& means);
  void add_pex(bool& off);
  void add_tracker_urls(std::vector<std::string>& urls, const std::string& description);
  // --tracker and --tracker-ca; `description` of the former.
  void add_trackers(std::vector<std::string>& urls, std::string& ca,
                    const std::string& description);
  CLI::Option* add_rate(const std::string& names, std::optional<std::uint64_t>& target,
                        const std::string& description);
  CLI::Option* add_signature(std::optional<SignatureAlgorithm>& target,
                             const std::string& description, const std::string& default_value);
  // --daemon[=SOCKET]; the value is always behind an equals sign, so that a file may follow.
  CLI::Option* add_daemon(std::string& target, const std::string& description);
  CLI::Option* add_threads(unsigned& target);
  void add_verbose(int& target);
  // Of a service: --config, and --check and --print-config, which end it.
  void add_config(std::filesystem::path& file, const std::string& description,
                  const std::string& default_value);
  void add_config_modes(bool& check, bool& print);

  // Nothing, or how the program ends right away.
  std::optional<EarlyExit> parse(int argc, const char* const* argv);

 private:
  std::unique_ptr<CLI::App> owned_;  // nothing of a command
  CLI::App* app_;
};

}  // namespace ppspp::tools
