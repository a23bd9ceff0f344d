// Whatever the octets of a bundle: an index that is taken has safe names and files inside of the
// content, and says the same when it is written and read again.
#include <cstdint>
#include <span>
#include <string_view>

#include "base/assert.h"
#include "gateway/bundle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ppspp::daemon::BundleHeader;
  using ppspp::daemon::BundleIndex;
  const auto octets = std::as_bytes(std::span(data, size));
  const auto header = BundleHeader::parse(octets);
  if (!header || header->content_offset() > size) return 0;
  PPSPP_ASSERT(header->content_offset() >= BundleHeader::kSize + header->index_length);
  PPSPP_ASSERT(header->content_offset() % header->alignment == 0);
  const std::uint64_t content = size - header->content_offset();
  const auto* const text = static_cast<const char*>(static_cast<const void*>(data));
  const std::string_view json(text + BundleHeader::kSize,
                              static_cast<std::size_t>(header->index_length));
  const auto index = BundleIndex::parse(json, content);
  PPSPP_ASSERT(index || !index.error().context.empty());
  if (!index) return 0;
  for (const auto& file : index->files) {
    PPSPP_ASSERT(file.offset <= content && file.length <= content - file.offset);
    PPSPP_ASSERT(!file.name.empty() && file.name.front() != '/' && file.name.back() != '/');
    PPSPP_ASSERT(("/" + file.name + "/").find("/../") == std::string::npos);
    PPSPP_ASSERT(index->find(file.name) != nullptr);
  }
  const auto again = BundleIndex::parse(index->to_json(), content);
  PPSPP_ASSERT(again && again->files == index->files);
  return 0;
}
