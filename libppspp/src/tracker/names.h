// The names of values in messages (RFC 7846, section 3.2).
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "tracker/message.h"

namespace ppspp::tracker {

template <typename E>
struct Names;

template <>
struct Names<Action> {
  static constexpr std::array<std::pair<Action, std::string_view>, 2> kAll{
      {{Action::join, "JOIN"}, {Action::leave, "LEAVE"}}};
};
template <>
struct Names<PeerMode> {
  static constexpr std::array<std::pair<PeerMode, std::string_view>, 2> kAll{
      {{PeerMode::seeder, "SEEDER"}, {PeerMode::leech, "LEECH"}}};
};
template <>
struct Names<NatAbility> {
  static constexpr std::array<std::pair<NatAbility, std::string_view>, 3> kAll{
      {{NatAbility::none, "NO_NAT"}, {NatAbility::stun, "STUN"}, {NatAbility::turn, "TURN"}}};
};
template <>
struct Names<AddressType> {
  static constexpr std::array<std::pair<AddressType, std::string_view>, 3> kAll{
      {{AddressType::host, "HOST"},
       {AddressType::reflexive, "REFLEXIVE"},
       {AddressType::proxy, "PROXY"}}};
};
template <>
struct Names<Connection> {
  static constexpr std::array<std::pair<Connection, std::string_view>, 2> kAll{
      {{Connection::wireless, "wireless"}, {Connection::wired, "wired"}}};
};

template <typename E>
std::string_view name_of(E value) {
  for (const auto& [known, name] : Names<E>::kAll) {
    if (known == value) return name;
  }
  return "";
}

template <typename E>
std::optional<E> named(std::string_view name) {
  for (const auto& [value, known] : Names<E>::kAll) {
    if (known == name) return value;
  }
  return std::nullopt;
}

}  // namespace ppspp::tracker
