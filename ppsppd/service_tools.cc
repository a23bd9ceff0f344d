#include "service_tools.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace ppspp::daemon {
namespace {

template <typename T>
Result<void> take(const std::string& name, std::string_view what, std::optional<T> parsed,
                  T& into) {
  if (name.empty()) return {};
  if (!parsed) {
    return fail(Errc::invalid_argument, fmt::format("'{}' is no {} that is known", name, what));
  }
  into = *parsed;
  return {};
}

}  // namespace

SwarmLimits node_limits(const control::Limits& limits) {
  SwarmLimits result;
  result.total = {limits.upload, limits.download};
  result.per_peer = {limits.upload_per_peer, limits.download_per_peer};
  result.weight = limits.weight.value_or(result.weight);
  result.max_channels = limits.max_channels.value_or(0);
  return result;
}

Result<SwarmMetadata> metadata_of(const control::AddFile& file) {
  SwarmMetadata metadata;
  if (file.chunk_size) metadata.chunk_size = *file.chunk_size;
  auto taken = take(file.addressing, "chunk addressing", parse_chunk_addressing(file.addressing),
                    metadata.addressing);
  if (taken)
    taken = take(file.hash, "hash function", parse_hash_function(file.hash), metadata.hash);
  if (taken) {
    taken = take(file.integrity, "integrity method", parse_integrity_method(file.integrity),
                 metadata.integrity);
  }
  if (!taken) return tl::unexpected(taken.error());
  if (metadata.integrity != IntegrityMethod::merkle) {
    return fail(Errc::not_supported,
                fmt::format("the daemon publishes files with hashes (merkle), not with the "
                            "integrity method '{}': use ppspp-seed --integrity {} for such a swarm",
                            file.integrity, file.integrity));
  }
  if (metadata.chunk_size < kMinChunkSize || metadata.chunk_size > kMaxChunkSize) {
    return fail(Errc::invalid_argument,
                fmt::format("a chunk size of {} is not possible: from {} to {} octets",
                            metadata.chunk_size, kMinChunkSize, kMaxChunkSize));
  }
  return metadata;
}

std::vector<std::byte> authority_of(const control::AddRequest& request) {
  const auto key = SwarmId::from_hex(request.authority);
  if (!key) return {};
  return {key->octets().begin(), key->octets().end()};
}

void add_missing(std::vector<std::string>& all, const std::vector<std::string>& more) {
  for (const std::string& one : more) {
    if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
  }
}

std::string day_of(std::int64_t seconds_since_1970) {
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(static_cast<std::time_t>(seconds_since_1970)));
}

Result<AddressRules> rules_of(const Config::Access& access) {
  AddressRules rules;
  for (const auto& [names, networks] :
       {std::pair(&access.allow, &rules.allow), std::pair(&access.deny, &rules.deny)}) {
    for (const std::string& name : *names) {
      auto network = Network::parse(name);
      if (!network) return tl::unexpected(network.error());
      networks->push_back(*std::move(network));
    }
  }
  return rules;
}

}  // namespace ppspp::daemon
