#include "integrity/chunk_signatures.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace ppspp {
namespace {

std::uint64_t bit_of(ChunkIndex chunk) {
  return std::uint64_t{1} << (chunk % 64);
}

}  // namespace

ChunkSignatures::ChunkSignatures(std::uint64_t window, std::size_t signature_size)
    : window_(window), signature_size_(signature_size) {
  PPSPP_ASSERT(window > 0);
  PPSPP_ASSERT(signature_size > 0);
}

void ChunkSignatures::set(ChunkIndex chunk, std::uint64_t ntp,
                          std::span<const std::byte> signature) {
  PPSPP_ASSERT(chunk < kMaxChunks);
  PPSPP_ASSERT(signature.size() == signature_size_);
  if (chunk < begin_) return;
  end_ = std::max(end_, chunk + 1);
  if (end_ > window_) forget_before(end_ - window_);
  Page& page = make_page(chunk / kPageChunks);
  if ((page.set & bit_of(chunk)) != 0) return;
  page.set |= bit_of(chunk);
  page.ntp_timestamps.at(chunk % kPageChunks) = ntp;
  std::memcpy(&page.signatures[chunk % kPageChunks * signature_size_], signature.data(),
              signature_size_);
}

std::optional<ChunkSignature> ChunkSignatures::get(ChunkIndex chunk) const {
  const Page* const page = page_with(chunk);
  if (page == nullptr) return std::nullopt;
  const std::size_t place = chunk % kPageChunks;
  return ChunkSignature{
      page->ntp_timestamps.at(place),
      std::span(page->signatures).subspan(place * signature_size_, signature_size_)};
}

bool ChunkSignatures::contains(ChunkIndex chunk) const {
  return page_with(chunk) != nullptr;
}

std::optional<ChunkIndex> ChunkSignatures::newest() const {
  if (end_ == 0) return std::nullopt;
  return end_ - 1;
}

std::size_t ChunkSignatures::memory() const {
  const std::size_t pages = pages_.size() + (spare_.empty() ? 0 : 1);
  return pages * (sizeof(Pages::value_type) + kPageChunks * signature_size_);
}

const ChunkSignatures::Page* ChunkSignatures::page_with(ChunkIndex chunk) const {
  if (chunk < begin_ || chunk >= end_) return nullptr;
  const auto found = pages_.find(chunk / kPageChunks);
  if (found == pages_.end() || (found->second.set & bit_of(chunk)) == 0) return nullptr;
  return &found->second;
}

ChunkSignatures::Page& ChunkSignatures::make_page(std::uint64_t number) {
  if (const auto found = pages_.find(number); found != pages_.end()) return found->second;
  if (!spare_.empty()) {
    spare_.key() = number;
    spare_.mapped().set = 0;
    return pages_.insert(std::move(spare_)).position->second;
  }
  Page& page = pages_[number];
  page.signatures.resize(kPageChunks * signature_size_);
  return page;
}

void ChunkSignatures::forget_before(ChunkIndex begin) {
  begin_ = begin;
  while (!pages_.empty() && pages_.begin()->first < begin / kPageChunks) {
    spare_ = pages_.extract(pages_.begin());
  }
}

}  // namespace ppspp
