// What the end of a receive batch has to compute: the hashes of its chunks, and whether signatures
// are genuine. Gathered first, and cut into parts which may be computed in any order and several at
// a time, on other threads as well; whatever nobody has computed by then is computed by who needs
// it, so that the results are the same.
//
// Only compute() may be called by several threads at once: of different parts, with different
// lanes, while nothing else is called.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "crypto/hasher.h"
#include "crypto/verifying_key.h"

namespace ppspp {

class BatchWork {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  // Less than this is done before another thread has woken up: octets to hash, and signatures.
  static constexpr std::size_t kLeastOctets = std::size_t{32} << 10;
  static constexpr std::size_t kLeastSignatures = 8;

  // --- Gathering. So many threads may compute; at least one.
  void set_lanes(std::size_t lanes);
  std::size_t lanes() const { return lanes_.size(); }
  // Chunks of one swarm, of one length: begin, add each, end. What add_chunk returns finds the hash
  // again. Payloads are views.
  void begin_chunks(HashFunction function, std::size_t chunk_size);
  std::uint32_t add_chunk(const std::byte* payload) {
    payloads_.push_back(payload);
    const std::size_t place = hashes_size_;
    hashes_size_ += digest_size_;
    return static_cast<std::uint32_t>(place);
  }
  void end_chunks();

  // Signatures under one key. Wrong ones are bounded by accounts: under each, no more wrong ones
  // are computed than it has chances; what would come behind them is left alone.
  struct Signature {
    std::uint32_t account = 0;
    std::array<std::byte, 32> front = {};  // what was signed: this, then the content
    std::size_t front_size = 0;
    std::span<const std::byte> content;    // a view
    std::span<const std::byte> signature;  // is copied
  };
  void begin_signatures();
  std::uint32_t add_account(std::uint32_t chances);
  std::uint32_t add_signature(const Signature& signature);
  // One key for each lane, all the same; they outlive the work.
  void end_signatures(std::span<VerifyingKey> keys);

  // --- Computing
  std::size_t parts() const { return parts_.size(); }
  // Of a part that was computed, or is none: nothing.
  void compute(std::size_t part, std::size_t lane);

  // --- Results
  void finish_hashes();  // what was not computed
  const std::byte* hash(std::uint32_t chunk) const { return &hashes_[chunk]; }
  // Whether it is genuine, if that was computed, and of this front and signature.
  std::optional<bool> genuine(std::uint32_t number, std::span<const std::byte> front,
                              std::span<const std::byte> signature) const;

  void clear();  // gathers anew; room is kept

 private:
  struct Part {
    bool of_signatures = false;
    bool done = false;
    HashFunction function = HashFunction::sha256;
    std::size_t message_size = 0;
    std::size_t first = 0;  // of payloads_ or signatures_
    std::size_t count = 0;
    std::size_t place = 0;  // of hashes: in hashes_; of signatures: in chances_
    std::span<VerifyingKey> keys;
  };
  enum class Outcome : std::uint8_t { unknown, genuine, wrong };
  struct Entry {
    Signature what;
    std::size_t copied_at = 0;  // where its signature stands in octets_
    std::size_t copied_size = 0;
    Outcome outcome = Outcome::unknown;
  };
  struct Lane {
    LazyMultiBuffer multi_buffer;
    std::vector<std::byte> message;
  };

  void compute_hashes(const Part& part, Lane& lane);
  void compute_signatures(const Part& part, Lane& lane, std::size_t lane_number);
  std::span<const std::byte> signature_of(const Entry& entry) const {
    return std::span(octets_).subspan(entry.copied_at, entry.copied_size);
  }

  std::vector<Lane> lanes_ = std::vector<Lane>(1);
  std::vector<Part> parts_;
  std::size_t finished_ = 0;  // parts before it have their hashes

  std::vector<const std::byte*> payloads_;
  std::vector<std::byte> hashes_;
  std::size_t hashes_size_ = 0;  // places that were given away
  HashFunction function_ = HashFunction::sha256;
  std::size_t digest_size_ = 0;
  std::size_t chunk_size_ = 0;
  std::size_t first_payload_ = 0;
  std::size_t first_place_ = 0;

  std::vector<Entry> entries_;
  std::vector<std::byte> octets_;
  std::vector<std::uint32_t> accounts_;  // chances of each, of the key's signatures
  std::vector<std::uint32_t> chances_;   // the same, dealt out to the parts
  std::size_t first_entry_ = 0;
};

}  // namespace ppspp
