#include "gateway/place.h"

#include <algorithm>
#include <array>
#include <utility>

#include "http/target.h"
#include "metadata/percent_coding.h"

namespace ppspp::daemon {
namespace {

constexpr std::array<std::string_view, 10> kSwarmKeys = {"cs",  "cam", "cipm", "mhf",  "live",
                                                         "len", "cps", "dn",   "peer", "tracker"};

// A bare ID may tell its hash function by its length, unless something else tells it.
Result<std::string> base_url(const std::string& swarm, bool hash_is_told) {
  if (swarm.starts_with("ppspp:") || hash_is_told) {
    return swarm.starts_with("ppspp:") ? swarm : "ppspp:" + swarm;
  }
  const auto url = SwarmUrl::parse(swarm);
  if (!url) return tl::unexpected(url.error());
  return url->to_string();
}

Result<SwarmUrl> parse_url(const std::string& swarm, const http::Request& request) {
  std::string keys;
  bool hash_is_told = false;
  for (const auto& [key, value] : request.query) {
    if (std::ranges::find(kSwarmKeys, key) == kSwarmKeys.end()) continue;
    hash_is_told = hash_is_told || key == "mhf";
    keys += "&" + key + "=" + percent_encode(value);
  }
  if (keys.empty()) return SwarmUrl::parse(swarm);
  auto base = base_url(swarm, hash_is_told);
  if (!base) return tl::unexpected(base.error());
  if (base->find('?') == std::string::npos) keys.front() = '?';
  return SwarmUrl::parse(*base + keys);
}

std::string encode_also(std::string_view text, std::string_view those) {
  std::string encoded;
  for (const char c : percent_encode(text)) {
    if (those.find(c) == std::string_view::npos) {
      encoded += c;
    } else {
      encoded += c == '/' ? "%2F" : c == ':' ? "%3A" : c == '@' ? "%40" : "%2C";
    }
  }
  return encoded;
}

}  // namespace

Result<Place> parse_place(const http::Request& request) {
  auto segments = http::path_segments(request.target);
  if (!segments || segments->size() < 2 || segments->front() != "swarm" || (*segments)[1].empty()) {
    return fail(Errc::not_found, "there is nothing at this address");
  }
  auto url = parse_url((*segments)[1], request);
  if (!url) return tl::unexpected(url.error());
  if (auto valid = url->metadata.validate(); !valid) return tl::unexpected(valid.error());
  Place place;
  place.url = std::move(*url);
  place.swarm = std::move((*segments)[1]);
  place.names.assign(std::make_move_iterator(segments->begin() + 2),
                     std::make_move_iterator(segments->end()));
  place.download =
      std::ranges::any_of(request.query, [](const auto& pair) { return pair.first == "download"; });
  return place;
}

std::string Place::path() const {
  std::string path;
  for (const std::string& name : names) path += (path.empty() ? "" : "/") + name;
  if (names.size() > 1 && names.back().empty() && !path.ends_with('/')) path += '/';
  return path;
}

std::string_view Place::name() const {
  return names.empty() ? std::string_view() : names.back();
}

std::string Place::with_slash() const {
  std::string path = "/swarm/" + encode_segment(swarm) + "/";
  for (const std::string& name : names) {
    if (!name.empty()) path += encode_segment(name) + "/";
  }
  return path;
}

std::string encode_segment(std::string_view segment) {
  return encode_also(segment, "/");
}
std::string encode_extended(std::string_view text) {
  return encode_also(text, "/:@,");
}

}  // namespace ppspp::daemon
