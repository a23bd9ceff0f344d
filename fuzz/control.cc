// Whatever the text, reading ends; and what it gives survives being written and read.
//
// The first octet chooses what the rest is read as.
#include <cstdint>
#include <utility>

#include "base/assert.h"
#include "control/json.h"
#include "json/base64.h"

namespace {

using namespace ppspp::control;

void one_line(const ppspp::Error& error) {
  PPSPP_ASSERT(!error.context.empty());
  PPSPP_ASSERT(error.context.find('\n') == std::string::npos);
}

template <typename T>
T comparable(T value) {
  return value;
}

// Boost.JSON reads numbers with a point to some 15 digits, not to the last bit.
std::vector<PeerInfo> comparable(std::vector<PeerInfo> peers) {
  for (PeerInfo& peer : peers) {
    peer.available = peer.rtt_ms = peer.queueing_delay_ms = peer.base_delay_ms = 0;
  }
  return peers;
}

template <typename T>
void read(std::string_view text) {
  const auto value = from_json<T>(text);
  if (!value) return one_line(value.error());
  const std::string written = to_json(*value);
  const auto again = from_json<T>(written);
  PPSPP_ASSERT(again);
  PPSPP_ASSERT(comparable(*again) == comparable(*value));
}

void read_error(std::string_view text) {
  const auto error = error_from_json(text);
  if (!error) return one_line(error.error());
  const auto again = error_from_json(ppspp::control::error_json(*error));
  PPSPP_ASSERT(again && again->code == error->code && again->context == error->context);
}

// Pairs as lines "name=value".
void read_query(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!text.empty() && pairs.size() < 100) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto equals = std::min(line.size(), line.find('='));
    pairs.emplace_back(line.substr(0, equals), line.substr(std::min(line.size(), equals + 1)));
  }
  const auto query = swarm_query(pairs);
  if (!query) return one_line(query.error());
  PPSPP_ASSERT(query->limit >= 1 && query->limit <= 1'000);
}

void read_base64(std::string_view text) {
  const auto octets = ppspp::from_base64(text);
  if (octets) PPSPP_ASSERT(ppspp::to_base64(*octets) == text);
}

constexpr void (*kReaders[])(std::string_view) = {
    read<AddRequest>,
    read<ChangeRequest>,
    read<BanRequest>,
    read<PeerRequest>,
    read<Limits>,
    read<LimitsChange>,
    read<SwarmInfo>,
    read<SwarmPage>,
    read<std::vector<PeerInfo>>,
    read<Availability>,
    read<GlobalLimits>,
    read<std::vector<BanInfo>>,
    read<AccountPage>,
    read<std::vector<LogEntry>>,
    read<DaemonInfo>,
    read<Event>,
    read_error,
    read_query,
    read_base64,
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  kReaders[(data[0] - 'A') % std::size(kReaders)](text);
  return 0;
}
