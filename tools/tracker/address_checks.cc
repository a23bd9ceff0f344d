#include "tracker/address_checks.h"

#include <algorithm>

#include "base/bytes.h"
#include "channel/handshake_check.h"
#include "wire/datagram.h"

namespace ppspp::tracker {
namespace {

// When to send again, and how long to wait after the last time.
constexpr Microseconds kPatience[AddressChecks::kAttempts] = {std::chrono::milliseconds(1'000),
                                                              std::chrono::milliseconds(2'000),
                                                              std::chrono::milliseconds(3'000)};
constexpr std::size_t kLongestHandshake = 1'280;
constexpr double kBurst = 0.1;  // seconds' worth of datagrams that may leave at once

}  // namespace

bool AddressChecks::begin(std::uint64_t subject, const TransportAddress& address,
                          const SwarmMetadata& swarm, TimePoint now) {
  if (by_subject_.contains({subject, address})) return true;
  if (by_channel_.size() >= limits_.max_pending) return false;
  Channel channel = 0;
  while (channel == 0 || by_channel_.contains(channel)) {
    channel = static_cast<Channel>(random_.next_u64());
  }
  std::vector<std::byte> octets(kLongestHandshake);
  ByteWriter out(octets);
  write_channel(out, ChannelId{});
  write_handshake(out,
                  Handshake{ChannelId{channel},
                            handshake_options(swarm, HandshakeOptions::kKeepsAll, true, false)});
  if (!out.ok()) return false;
  octets.resize(out.size());
  octets.shrink_to_fit();
  by_channel_.emplace(channel, Check{subject, address, std::move(octets)});
  by_subject_.emplace(std::pair(subject, address), channel);
  due_.emplace(now, channel);
  return true;
}

// From the address that was asked, with the number that was sent there.
void AddressChecks::handle_datagram(const TransportAddress& from,
                                    std::span<const std::byte> datagram) {
  const auto channel = destination(datagram);
  const auto found = channel ? by_channel_.find(channel->value) : by_channel_.end();
  const auto handshake = read_handshake(datagram);
  if (found == by_channel_.end() || found->second.address != from || !handshake ||
      handshake->handshake.source.value == 0 || found->second.attempts == 0) {
    ++strays_;
    return;
  }
  end(found->first, true);
}

void AddressChecks::end(Channel channel, bool answered) {
  const auto found = by_channel_.find(channel);
  outcomes_.push_back({found->second.subject, found->second.address, answered});
  by_subject_.erase({found->second.subject, found->second.address});
  by_channel_.erase(found);  // its place in due_ goes when its time comes
}

void AddressChecks::refill(TimePoint now) {
  const double most = std::max(1.0, limits_.datagrams_per_second * kBurst);
  if (!refilled_at_) tokens_ = most;
  const double passed =
      refilled_at_ ? std::chrono::duration<double>(now - *refilled_at_).count() : 0.0;
  tokens_ = std::min(most, tokens_ + std::max(0.0, passed) * limits_.datagrams_per_second);
  refilled_at_ = now;
}

std::optional<AddressChecks::Datagram> AddressChecks::poll_transmit(TimePoint now) {
  refill(now);
  while (!due_.empty() && due_.begin()->first <= now) {
    const Channel channel = due_.begin()->second;
    const auto found = by_channel_.find(channel);
    if (found == by_channel_.end()) {
      due_.erase(due_.begin());
      continue;
    }
    if (found->second.attempts == kAttempts) {
      due_.erase(due_.begin());
      end(channel, false);
      continue;
    }
    if (tokens_ < 1) return std::nullopt;
    tokens_ -= 1;
    due_.erase(due_.begin());
    Check& check = found->second;
    due_.emplace(now + kPatience[check.attempts], channel);
    ++check.attempts;
    ++sent_;
    return Datagram{check.address, check.octets};
  }
  return std::nullopt;
}

std::optional<AddressChecks::Outcome> AddressChecks::poll_outcome() {
  if (outcomes_.empty()) return std::nullopt;
  const Outcome outcome = outcomes_.front();
  outcomes_.pop_front();
  return outcome;
}

TimePoint AddressChecks::deadline() const {
  if (due_.empty()) return kNever;
  if (tokens_ >= 1 || !refilled_at_) return due_.begin()->first;
  const auto wait = std::chrono::duration_cast<Microseconds>(
      std::chrono::duration<double>((1 - tokens_) / limits_.datagrams_per_second));
  return std::max(due_.begin()->first, *refilled_at_ + wait + Microseconds(1));
}

}  // namespace ppspp::tracker
