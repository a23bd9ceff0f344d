// The messages between peers and trackers (RFC 7846, PPSTP version 1), as types.
//
// Names are those of the RFC. What the RFC does not define, and other trackers and peers therefore
// ignore (4.4), is marked "extension".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ppspp/transport_address.h"

namespace ppspp::tracker {

inline constexpr std::uint64_t kVersion = 1;
inline constexpr std::string_view kMediaType = "application/ppsp-tracker+json";
inline constexpr std::string_view kPeerProtocol = "PPSP-PP";  // PeerAddress::peer_protocol

// Bounds of what is read: what goes beyond makes a request incorrectly formed, and is left out of a
// response. Also those of what is to be written.
inline constexpr std::size_t kMaxRequestSize = std::size_t{256} << 10;
inline constexpr std::size_t kMaxResponseSize = std::size_t{2} << 20;
inline constexpr std::size_t kMaxSwarmActions = 128;       // in a CONNECT; results of a response
inline constexpr std::size_t kMaxPeerAddresses = 16;       // in a CONNECT
inline constexpr std::size_t kMaxStats = 128;              // in a STAT_REPORT
inline constexpr std::size_t kMaxPeers = 1'024;            // in a response, over all its swarms
inline constexpr std::uint32_t kMaxPeerCount = 29;         // "should be less than 30" (3.2.2)
inline constexpr std::size_t kMaxIdSize = 128;             // octets of peer and transaction IDs
inline constexpr std::size_t kMaxSwarmIdSize = 2'048;      // octets of a swarm ID: hex of SwarmId's
inline constexpr std::size_t kMaxCertificateSize = 2'048;  // octets of DER
inline constexpr std::size_t kMaxCertificates = 4;         // of one peer in one swarm
inline constexpr std::size_t kMaxTextSize = 256;           // octets of everything else

using Octets = std::vector<std::byte>;

// --- Elements (3.2)

enum class Action : std::uint8_t { join, leave };
enum class PeerMode : std::uint8_t { seeder, leech };
enum class NatAbility : std::uint8_t { none, stun, turn };
enum class AddressType : std::uint8_t { host, reflexive, proxy };
enum class Connection : std::uint8_t { wireless, wired };

// ppsp_tp_peer_num_t: how many peers are wanted, and what the asking peer is.
struct PeerNum {
  std::uint32_t peer_count = kMaxPeerCount;
  std::optional<NatAbility> ability_nat = {};
  std::optional<std::uint64_t> concurrent_links = {};
  std::optional<std::uint64_t> online_time = {};       // seconds
  std::optional<std::uint64_t> upload_bandwidth = {};  // Kbit/s
  friend bool operator==(const PeerNum&, const PeerNum&) = default;
};

// ppsp_tp_peer_addr_t.
struct PeerAddress {
  TransportAddress address;
  std::uint64_t priority = 0;       // the larger, the higher
  std::optional<AddressType> type;  // always there by 3.2.4, but not in the examples
  std::optional<Connection> connection = {};
  std::string asn = {};            // empty: not said
  std::string peer_protocol = {};  // empty: not said
  friend bool operator==(const PeerAddress&, const PeerAddress&) = default;
};

// ppsp_tp_peer_info_t. A peer with several addresses is listed once for each.
struct PeerInfo {
  std::string peer_id;
  PeerAddress address;
  Octets certificate = {};  // extension: its membership certificate (RFC 7574, 12.2.2). Or empty
  friend bool operator==(const PeerInfo&, const PeerInfo&) = default;
};

// ppsp_tp_swarm_action_t. Swarm IDs of PPSPP are written in lower-case hex.
struct SwarmAction {
  std::string swarm_id;
  Action action = Action::join;
  PeerMode mode = PeerMode::leech;
  // Extension: the peer asks for a membership certificate (RFC 7574, 12.2.2), with the PKCS#10
  // request in DER; one without octets leaves the key to the tracker. Absent: it does not ask.
  std::optional<Octets> certificate_request = {};
  // Extension: what the swarm's URL says of it behind '?', "cs=8192&mhf=sha1", so that the tracker
  // can begin a handshake that the peer answers. Empty: the defaults.
  std::string url_options = {};
  friend bool operator==(const SwarmAction&, const SwarmAction&) = default;
};

// stream_stats.
struct StreamStats {
  std::string swarm_id;
  std::uint64_t uploaded_bytes = 0;
  std::uint64_t downloaded_bytes = 0;
  std::uint64_t available_bandwidth = 0;  // of upload, now; the RFC says no unit: octets per second
  std::uint64_t concurrent_links = 0;
  friend bool operator==(const StreamStats&, const StreamStats&) = default;
};

// --- Requests (3.3.3)

struct Connect {
  std::optional<PeerNum> peer_num = {};
  std::vector<PeerAddress> addresses = {};
  std::vector<SwarmAction> actions;
  friend bool operator==(const Connect&, const Connect&) = default;
};

struct Find {
  std::string swarm_id;
  std::optional<PeerNum> peer_num = {};
  friend bool operator==(const Find&, const Find&) = default;
};

// Without statistics it keeps the registration alive (4.1.3).
struct StatReport {
  std::vector<StreamStats> stats = {};
  friend bool operator==(const StatReport&, const StatReport&) = default;
};

struct Request {
  std::string transaction_id;
  std::string peer_id;
  std::variant<Connect, Find, StatReport> data;
  friend bool operator==(const Request&, const Request&) = default;
};

// --- Responses (3.3.4)

// Table 9.
enum class ErrorCode : std::uint8_t {
  none = 0,
  bad_request = 1,
  unsupported_version = 2,
  forbidden_action = 3,
  internal_error = 4,
  service_unavailable = 5,
  authentication_required = 6,
};
std::string_view to_string(ErrorCode code);  // "Bad Request", as in Table 9

// ppsp_tp_swarm_action_result_t.
struct SwarmResult {
  std::string swarm_id;
  bool successful = true;                           // result 0; otherwise 1
  std::optional<std::vector<PeerInfo>> peers = {};  // peer_group; there in every answer to a FIND
  // Extension: membership certificates of the peer that asks, one for each of its addresses.
  std::vector<Octets> certificates = {};
  friend bool operator==(const SwarmResult&, const SwarmResult&) = default;
};

struct Response {
  std::string transaction_id;
  // SUCCESSFUL with `none`, FAILED with all others.
  ErrorCode error = ErrorCode::none;
  std::optional<PeerAddress> peer_address = {};  // of the peer that asks, as the tracker sees it
  std::vector<SwarmResult> results = {};
  // Extension: seconds until the next STAT_REPORT is expected.
  std::optional<std::uint32_t> interval = {};
  std::string message = {};  // extension: what is wrong, for a person. Or empty
  friend bool operator==(const Response&, const Response&) = default;
};

}  // namespace ppspp::tracker
