// Small conversions between what the catalogue, the API and the node call things.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "catalogue.h"
#include "config.h"
#include "control/control_types.h"
#include "ppspp/ppspp.h"

namespace ppspp::daemon {

SwarmLimits node_limits(const control::Limits& limits);

// Whether the record's path is a file or directory of its own, and not the input of a feed.
inline bool holds_path(const SwarmRecord& record) {
  return !record.path.empty() && record.kind != control::SwarmKind::feed;
}

// How a file is to be cut and hashed. Errors: names that do not exist, what does not fit together.
Result<SwarmMetadata> metadata_of(const control::AddFile& file);
// AddRequest::authority, which was checked.
std::vector<std::byte> authority_of(const control::AddRequest& request);
void add_missing(std::vector<std::string>& all, const std::vector<std::string>& more);

Result<AddressRules> rules_of(const Config::Access& access);

// "2026-11-21" (UTC).
std::string day_of(std::int64_t seconds_since_1970);

}  // namespace ppspp::daemon
