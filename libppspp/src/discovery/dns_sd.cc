#include "discovery/dns_sd.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "base/assert.h"
#include "base/bytes.h"

namespace ppspp {
namespace {

constexpr std::size_t kDigits = 16;  // of 64 bits
constexpr std::size_t kNameSize = kDigits + 1 + 2 * kDigits;

void append_hex(std::string& text, std::uint64_t value) {
  std::array<char, kDigits> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), value, 16).ptr;
  const auto count = static_cast<std::size_t>(end - digits.begin());
  text.append(kDigits - count, '0').append(digits.data(), count);
}

void append_hex(std::string& text, const LocalTag& tag) {
  ByteReader in(tag);
  append_hex(text, in.read<std::uint64_t>());
  append_hex(text, in.read<std::uint64_t>());
}

std::optional<std::uint64_t> read_hex(std::string_view text) {
  std::uint64_t value = 0;
  const auto end = text.data() + text.size();
  const auto done = std::from_chars(text.data(), end, value, 16);
  if (done.ec != std::errc() || done.ptr != end) return std::nullopt;
  return value;
}

}  // namespace

std::string write_service_name(const ServiceName& name) {
  PPSPP_ASSERT(name.attempt >= 1 && name.attempt <= ServiceName::kMaxAttempt);
  std::string text;
  append_hex(text, name.instance);
  text.push_back('-');
  append_hex(text, name.tag);
  if (name.attempt > 1) text.append("-").push_back(static_cast<char>('0' + name.attempt));
  return text;
}

std::optional<ServiceName> read_service_name(std::string_view text) {
  if (text.size() != kNameSize && text.size() != kNameSize + 2) return std::nullopt;
  const auto instance = read_hex(text.substr(0, kDigits));
  const auto high = read_hex(text.substr(kDigits + 1, kDigits));
  const auto low = read_hex(text.substr(2 * kDigits + 1, kDigits));
  if (!instance || !high || !low) return std::nullopt;
  ServiceName name;
  name.instance = *instance;
  ByteWriter out(name.tag);
  out.write(*high);
  out.write(*low);
  if (text.size() > kNameSize) name.attempt = static_cast<unsigned>(text.back() - '0');
  if (name.attempt < 1 || name.attempt > ServiceName::kMaxAttempt) return std::nullopt;
  if (write_service_name(name) != text) return std::nullopt;  // there is one way to write it
  return name;
}

std::string write_service_host(std::uint64_t instance, unsigned attempt) {
  std::string text = "ppspp-";
  append_hex(text, instance);
  if (attempt > 1) text.append("-").append(std::to_string(attempt));
  return text;
}

std::string write_service_subtype(const LocalTag& tag) {
  std::string text = "_";
  append_hex(text, tag);
  return text + "._sub." + kServiceType;
}

std::optional<LocalProof> read_service_text(std::span<const std::byte> text) {
  const std::string_view key = kServiceProofKey;
  LocalProof proof;
  if (text.size() != key.size() + 1 + proof.size()) return std::nullopt;
  const auto same = [](char a, std::byte b) { return static_cast<std::byte>(a) == b; };
  const auto name = text.first(key.size());
  if (!std::equal(key.begin(), key.end(), name.begin(), same)) return std::nullopt;
  if (text[key.size()] != std::byte{'='}) return std::nullopt;
  std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(key.size() + 1), proof.size(),
              proof.begin());
  return proof;
}

std::vector<LocalLink> service_links(const std::vector<LocalLink>& links) {
  std::vector<LocalLink> result;
  for (const LocalLink& link : links) {
    const bool again = std::any_of(result.begin(), result.end(), [&](const LocalLink& other) {
      return other.interface == link.interface && other.address.is_v4() == link.address.is_v4();
    });
    if (!again && result.size() < kMaxServiceLinks) result.push_back(link);
  }
  return result;
}

// --- Which swarms

bool ServiceChoice::set_part(const SwarmId& id, Part part) {
  const auto [entry, is_new] = swarms_.try_emplace(id);
  Swarm& swarm = entry->second;
  if (!is_new && swarm.part == part) return false;
  swarm.part = part;
  rank(entry->first, swarm, part == Part::misses ? 0 : part == Part::complete ? 1 : 2);
  return !is_new || part != Part::sleeps || swarms_.size() <= kMaxPublished;
}

bool ServiceChoice::note_used(const SwarmId& id) {
  const auto found = swarms_.find(id);
  if (found == swarms_.end() || found->second.part != Part::sleeps) return false;
  rank(found->first, found->second, 1);
  return true;
}

void ServiceChoice::rank(const SwarmId& id, Swarm& swarm, int kind) {
  ranking_.erase(swarm.rank);
  ++sequence_;
  swarm.rank = {kind, kind == 2 ? sequence_ : -sequence_};
  ranking_.emplace(swarm.rank, &id);
}

bool ServiceChoice::remove(const SwarmId& id) {
  const auto found = swarms_.find(id);
  if (found == swarms_.end()) return false;
  ranking_.erase(found->second.rank);
  swarms_.erase(found);
  return true;
}

std::vector<SwarmId> ServiceChoice::first(std::size_t count, Part least) const {
  std::vector<SwarmId> result;
  for (const auto& [rank, id] : ranking_) {
    const Part part = swarms_.find(*id)->second.part;
    if (result.size() == count || (least == Part::misses && part != Part::misses)) break;
    result.push_back(*id);
  }
  return result;
}

}  // namespace ppspp
