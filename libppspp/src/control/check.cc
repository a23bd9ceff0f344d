#include "control/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <string_view>

#include "base/dnskey.h"
#include "metadata/text.h"
#include "ppspp/signature_algorithm.h"
#include "ppspp/swarm_url.h"

namespace ppspp::control {
namespace {

constexpr std::uint64_t kMaxRate = 1'000'000'000'000'000'000;
constexpr std::uint32_t kMaxWeight = 10'000;
constexpr std::size_t kMaxPeers = 1'000;
constexpr std::size_t kMaxTrackers = 16;
constexpr std::size_t kMaxTrackerUrl = 2'048;
constexpr std::size_t kMaxWords = 1'000;               // octets of a name, a label or a reason
constexpr std::size_t kMaxPath = 4'095;                // octets; the system's own limit
constexpr std::size_t kMaxUrl = 65'536;                // as SwarmUrl
constexpr std::uint64_t kMaxSeconds = 10'000'000'000;  // three centuries

Unexpected wrong(std::string_view member, std::string_view what) {
  return fail(Errc::invalid_argument, fmt::format("{}: {}", member, what));
}

// Checks in a row: the first that fails is the one that is told.
class Checks {
 public:
  void that(bool condition, std::string_view member, std::string_view what) {
    if (result_ && !condition) result_ = wrong(member, what);
  }

  template <typename T>
  void range(std::string_view member, const std::optional<T>& value, std::uint64_t lowest,
             std::uint64_t highest, std::string_view otherwise = "") {
    if (!result_ || !value || (*value >= lowest && *value <= highest)) return;
    result_ = wrong(member, fmt::format("{} is not a number from {} to {}{}", *value, lowest,
                                        highest, otherwise));
  }

  // One line, not too long, with nothing in it that steers a terminal or ends a C string.
  void words(std::string_view member, std::string_view text, std::size_t longest = kMaxWords) {
    that(text.size() <= longest, member, fmt::format("it is longer than {} octets", longest));
    that(std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c < 0x20 || c == 0x7f; }),
         member, "there are control characters in it");
  }

  void absolute_path(std::string_view member, std::string_view path) {
    words(member, path, kMaxPath);
    that(path.starts_with('/'), member, fmt::format("{} is not an absolute path", quoted(path)));
  }

  template <typename Parse>
  void name(std::string_view member, std::string_view text, Parse parse, std::string_view right) {
    if (text.empty()) return;
    that(parse(text).has_value(), member, fmt::format("{} is not {}", quoted(text), right));
  }

  void also(const Result<void>& other) {
    if (result_ && !other) result_ = other;
  }

  void rate(std::string_view member, const std::optional<std::uint64_t>& rate) {
    range(member, rate, 1, kMaxRate, "; leave it out for no limit");
  }

  const Result<void>& result() const { return result_; }

 private:
  Result<void> result_;
};

Result<void> check_peer(std::string_view member, std::string_view address) {
  const auto peer = HostPort::parse(address);
  if (!peer) return wrong(member, peer.error().context);
  if (peer->port == 0) return wrong(member, fmt::format("{} has port 0", quoted(address)));
  return {};
}

// As the URL of the swarm will have it.
Result<void> check_tracker(std::string_view member, std::string_view url) {
  Checks checks;
  checks.words(member, url, kMaxTrackerUrl);
  checks.that(url.starts_with("http://") || url.starts_with("https://"), member,
              fmt::format("{} does not begin with http:// or https://", quoted(url)));
  return checks.result();
}

Result<void> check_authority(std::string_view key) {
  const auto octets = SwarmId::from_hex(key);
  if (octets && parse_dnskey(octets->octets())) return {};
  return wrong("authority", "it is no public key in hex: copy it from ppspp-tracker --print-ca");
}

Result<void> check_limits(std::string_view prefix, const Limits& limits) {
  Checks checks;
  const auto member = [&](std::string_view name) { return fmt::format("{}{}", prefix, name); };
  checks.rate(member("upload"), limits.upload);
  checks.rate(member("download"), limits.download);
  checks.rate(member("upload_per_peer"), limits.upload_per_peer);
  checks.rate(member("download_per_peer"), limits.download_per_peer);
  checks.range(member("weight"), limits.weight, 1, kMaxWeight);
  checks.range(member("max_channels"), limits.max_channels, 1, 1'000'000,
               "; leave it out for no limit");
  return checks.result();
}

Result<void> check_file(const AddFile& file) {
  Checks checks;
  checks.absolute_path("file.path", file.path);
  checks.range("file.chunk_size", file.chunk_size, kMinChunkSize, kMaxChunkSize);
  checks.name("file.addressing", file.addressing, parse_chunk_addressing,
              "bin32, byte64, chunk32, bin64 or chunk64");
  checks.name("file.hash", file.hash, parse_hash_function,
              "sha1, sha224, sha256, sha384 or sha512");
  checks.that(file.integrity.empty() || file.integrity == "merkle" || file.integrity == "none",
              "file.integrity", fmt::format("{} is not merkle or none", quoted(file.integrity)));
  return checks.result();
}

Result<void> check_url(const AddUrl& url) {
  Checks checks;
  checks.that(url.url.size() <= kMaxUrl, "url.url", "it is too long");
  checks.that(!url.url.empty(), "url.url", "it is empty");
  if (checks.result()) {
    const auto parsed = SwarmUrl::parse(url.url);
    if (!parsed) return wrong("url.url", parsed.error().context);
  }
  if (!url.output.empty()) checks.absolute_path("url.output", url.output);
  return checks.result();
}

Result<void> check_live(const AddLive& live) {
  Checks checks;
  const bool is_udp = live.input.starts_with("udp://");
  const bool is_file = live.input.starts_with("file:/");
  checks.words("live.input", live.input, kMaxPath);
  checks.that(is_udp || is_file, "live.input",
              fmt::format("{} is not udp://ADDR:PORT or file:/PATH", quoted(live.input)));
  checks.rate("live.pace", live.pace);
  checks.that(!live.pace || !is_udp, "live.pace",
              "a UDP feed comes at its own speed: leave it out");
  if (!live.key.empty()) checks.absolute_path("live.key", live.key);
  checks.name("live.signature", live.signature, parse_signature_algorithm,
              "rsasha1, rsasha256, ecdsap256sha256, ecdsap384sha384 or ed25519");
  checks.range("live.chunk_size", live.chunk_size, kMinChunkSize, kMaxChunkSize);
  checks.range("live.chunks_per_signature", live.chunks_per_signature, 2, kMaxChunksPerSignature);
  checks.that(std::has_single_bit(live.chunks_per_signature.value_or(2)),
              "live.chunks_per_signature", "it is not a power of two");
  checks.range("live.discard_window", live.discard_window, 1, std::uint64_t{1} << 62);
  return checks.result();
}

}  // namespace

Result<void> check(const Limits& limits) {
  return check_limits("", limits);
}

Result<void> check(const AddRequest& request) {
  Checks checks;
  const int ways =
      int{request.file.has_value()} + int{request.url.has_value()} + int{request.live.has_value()};
  checks.that(ways == 1, "file, url, live",
              ways == 0 ? "one of them has to be there" : "only one of them can be there");
  if (request.file) checks.also(check_file(*request.file));
  if (request.url) checks.also(check_url(*request.url));
  if (request.live) checks.also(check_live(*request.live));
  checks.words("name", request.name);
  checks.words("label", request.label);
  checks.that(request.peers.size() <= kMaxPeers, "peers",
              fmt::format("there are more than {}", kMaxPeers));
  for (std::size_t i = 0; i < request.peers.size() && checks.result(); ++i) {
    checks.also(check_peer(fmt::format("peers[{}]", i), request.peers[i]));
  }
  checks.that(request.trackers.size() <= kMaxTrackers, "trackers",
              fmt::format("there are more than {}", kMaxTrackers));
  for (std::size_t i = 0; i < request.trackers.size() && checks.result(); ++i) {
    checks.also(check_tracker(fmt::format("trackers[{}]", i), request.trackers[i]));
  }
  checks.that(request.authority.empty() || !request.url, "authority",
              "it is for what is published here: a URL names its own as ca=");
  if (!request.authority.empty()) checks.also(check_authority(request.authority));
  checks.also(check_limits("limits.", request.limits));
  checks.that(request.opens_at.value_or(0) >= 0, "opens_at", "it is before 1970");
  return checks.result();
}

Result<void> check(const ChangeRequest& request) {
  Checks checks;
  checks.words("name", request.name.value_or(""));
  checks.words("label", request.label.value_or(""));
  if (request.limits) checks.also(check_limits("limits.", *request.limits));
  checks.that(request.opens_at.value_or(0) >= 0, "opens_at", "it is before 1970");
  return checks.result();
}

Result<void> check(const PeerRequest& request) {
  return check_peer("address", request.address);
}

Result<void> check(const LimitsChange& change) {
  Checks checks;
  const auto rate = [&](std::string_view member, const LimitsChange::Change& value) {
    if (value && *value) checks.range(member, *value, 1, kMaxRate, "; null means no limit");
  };
  rate("upload", change.upload);
  rate("download", change.download);
  rate("upload_per_peer", change.upload_per_peer);
  rate("download_per_peer", change.download_per_peer);
  return checks.result();
}

Result<void> check(const BanRequest& request) {
  Checks checks;
  checks.that(!request.network.empty(), "network",
              "it is empty; give an address or a network, such as 192.0.2.0/24");
  checks.words("network", request.network, 100);
  checks.words("reason", request.reason);
  checks.range("seconds", request.seconds, 1, kMaxSeconds, "; leave it out to ban for good");
  return checks.result();
}

}  // namespace ppspp::control
