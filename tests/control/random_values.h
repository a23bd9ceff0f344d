// Values of the control types with random members; requests make sense, as they have to.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "control/members.h"

namespace ppspp::control::test {

using Random = std::mt19937_64;

inline std::uint64_t below(Random& random, std::uint64_t bound) {
  return random() % bound;
}

// Often at the borders, where mistakes are.
inline std::uint64_t number(Random& random) {
  switch (below(random, 4)) {
    case 0:
      return below(random, 3);
    case 1:
      return ~std::uint64_t{0} - below(random, 3);
    case 2:
      return (std::uint64_t{1} << 63) - 2 + below(random, 4);
    default:
      return random() >> below(random, 64);
  }
}

// Of characters that JSON, URLs and terminals treat specially, among others.
inline std::string text(Random& random, bool printable = false) {
  static const std::vector<std::string> kPieces = {
      "a", "Z", "7", " ", "\"", "\\", "/",          "{",  "}",  "[",    ":",   ",",
      "&", "=", "%", "+", "ä",  "漢", "\U0001f600", "\n", "\t", "\x01", "\x7f"};
  std::string made;
  for (std::uint64_t n = below(random, 12); n > 0; --n) {
    made += kPieces[below(random, kPieces.size() - (printable ? 4 : 0))];
  }
  return made;
}

// Sets every member to something.
struct Filler {
  Random& random;
  bool all = false;  // also every optional one, and lists with one element at least

  void value(std::string& member) { member = text(random); }
  void value(bool& member) { member = below(random, 2) == 1; }
  void value(double& member) { member = static_cast<double>(random() >> 40) / 1024; }
  void value(SwarmKind& kind) { kind = static_cast<SwarmKind>(below(random, 5)); }
  void value(SwarmState& state) { state = static_cast<SwarmState>(below(random, 8)); }
  template <std::integral T>
  void value(T& member) {
    member = static_cast<T>(number(random));
  }
  template <typename T>
  void value(std::optional<T>& member) {
    if (all || below(random, 2) == 1) value(member.emplace());
  }
  template <typename T>
  void value(std::vector<T>& list) {
    list.resize(below(random, 4) + (all ? 1 : 0));
    for (T& element : list) value(element);
  }
  template <typename T>
  requires std::is_class_v<T>
  void value(T& target) { members(*this, target); }

  template <typename T>
  void must(const char*, T& member) {
    value(member);
  }
  template <typename T>
  void may(const char*, T& member) {
    value(member);
  }
};

template <typename T>
T any(Random& random, bool all = false) {
  T made;
  Filler filler{random, all};
  filler.value(made);
  return made;
}

template <typename T>
bool maybe(Random& random, std::optional<T>& member, std::uint64_t lowest, std::uint64_t highest) {
  if (below(random, 2) == 0) return false;
  const std::uint64_t choice = below(random, 3);
  member = static_cast<T>(choice == 0   ? lowest
                          : choice == 1 ? highest
                                        : lowest + below(random, highest - lowest + 1));
  return true;
}

template <>
inline Limits any<Limits>(Random& random, bool) {
  constexpr std::uint64_t kMaxRate = 1'000'000'000'000'000'000;
  Limits limits;
  maybe(random, limits.upload, 1, kMaxRate);
  maybe(random, limits.download, 1, kMaxRate);
  maybe(random, limits.upload_per_peer, 1, kMaxRate);
  maybe(random, limits.download_per_peer, 1, kMaxRate);
  maybe(random, limits.weight, 1, 10'000);
  maybe(random, limits.max_channels, 1, 1'000'000);
  return limits;
}

template <>
inline LimitsChange any<LimitsChange>(Random& random, bool) {
  LimitsChange change;
  for (auto* member :
       {&change.upload, &change.download, &change.upload_per_peer, &change.download_per_peer}) {
    if (below(random, 2) == 1) maybe(random, member->emplace(), 1, 1'000'000);
  }
  return change;
}

template <typename T>
T one_of(Random& random, std::initializer_list<T> values) {
  return values.begin()[below(random, values.size())];
}

inline AddFile add_file(Random& random) {
  AddFile file{.path = "/" + text(random, true)};
  maybe(random, file.chunk_size, 512, 65'000);
  file.addressing = one_of<std::string>(random, {"", "bin32", "chunk64"});
  file.hash = one_of<std::string>(random, {"", "sha1", "sha512"});
  file.integrity = one_of<std::string>(random, {"", "none", "merkle"});
  return file;
}

inline AddUrl add_url(Random& random) {
  AddUrl url{.url = "ppspp:" + std::string(64, 'a') + "?len=7"};
  if (below(random, 2) == 1) url.output = "/" + text(random, true);
  url.force = below(random, 2) == 1;
  return url;
}

inline AddLive add_live(Random& random) {
  AddLive live{.input = "file:/" + text(random, true)};
  maybe(random, live.pace, 1, 1'000'000'000);
  if (below(random, 2) == 1) live.key = "/" + text(random, true);
  live.signature = one_of<std::string>(random, {"", "ed25519", "rsasha256"});
  maybe(random, live.chunk_size, 512, 65'000);
  if (below(random, 2) == 1) live.chunks_per_signature = 2u << below(random, 16);
  maybe(random, live.discard_window, 1, std::uint64_t{1} << 40);
  return live;
}

template <>
inline AddRequest any<AddRequest>(Random& random, bool) {
  AddRequest request;
  const auto way = below(random, 3);
  if (way == 0) request.file = add_file(random);
  if (way == 1) request.url = add_url(random);
  if (way == 2) request.live = add_live(random);
  request.name = text(random, true);
  request.label = text(random, true);
  for (std::uint64_t n = below(random, 4); n > 0; --n) {
    request.peers.push_back(one_of<std::string>(random, {"192.0.2.1:6778", "[2001:db8::1]:1"}));
  }
  request.limits = any<Limits>(random);
  request.paused = below(random, 2) == 1;
  maybe(random, request.opens_at, 0, std::uint64_t{1} << 62);
  return request;
}

template <>
inline ChangeRequest any<ChangeRequest>(Random& random, bool) {
  ChangeRequest request;
  if (below(random, 2) == 1) request.name = text(random, true);
  if (below(random, 2) == 1) request.label = text(random, true);
  if (below(random, 2) == 1) request.limits = any<Limits>(random);
  maybe(random, request.opens_at, 0, std::uint64_t{1} << 62);
  return request;
}

template <>
inline PeerRequest any<PeerRequest>(Random& random, bool) {
  return {one_of<std::string>(random, {"192.0.2.1:6778", "[2001:db8::1]:1", "example.org:65535"})};
}

template <>
inline BanRequest any<BanRequest>(Random& random, bool) {
  BanRequest request{.network = one_of<std::string>(random, {"192.0.2.0/24", "2001:db8::1"})};
  request.reason = text(random, true);
  maybe(random, request.seconds, 1, 10'000'000'000);
  return request;
}

}  // namespace ppspp::control::test
