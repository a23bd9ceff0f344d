#include "integrity/batch_work.h"

#include <algorithm>

#include "base/assert.h"

namespace ppspp {
namespace {

constexpr std::size_t kPartOctets = std::size_t{64} << 10;
constexpr std::size_t kPartSignatures = 4;

}  // namespace

void BatchWork::set_lanes(std::size_t lanes) {
  if (lanes_.size() < lanes) lanes_.resize(lanes);
}

void BatchWork::begin_chunks(HashFunction function, std::size_t chunk_size) {
  function_ = function;
  digest_size_ = digest_size(function);
  chunk_size_ = chunk_size;
  first_payload_ = payloads_.size();
  first_place_ = hashes_size_;
}

// A part fills the lanes of vector instructions, where there are such; the last may be a small one.
void BatchWork::end_chunks() {
  hashes_.resize(std::max(hashes_.size(), hashes_size_));
  constexpr std::size_t kFew = 8;  // are hashed one by one
  const bool few = payloads_.size() - first_payload_ < kFew;
  const MultiBuffer* const multi = few ? nullptr : lanes_.front().multi_buffer.get();
  const std::size_t wide = multi == nullptr ? 1 : multi->lanes(function_).count;
  const std::size_t least = std::max<std::size_t>(1, kPartOctets / chunk_size_);
  const std::size_t each = (least + wide - 1) / wide * wide;
  for (std::size_t first = first_payload_; first < payloads_.size(); first += each) {
    parts_.push_back({.function = function_,
                      .message_size = chunk_size_,
                      .first = first,
                      .count = std::min(each, payloads_.size() - first),
                      .place = first_place_ + (first - first_payload_) * digest_size_,
                      .keys = {}});
  }
}

void BatchWork::begin_signatures() {
  accounts_.clear();
  first_entry_ = entries_.size();
}

std::uint32_t BatchWork::add_account(std::uint32_t chances) {
  accounts_.push_back(chances);
  return static_cast<std::uint32_t>(accounts_.size() - 1);
}

std::uint32_t BatchWork::add_signature(const Signature& signature) {
  PPSPP_ASSERT(signature.account < accounts_.size());
  Entry& entry = entries_.emplace_back();
  entry.what = signature;
  entry.copied_at = octets_.size();
  entry.copied_size = signature.signature.size();
  octets_.insert(octets_.end(), signature.signature.begin(), signature.signature.end());
  return static_cast<std::uint32_t>(entries_.size() - 1);
}

// Each part has its share of the chances of each account, so that the parts need not know of each
// other.
void BatchWork::end_signatures(std::span<VerifyingKey> keys) {
  const std::size_t count = entries_.size() - first_entry_;
  if (count == 0) return;
  PPSPP_ASSERT(keys.size() >= lanes_.size());
  const std::size_t most_chances = *std::ranges::max_element(accounts_);
  const std::size_t parts = std::max<std::size_t>(
      1, std::min({2 * lanes_.size(), count / kPartSignatures, most_chances}));
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t begin = count * part / parts;
    const std::size_t end = count * (part + 1) / parts;
    parts_.push_back({.of_signatures = true,
                      .first = first_entry_ + begin,
                      .count = end - begin,
                      .place = chances_.size(),
                      .keys = keys});
    for (const std::uint32_t chances : accounts_) {
      chances_.push_back(static_cast<std::uint32_t>(chances / parts) +
                         (part < chances % parts ? 1 : 0));
    }
  }
}

void BatchWork::compute(std::size_t part, std::size_t lane) {
  if (part >= parts_.size() || lane >= lanes_.size() || parts_[part].done) return;
  Part& what = parts_[part];
  if (what.of_signatures) {
    compute_signatures(what, lanes_[lane], lane);
  } else {
    compute_hashes(what, lanes_[lane]);
  }
  what.done = true;
}

void BatchWork::compute_hashes(const Part& part, Lane& lane) {
  const Hasher hasher(part.function);
  hasher.hash_many(std::span(payloads_).subspan(part.first, part.count), part.message_size,
                   std::span(hashes_).subspan(part.place, part.count * hasher.size()),
                   &lane.multi_buffer);
}

void BatchWork::compute_signatures(const Part& part, Lane& lane, std::size_t lane_number) {
  VerifyingKey& key = part.keys[lane_number];
  for (Entry& entry : std::span(entries_).subspan(part.first, part.count)) {
    std::uint32_t& chances = chances_[part.place + entry.what.account];
    if (chances == 0) continue;
    const auto front = std::span(entry.what.front).first(entry.what.front_size);
    lane.message.assign(front.begin(), front.end());
    lane.message.insert(lane.message.end(), entry.what.content.begin(), entry.what.content.end());
    const bool genuine = key.verify(lane.message, signature_of(entry));
    entry.outcome = genuine ? Outcome::genuine : Outcome::wrong;
    if (!genuine) --chances;
  }
}

// Of many swarms each asks when its turn comes: what was finished for those before is not looked at
// again.
void BatchWork::finish_hashes() {
  for (; finished_ < parts_.size(); ++finished_) {
    if (!parts_[finished_].of_signatures) compute(finished_, 0);
  }
}

std::optional<bool> BatchWork::genuine(std::uint32_t number, std::span<const std::byte> front,
                                       std::span<const std::byte> signature) const {
  if (number >= entries_.size()) return std::nullopt;
  const Entry& entry = entries_[number];
  if (entry.outcome == Outcome::unknown) return std::nullopt;
  const auto its_front = std::span(entry.what.front).first(entry.what.front_size);
  if (!std::ranges::equal(front, its_front)) return std::nullopt;
  if (!std::ranges::equal(signature, signature_of(entry))) return std::nullopt;
  return entry.outcome == Outcome::genuine;
}

void BatchWork::clear() {
  parts_.clear();
  finished_ = 0;
  payloads_.clear();
  hashes_size_ = 0;
  entries_.clear();
  octets_.clear();
  chances_.clear();
}

}  // namespace ppspp
