#include "command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>

#include "base/dnskey.h"
#include "metadata/text.h"
#include "ppspp/swarm_url.h"
#include "ppspp/thread_count.h"
#include "tracker/url.h"

namespace ppspp::tools {
namespace {

// --help: the option's names and value, and its default at the end of the description.
class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string positional) : positional_(std::move(positional)) {
    column_width(34);
  }

  std::string make_usage(const CLI::App* app, std::string) const override {
    const CLI::App* const outer = app->get_parent();
    return fmt::format("Usage: {}{} [OPTIONS]{}{}\n",
                       outer == nullptr ? "" : outer->get_name() + " ", app->get_name(),
                       positional_.empty() ? "" : " ", positional_);
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string value = option->get_type_name();
    if (value.starts_with("[=")) return value;
    return option->get_type_size() == 0 ? "" : " " + value;
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string value = option->get_default_str();
    if (value.empty()) return option->get_description();
    return fmt::format("{} (default: {})", option->get_description(), value);
  }

 private:
  std::string positional_;
};

Unexpected bad(std::string_view text, std::string_view right) {
  return fail(Errc::invalid_argument, fmt::format("'{}' is not {}", text, right));
}

template <typename T>
Result<void> assign(std::optional<T>& target, const std::optional<T>& value, std::string_view text,
                    std::string_view right) {
  if (!value) return bad(text, right);
  target = value;
  return {};
}

std::optional<std::uint32_t> parse_chunk_size(const std::string& text) {
  std::uint32_t size = 0;
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, size);
  if (error != std::errc{} || stop != end) return std::nullopt;
  if (size < kMinChunkSize || size > kMaxChunkSize) return std::nullopt;
  return size;
}

std::optional<double> parse_number(std::string_view text) {
  double number = 0;
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc{} || stop != end || !std::isfinite(number)) return std::nullopt;
  return number;
}

std::string first_line(std::string text) {
  text.resize(std::min(text.size(), text.find('\n')));
  return text;
}

// A key in hex, or the file that has it.
Result<std::vector<std::byte>> read_authority(const std::string& text) {
  constexpr std::size_t kLongest = 4'096;
  auto key = SwarmId::from_hex(text);
  if (!key) {
    std::ifstream file(text, std::ios::binary);
    if (!file) {
      return fail(Errc::invalid_argument,
                  fmt::format("'{}' is neither a key in hex nor a file that can be read", text));
    }
    std::string content(kLongest, '\0');
    file.read(content.data(), static_cast<std::streamsize>(content.size()));
    content.resize(static_cast<std::size_t>(file.gcount()));
    content.erase(content.find_last_not_of(" \t\r\n") + 1);
    key = SwarmId::from_hex(content);
  }
  if (!key || !parse_dnskey(key->octets())) {
    return fail(Errc::invalid_argument,
                fmt::format("'{}' has no public key: write to it what ppspp-tracker --print-ca "
                            "prints",
                            text));
  }
  return std::vector<std::byte>(key->octets().begin(), key->octets().end());
}

}  // namespace

Result<std::uint64_t> parse_rate(std::string_view text) {
  constexpr std::string_view kSuffixes = "kMG";
  std::string_view digits = text;
  double unit = 1;
  if (!text.empty()) {
    const char last = text.back() == 'K' ? 'k' : text.back();
    const auto suffix = kSuffixes.find(last);
    if (suffix != std::string_view::npos) {
      digits.remove_suffix(1);
      unit = std::pow(1024.0, static_cast<double>(suffix + 1));
    }
  }
  const auto number = parse_number(digits);
  if (!number || *number * unit < 1 || *number * unit > 1e18) {
    return bad(text, "a rate in bytes per second, such as 500k or 2M");
  }
  return static_cast<std::uint64_t>(*number * unit);
}

Result<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t count = 0;
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc{} || stop != end || count == 0) return bad(text, "a number, at least 1");
  return count;
}

Result<double> parse_seconds(std::string_view text) {
  const auto number = parse_number(text);
  if (!number || *number <= 0 || *number > 1e9) return bad(text, "a number of seconds");
  return *number;
}

std::optional<std::string> first_used(const std::vector<CLI::Option*>& options) {
  const auto used = std::find_if(options.begin(), options.end(),
                                 [](const CLI::Option* option) { return option->count() > 0; });
  if (used == options.end()) return std::nullopt;
  return (*used)->get_name();
}

void SwarmOptions::apply_to(SwarmMetadata& metadata) const {
  if (chunk_size) metadata.chunk_size = *chunk_size;
  if (addressing) metadata.addressing = *addressing;
  if (hash) metadata.hash = *hash;
  if (integrity) metadata.integrity = *integrity;
  if (!authority.empty()) metadata.authority = authority;
}

CommandLine::CommandLine(std::string name, std::string purpose, std::string positional)
    : owned_(std::make_unique<CLI::App>(std::move(purpose), name)), app_(owned_.get()) {
  app_->formatter(std::make_shared<HelpFormatter>(std::move(positional)));
  app_->set_help_flag("--help,-h", "Print this help");
  app_->set_version_flag("--version", fmt::format("{} {}", name, PPSPP_VERSION),
                         "Print the version");
  app_->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
}

CommandLine::CommandLine(CommandLine& outer, std::string name, std::string purpose,
                         std::string positional)
    : app_(outer.app_->add_subcommand(name, std::move(purpose))) {
  app_->formatter(std::make_shared<HelpFormatter>(std::move(positional)));
}

CLI::Option* CommandLine::option(const std::string& names, const std::string& value, Take take,
                                 const std::string& description, const std::string& default_value) {
  const std::string shown = names.substr(names.rfind(',') + 1);
  return app_
      ->add_option_function<std::string>(
          names,
          [take = std::move(take), shown](const std::string& text) {
            if (const auto taken = take(text); !taken) {
              throw CLI::ValidationError(shown, taken.error().context);
            }
          },
          description)
      ->type_name(value)
      ->default_str(default_value);
}

CLI::Option* CommandLine::repeatable(const std::string& names, const std::string& value, Take take,
                                     const std::string& description,
                                     const std::string& default_value) {
  const std::string shown = names.substr(names.rfind(',') + 1);
  return app_
      ->add_option_function<std::vector<std::string>>(
          names,
          [take = std::move(take), shown](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              const auto taken = take(text);
              if (!taken) throw CLI::ValidationError(shown, taken.error().context);
            }
          },
          description)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name(value)
      ->default_str(default_value);
}

CLI::Option* CommandLine::flag(const std::string& names, bool& target,
                               const std::string& description) {
  return app_->add_flag(names, target, description);
}

void CommandLine::add_listen(std::vector<TransportAddress>& target,
                             const std::string& default_value) {
  repeatable(
      "-l,--listen", "ADDR:PORT",
      [&target](const std::string& text) -> Result<void> {
        const auto address = TransportAddress::parse(text);
        if (!address) return tl::unexpected(address.error());
        target.push_back(*address);
        return {};
      },
      "UDP address to use, one for each IP version; [::] means both, port 0 any port",
      default_value);
}

void CommandLine::add_swarm_options(SwarmOptions& target, bool for_url) {
  const auto standard = [for_url](std::string value) {
    return for_url ? std::string("as the URL says") : value;
  };
  option(
      "--chunk-size", "N",
      [&target](const std::string& text) {
        return assign(target.chunk_size, parse_chunk_size(text), text,
                      "a chunk size from 512 to 65000 bytes");
      },
      "Chunk size in bytes", standard("1024"));
  option(
      "--addressing", "M",
      [&target](const std::string& text) {
        return assign(target.addressing, parse_chunk_addressing(text), text,
                      "one of bin32, byte64, chunk32, bin64, chunk64");
      },
      "Chunk addressing: bin32, byte64, chunk32, bin64 or chunk64", standard("chunk32"));
  option(
      "--hash", "F",
      [&target](const std::string& text) {
        return assign(target.hash, parse_hash_function(text), text,
                      "one of sha1, sha224, sha256, sha384, sha512");
      },
      "Hash function: sha1, sha224, sha256, sha384 or sha512", standard("sha256"));
  option(
      "--integrity", "M",
      [&target](const std::string& text) {
        return assign(target.integrity, parse_integrity_method(text), text,
                      "one of none, merkle, sign-all, unified-merkle");
      },
      "Integrity protection: merkle or none; of a live feed, unified-merkle or sign-all",
      standard("merkle, or unified-merkle with --live"));
  option(
      "--authority", "KEY|FILE",
      [&target](const std::string& text) {
        return read_authority(text).map([&](auto key) { target.authority = std::move(key); });
      },
      "The tracker that certifies peers: what ppspp-tracker --print-ca prints, or a file with it",
      standard("none"));
}

void CommandLine::add_peers(std::vector<std::string>& target, const std::string& description,
                            const std::string& names) {
  repeatable(
      names, "HOST:PORT",
      [&target](const std::string& text) -> Result<void> {
        const auto peer = HostPort::parse(text);
        if (!peer) return tl::unexpected(peer.error());
        if (peer->port == 0) return bad(text, "a peer: its port is 0");
        target.push_back(text);
        return {};
      },
      description);
}

void CommandLine::add_local_discovery(bool& off, LocalMeans& means) {
  option(
      "--local-discovery", "MEANS",
      [&means](const std::string& text) -> Result<void> {
        const auto parsed = parse_local_means(text);
        if (!parsed) return bad(text, "one of any, dns-sd, multicast");
        means = *parsed;
        return {};
      },
      "Find peers on the local network by dns-sd, multicast or any of them", "any");
  flag("--no-local-discovery", off, "Do not look for peers on the local network");
}

void CommandLine::add_pex(bool& off) {
  flag("--no-pex", off, "Do not ask peers for others, nor tell them of others");
}

void CommandLine::add_tracker_urls(std::vector<std::string>& urls, const std::string& description) {
  repeatable(
      "--tracker", "URL",
      [&urls](const std::string& text) -> Result<void> {
        const auto url = tracker::Url::parse(text);
        if (!url) return tl::unexpected(url.error());
        urls.push_back(url->to_string());
        return {};
      },
      description);
}

void CommandLine::add_trackers(std::vector<std::string>& urls, std::string& ca,
                               const std::string& description) {
  add_tracker_urls(urls, description);
  app_->add_option("--tracker-ca", ca,
                   "A PEM file of certificates that trackers with https may have, besides those "
                   "that the system trusts")
      ->type_name("FILE");
}

CLI::Option* CommandLine::add_rate(const std::string& names, std::optional<std::uint64_t>& target,
                                   const std::string& description) {
  return option(
      names, "RATE",
      [&target](const std::string& text) -> Result<void> {
        const auto rate = parse_rate(text);
        if (!rate) return tl::unexpected(rate.error());
        target = *rate;
        return {};
      },
      description);
}

CLI::Option* CommandLine::add_signature(std::optional<SignatureAlgorithm>& target,
                                        const std::string& description,
                                        const std::string& default_value) {
  return option(
      "--signature", "A",
      [&target](const std::string& text) {
        return assign(target, parse_signature_algorithm(text), text,
                      "one of rsasha1, rsasha256, ecdsap256sha256, ecdsap384sha384, ed25519");
      },
      description + ": rsasha1, rsasha256, ecdsap256sha256, ecdsap384sha384 or ed25519",
      default_value);
}

CLI::Option* CommandLine::add_threads(unsigned& target) {
  return option(
      "--threads", "N",
      [&target](const std::string& text) -> Result<void> {
        const auto count = parse_decimal<unsigned>(text);
        if (!count || *count > kMaxThreads) {
          return bad(text, fmt::format("a number of threads from 1 to {}, or 0 for as many as are "
                                       "of use on this machine",
                                       kMaxThreads));
        }
        target = *count;
        return {};
      },
      "Threads that move content; 0: as many as are of use", "0");
}

CLI::Option* CommandLine::add_daemon(std::string& target, const std::string& description) {
  return app_->add_flag("--daemon", target, description)->type_name("[=SOCKET]");
}

void CommandLine::add_config(std::filesystem::path& file, const std::string& description,
                             const std::string& default_value) {
  option(
      "--config", "FILE",
      [&file](const std::string& text) -> Result<void> {
        if (text.empty()) return fail(Errc::invalid_argument, "needs the name of a file");
        file = text;
        return {};
      },
      description, default_value);
}

void CommandLine::add_config_modes(bool& check, bool& print) {
  flag("--check", check, "Check the configuration, and say nothing if it is right");
  flag("--print-config", print, "Print the configuration that is in force, with all defaults");
}

void CommandLine::add_verbose(int& target) {
  app_->add_flag("-v,--verbose", target, "Say more on standard error; twice: everything");
}

std::optional<EarlyExit> CommandLine::parse(int argc, const char* const* argv) {
  try {
    app_->parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    return EarlyExit{kDone, app_->help()};
  } catch (const CLI::CallForVersion& version) {
    return EarlyExit{kDone, std::string(version.what()) + "\n"};
  } catch (const CLI::ValidationError& error) {
    return EarlyExit{kUsage, first_line(error.what())};
  } catch (const CLI::ParseError& error) {
    return EarlyExit{kUsage,
                     fmt::format("{} (try {} --help)", first_line(error.what()), app_->get_name())};
  }
}

}  // namespace ppspp::tools
