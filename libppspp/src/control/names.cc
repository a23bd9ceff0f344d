#include "control/names.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "base/assert.h"

namespace ppspp::control {
namespace {

template <typename E>
struct Named {
  E value;
  std::string_view name;
};

constexpr Named<SwarmKind> kKinds[] = {
    {SwarmKind::file, "file"}, {SwarmKind::download, "download"},   {SwarmKind::feed, "feed"},
    {SwarmKind::live, "live"}, {SwarmKind::directory, "directory"},
};

constexpr Named<SwarmState> kStates[] = {
    {SwarmState::hashing, "hashing"},
    {SwarmState::opening, "opening"},
    {SwarmState::downloading, "downloading"},
    {SwarmState::seeding, "seeding"},
    {SwarmState::live, "live"},
    {SwarmState::paused, "paused"},
    {SwarmState::scheduled, "scheduled"},
    {SwarmState::failed, "failed"},
};

constexpr Named<Errc> kErrors[] = {
    {Errc::invalid_argument, "invalid_argument"},
    {Errc::not_supported, "not_supported"},
    {Errc::not_found, "not_found"},
    {Errc::exists, "exists"},
    {Errc::io, "io"},
    {Errc::no_space, "no_space"},
    {Errc::content_changed, "content_changed"},
    {Errc::integrity, "integrity"},
    {Errc::left, "left"},
    {Errc::timed_out, "timed_out"},
};

template <typename E, std::size_t n>
std::string_view name_of(const Named<E> (&names)[n], E value) {
  for (const Named<E>& entry : names) {
    if (entry.value == value) return entry.name;
  }
  PPSPP_ASSERT(false);
  return "";
}

template <typename E, std::size_t n>
std::optional<E> value_of(const Named<E> (&names)[n], std::string_view name) {
  for (const Named<E>& entry : names) {
    if (entry.name == name) return entry.value;
  }
  return std::nullopt;
}

template <typename E, std::size_t n>
std::string list(const Named<E> (&names)[n]) {
  std::string text;
  for (std::size_t i = 0; i < n; ++i) {
    if (i > 0) text += i + 1 < n ? ", " : " or ";
    text += names[i].name;
  }
  return text;
}

}  // namespace

std::string_view to_string(SwarmKind kind) {
  return name_of(kKinds, kind);
}

std::string_view to_string(SwarmState state) {
  return name_of(kStates, state);
}

std::string_view to_string(Errc code) {
  return name_of(kErrors, code);
}

std::optional<SwarmKind> parse_swarm_kind(std::string_view name) {
  return value_of(kKinds, name);
}

std::optional<SwarmState> parse_swarm_state(std::string_view name) {
  return value_of(kStates, name);
}

std::optional<Errc> parse_errc(std::string_view name) {
  return value_of(kErrors, name);
}

std::string swarm_kind_names() {
  return list(kKinds);
}

std::string swarm_state_names() {
  return list(kStates);
}

}  // namespace ppspp::control
