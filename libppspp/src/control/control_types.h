// What is asked of the daemon and what it answers, as types; json.h turns them into JSON and back.
// No socket here, and nothing of Boost.JSON.
//
// In JSON every member has the name that it has here; absent optionals are left out; enums are
// their names; rates are octets per second, times are seconds since 1970 (UTC), durations seconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ppspp::control {

enum class SwarmKind : std::uint8_t { file, download, feed, live, directory };
// file: seeded from where it lies. download: fetched by URL, static. feed: a live source of ours.
// live: a live swarm that we follow and relay. directory: a bundle of files made by the daemon.

enum class SwarmState : std::uint8_t {
  hashing,  // being added: it has no ID yet
  opening,  // an interrupted download is being checked
  downloading,
  seeding,  // complete; also when nobody asks and it sleeps
  live,
  paused,
  scheduled,  // opens at opens_at (controlled release)
  failed,     // `error` says why; resume tries again
};

// The names in JSON, query strings and tables: "download", "seeding".
std::string_view to_string(SwarmKind kind);
std::string_view to_string(SwarmState state);
std::optional<SwarmKind> parse_swarm_kind(std::string_view name);
std::optional<SwarmState> parse_swarm_state(std::string_view name);

struct Limits {  // absent: no limit of its own
  std::optional<std::uint64_t> upload;
  std::optional<std::uint64_t> download;
  std::optional<std::uint64_t> upload_per_peer;
  std::optional<std::uint64_t> download_per_peer;
  std::optional<std::uint32_t> weight;  // 1 to 10,000; default 100
  std::optional<std::uint32_t> max_channels;
  friend bool operator==(const Limits&, const Limits&) = default;
};

struct TrackerInfo {
  std::string url;
  std::string state;                     // idle, registering, working, failing
  std::string error;                     // of `failing`
  bool announced = false;                // it knows the swarm
  std::optional<std::uint64_t> next_in;  // seconds until it is asked or told something
  friend bool operator==(const TrackerInfo&, const TrackerInfo&) = default;
};

struct SwarmInfo {
  std::uint64_t number = 0;  // the daemon's own, never reused; stays over restarts
  std::string id;            // swarm ID in hex; empty while hashing
  std::string url;           // empty while hashing
  std::string name;
  std::string label;  // free text, for filters and bills
  SwarmKind kind = SwarmKind::file;
  SwarmState state = SwarmState::hashing;
  bool sleeping = false;                // costs nothing until somebody asks
  std::string error;                    // of `failed`, or a warning (content changed)
  std::string path;                     // where the content lies; empty: in temporary space
  std::optional<std::uint64_t> length;  // octets
  std::uint64_t verified = 0;           // octets; while hashing: octets hashed so far
  std::uint64_t uploaded = 0;           // content octets, since it was added
  std::uint64_t downloaded = 0;
  std::uint64_t upload_rate = 0;
  std::uint64_t download_rate = 0;
  std::uint64_t chunks_rejected = 0;
  std::size_t channels = 0;
  std::size_t readers = 0;  // of the gateway
  Limits limits;
  std::int64_t added_at = 0;
  std::optional<std::int64_t> completed_at;
  std::optional<std::int64_t> opens_at;
  std::optional<std::vector<TrackerInfo>> trackers;  // where one swarm is asked for, not in lists
  friend bool operator==(const SwarmInfo&, const SwarmInfo&) = default;
};

struct SwarmQuery {
  std::optional<SwarmKind> kind;
  std::optional<SwarmState> state;
  std::string label;        // equal
  std::string text;         // contained in name, path or ID
  std::uint64_t after = 0;  // numbers above it
  std::size_t limit = 100;  // 1 to 1,000
  friend bool operator==(const SwarmQuery&, const SwarmQuery&) = default;
};
struct SwarmPage {
  std::vector<SwarmInfo> swarms;      // by number, ascending
  std::size_t total = 0;              // that match, over all pages
  std::optional<std::uint64_t> next;  // the next page's `after`
  friend bool operator==(const SwarmPage&, const SwarmPage&) = default;
};

struct AddFile {     // also a directory
  std::string path;  // absolute
  std::optional<std::uint32_t> chunk_size;
  std::string addressing;  // names as in URLs; empty: default
  std::string hash;
  std::string integrity;
  friend bool operator==(const AddFile&, const AddFile&) = default;
};
struct AddUrl {
  std::string url;
  std::string output;  // absolute path; empty: <state>/content/<file name>
  bool force = false;
  friend bool operator==(const AddUrl&, const AddUrl&) = default;
};
struct AddLive {                      // a feed of ours
  std::string input;                  // udp://ADDR:PORT, or file:PATH
  std::optional<std::uint64_t> pace;  // octets per second, for file:
  std::string key;  // absolute path of the PEM file; empty: made in the state directory
  std::string signature;
  std::optional<std::uint32_t> chunk_size;
  std::optional<std::uint32_t> chunks_per_signature;
  std::optional<std::uint64_t> discard_window;
  friend bool operator==(const AddLive&, const AddLive&) = default;
};
struct AddRequest {
  std::optional<AddFile> file;  // exactly one of the three
  std::optional<AddUrl> url;
  std::optional<AddLive> live;
  std::string name;
  std::string label;
  std::vector<std::string> peers;     // HOST:PORT
  std::vector<std::string> trackers;  // URLs, besides those of the URL and of the configuration
  // The key of who certifies peers, as `ca` in URLs; of files and feeds. Empty: nobody does.
  std::string authority;
  Limits limits;
  bool paused = false;
  std::optional<std::int64_t> opens_at;
  friend bool operator==(const AddRequest&, const AddRequest&) = default;
};
struct ChangeRequest {  // PATCH: only what is there changes
  std::optional<std::string> name;
  std::optional<std::string> label;
  std::optional<Limits> limits;          // replaces all of them
  std::optional<std::int64_t> opens_at;  // 0: at once
  friend bool operator==(const ChangeRequest&, const ChangeRequest&) = default;
};

struct PeerRequest {    // POST /v1/swarms/{ref}/peers
  std::string address;  // HOST:PORT
  friend bool operator==(const PeerRequest&, const PeerRequest&) = default;
};

struct PeerInfo {
  std::string address;  // 192.0.2.1:6778
  std::string state;    // connecting, established, closing
  bool inbound = false;
  bool complete = false;
  bool choked = false;         // it chokes us
  double available = 0;        // share of the content that it has, 0 to 1
  std::uint64_t uploaded = 0;  // content octets to it
  std::uint64_t downloaded = 0;
  std::uint64_t upload_rate = 0;
  std::uint64_t download_rate = 0;
  std::uint64_t window = 0;  // LEDBAT's, octets
  std::uint64_t flight_size = 0;
  std::uint64_t datagram_size = 0;
  double rtt_ms = 0;
  double queueing_delay_ms = 0;
  double base_delay_ms = 0;
  std::uint64_t requested_chunks = 0;  // we of it
  std::uint64_t queued_chunks = 0;     // it of us
  std::uint64_t chunks_rejected = 0;
  std::int64_t connected_at = 0;
  friend bool operator==(const PeerInfo&, const PeerInfo&) = default;
};

struct Availability {  // of our own content
  std::uint64_t chunks = 0;
  std::string map;  // base64 of one octet for each bucket: 0 nothing to 255 all
  std::size_t buckets = 0;
  friend bool operator==(const Availability&, const Availability&) = default;
};

struct GlobalLimits {
  std::optional<std::uint64_t> upload;  // as configured or set by the API
  std::optional<std::uint64_t> download;
  std::optional<std::uint64_t> upload_per_peer;
  std::optional<std::uint64_t> download_per_peer;
  std::string schedule;  // name of the schedule entry in force, read only; empty: none
  std::optional<std::uint64_t> upload_now;  // in force, read only
  std::optional<std::uint64_t> download_now;
  friend bool operator==(const GlobalLimits&, const GlobalLimits&) = default;
};

struct LimitsChange {  // PATCH /v1/limits: only what is there changes; null: no limit any more
  using Change = std::optional<std::optional<std::uint64_t>>;
  Change upload;
  Change download;
  Change upload_per_peer;
  Change download_per_peer;
  friend bool operator==(const LimitsChange&, const LimitsChange&) = default;
};

struct BanInfo {
  std::string network;  // 192.0.2.0/24, 2001:db8::1
  std::string reason;
  bool automatic = false;             // for faults
  std::optional<std::int64_t> until;  // absent: for good
  friend bool operator==(const BanInfo&, const BanInfo&) = default;
};
struct BanRequest {
  std::string network;
  std::string reason;
  std::optional<std::uint64_t> seconds;
  friend bool operator==(const BanRequest&, const BanRequest&) = default;
};

struct AccountEntry {  // GET /v1/accounts: one day (UTC) of one swarm
  std::uint64_t number = 0;
  std::string id;
  std::string name;
  std::string label;
  std::string day;  // 2026-11-21
  std::uint64_t uploaded = 0;
  std::uint64_t downloaded = 0;
  friend bool operator==(const AccountEntry&, const AccountEntry&) = default;
};
struct AccountQuery {
  static constexpr std::size_t kMost = 10'000;
  std::string from, to;  // days, both included; empty: without that bound
  std::optional<std::string> label;
  std::string after_day;  // behind this entry
  std::uint64_t after_number = 0;
  std::size_t limit = 1'000;  // 1 to kMost
};
struct AccountPage {
  std::vector<AccountEntry> accounts;  // by day and number
  std::optional<std::string> next;     // the next page's `after`
  friend bool operator==(const AccountPage&, const AccountPage&) = default;
};

struct DaemonInfo {  // GET /v1
  std::string version;
  std::int64_t started_at = 0;
  std::vector<std::string> listen;  // UDP
  std::string gateway;              // http://127.0.0.1:8778, empty: off
  std::string state_directory;
  std::size_t swarms = 0;
  std::size_t channels = 0;
  std::uint64_t upload_rate = 0;
  std::uint64_t download_rate = 0;
  std::uint64_t uploaded = 0;  // over all time
  std::uint64_t downloaded = 0;
  friend bool operator==(const DaemonInfo&, const DaemonInfo&) = default;
};

struct LogEntry {  // GET /v1/log
  std::int64_t at = 0;
  std::string level;  // error, warning, notice, info, debug
  std::string message;
  friend bool operator==(const LogEntry&, const LogEntry&) = default;
};

// GET /v1/events: server-sent events, `event:` is the type, `data:` one JSON object.
struct Event {
  std::string
      type;  // added, changed, removed, completed, failed, peer_banned, limits, log, lagging
  std::optional<SwarmInfo> swarm;
  std::string message;  // of log, failed, peer_banned
  std::string level;    // of log: error, warning, notice, info, debug
  std::int64_t at = 0;
  friend bool operator==(const Event&, const Event&) = default;
};

}  // namespace ppspp::control
