// control_types.h to JSON text and back (Boost.JSON inside, none in this header).
//
// Reading is strict: an unknown member of a request, a wrong type, a value out of range or one that
// makes no sense is an Error that names the member (Errc::invalid_argument). Members of an answer
// that are not known are left out: they are those of a newer daemon. Requests have at most 1 MiB,
// answers 64 MiB; depth and the number of elements are bounded as well. Writing makes valid UTF-8
// of whatever the strings hold. No function throws or keeps state, so any thread may call them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/control_types.h"
#include "ppspp/result.h"

namespace ppspp::control {

inline constexpr std::size_t kMaxRequestSize = std::size_t{1} << 20;
inline constexpr std::size_t kMaxReplySize = std::size_t{64} << 20;

// Requests.
std::string to_json(const AddRequest& request);
std::string to_json(const ChangeRequest& request);
std::string to_json(const BanRequest& request);
std::string to_json(const PeerRequest& request);
std::string to_json(const Limits& limits);
std::string to_json(const LimitsChange& change);
// Answers. Lists are objects with one member: {"peers":[...]}, {"bans":[...]}, {"log":[...]}.
std::string to_json(const SwarmInfo& swarm);
std::string to_json(const SwarmPage& page);
std::string to_json(const std::vector<PeerInfo>& peers);
std::string to_json(const Availability& availability);
std::string to_json(const GlobalLimits& limits);
std::string to_json(const std::vector<BanInfo>& bans);
std::string to_json(const BanInfo& ban);
std::string to_json(const AccountPage& page);
std::string to_json(const std::vector<LogEntry>& log);
std::string to_json(const DaemonInfo& info);
std::string to_json(const Event& event);

// For the types that to_json() takes. A member of a request that is not there has its default,
// except those without which it says nothing (path, url, input, network, address); an answer has
// all of its members but the optional ones.
template <typename T>
Result<T> from_json(std::string_view text);

// `limits` with what changes.
GlobalLimits apply(GlobalLimits limits, const LimitsChange& change);

// {"error":{"code":"not_found","message":"..."}}: code is the name of the Errc.
std::string error_json(const Error& error);
Result<Error> error_from_json(std::string_view text);

// The query of GET /v1/swarms, from decoded pairs (?state=seeding&limit=10...). Unknown and
// repeated names are errors.
Result<SwarmQuery> swarm_query(const std::vector<std::pair<std::string, std::string>>& parameters);
// And back: "state=seeding&limit=10", percent-encoded; what is as by default is left out.
std::string to_query_string(const SwarmQuery& query);

}  // namespace ppspp::control
