// Range requests (RFC 9110, section 14), understood as nginx understands them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ppspp::daemon {

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // at least 1
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

struct ByteRanges {
  enum class Kind : std::uint8_t {
    none,           // no Range, or one that is not heeded: the whole content (200)
    some,           // 206
    unsatisfiable,  // 416
  };
  Kind kind = Kind::none;
  std::vector<ByteRange> ranges;
};

// More ranges than this, or more octets than the content has, are answered with the whole content.
inline constexpr std::size_t kMaxRanges = 64;

// `header` is the value of Range, `length` that of the content.
ByteRanges parse_ranges(std::string_view header, std::uint64_t length);

// "bytes 0-99/1000"
std::string content_range(const ByteRange& range, std::uint64_t length);
// "bytes */1000"
std::string unsatisfied_range(std::uint64_t length);

// The body of an answer with several ranges: before each its head, behind the last the tail.
struct Multipart {
  std::string boundary;
  std::string type;  // of the content; empty: not said

  std::string content_type() const;
  std::string head(const ByteRange& range, std::uint64_t length) const;
  std::string tail() const;
  // Octets of the whole body.
  std::uint64_t size(const std::vector<ByteRange>& ranges, std::uint64_t length) const;
};

// What the preconditions of a request say of content with this ETag (RFC 9110, section 13), where
// each is empty if the request has none. Dates are not known, so that If-Range with one fails.
bool fails_if_match(std::string_view header, std::string_view etag);       // 412
bool holds_if_none_match(std::string_view header, std::string_view etag);  // false: 304
bool holds_if_range(std::string_view header, std::string_view etag);       // false: no ranges

}  // namespace ppspp::daemon
