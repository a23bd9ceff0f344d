// How an enemy writes datagrams.
#pragma once

#include "sim/enemy.h"

namespace ppspp::sim {

// Returns its size.
template <typename Write>
std::size_t Enemy::say_from(const TransportAddress& source, const TransportAddress& to,
                            ChannelId channel, const Write& write) {
  ByteWriter out(buffer_);
  write_channel(out, channel);
  write(out);
  if (!out.ok()) return 0;
  budget_ -= std::min<std::uint64_t>(budget_, out.size() + 28);
  tally_.octets_out += out.size();
  team_.world->speak(node_, source, to, out.written());
  return out.size();
}

template <typename Write>
void Enemy::say(Talk& talk, const Write& write) {
  talk.said = time();
  say_from(own_address(talk.port), talk.peer, talk.remote, write);
}

template <typename Each>
void Enemy::name(ChunkRange range, const Each& each) const {
  while (!range.empty()) {
    const ChunkRange part = nameable_front(range, format_);
    if (part.empty()) return;
    each(part);
    range.begin = part.end;
  }
}

}  // namespace ppspp::sim
