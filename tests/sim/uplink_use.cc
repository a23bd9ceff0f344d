#include "sim/uplink_use.h"

#include <fmt/format.h>

#include "base/overloaded.h"

namespace ppspp::sim {
namespace {

constexpr std::size_t kIpAndUdp = 28;

}  // namespace

void UplinkUse::add(NodeId from, NodeId to, std::span<const std::byte> datagram) {
  if (sent_to_.size() <= to) sent_to_.resize(to + std::size_t{1});
  Octets octets{};
  DatagramReader reader(datagram, format_);
  std::size_t left = reader.remaining();
  while (const auto message = reader.next()) {
    octets[control] += left - reader.remaining();
    left = reader.remaining();
    add_message(*message, from, to, octets);
  }
  const bool with_content = octets[content] + octets[copies] + octets[again] > 0;
  octets[with_content ? headers : control] += kIpAndUdp + sizeof(ChannelId);
  Octets& sums = from == 0 ? seeder_ : leechers_;
  for (std::size_t kind = 0; kind < kKinds; ++kind) sums[kind] += octets[kind];
}

// Its octets count as `control` so far.
void UplinkUse::add_message(const Message& message, NodeId from, NodeId to, Octets& octets) {
  const auto move = [&](Kind kind, std::size_t size) {
    octets[control] -= size;
    octets[kind] += size;
  };
  std::visit(overloaded{
                 [&](const Data& data) {
                   const bool known = sent_to_[to].contains(data.chunks);
                   sent_to_[to].insert(data.chunks);
                   const bool copy = from == 0 && out_.contains(data.chunks);
                   if (from == 0) out_.insert(data.chunks);
                   move(known ? again : copy ? copies : content, data.payload.size());
                   move(headers, format_.data_header_size());
                 },
                 [&](const Ack&) { move(acks, format_.ack_size()); },
                 [&](const Have&) { move(haves, format_.have_size()); },
                 [&](const Integrity&) { move(hashes, format_.integrity_size()); },
                 [&](const Request&) { move(requests, format_.have_size()); },
                 [&](const Cancel&) { move(requests, format_.have_size()); },
                 [](const auto&) {},
             },
             message);
}

std::string UplinkUse::shares(const Octets& octets, double capacity) {
  const auto percent = [&](Kind kind) {
    return 100 * static_cast<double>(octets[kind]) / capacity;
  };
  return fmt::format(
      "content {:5.1f} copies {:4.1f} again {:4.1f} headers {:4.1f} hashes {:4.1f} ACK {:4.1f} "
      "HAVE {:4.1f} "
      "REQUEST {:4.1f} control {:4.1f}",
      percent(content), percent(copies), percent(again), percent(headers), percent(hashes),
      percent(acks), percent(haves), percent(requests), percent(control));
}

std::string UplinkUse::line(std::size_t others, std::uint64_t rate, double seconds) {
  const double capacity = static_cast<double>(rate) * seconds;
  const std::string text = fmt::format(
      "seeder {}\n          others {}", shares(seeder_, capacity),
      shares(leechers_, capacity * static_cast<double>(std::max<std::size_t>(1, others))));
  seeder_ = leechers_ = {};
  return text;
}

}  // namespace ppspp::sim
