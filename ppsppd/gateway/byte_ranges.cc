#include "gateway/byte_ranges.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace ppspp::daemon {
namespace {

// Lengths and offsets stay below this, so that sums of two do not overflow.
constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

class RangeReader {
 public:
  explicit RangeReader(std::string_view text) : rest_(text) {}

  void skip_blanks() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
  }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Nothing: no digit, or too large.
  std::optional<std::uint64_t> number() {
    if (rest_.empty() || !is_digit(rest_.front())) return std::nullopt;
    std::uint64_t value = 0;
    while (!rest_.empty() && is_digit(rest_.front())) {
      const auto digit = static_cast<std::uint64_t>(rest_.front() - '0');
      if (value > (kMax - digit) / 10) return std::nullopt;
      value = value * 10 + digit;
      rest_.remove_prefix(1);
    }
    return value;
  }
  bool at_end_of_range() const { return rest_.empty() || rest_.front() == ','; }

 private:
  std::string_view rest_;
};

// The first and the last octet but one; an empty range if there is nothing of it in the content.
struct Bounds {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

std::optional<Bounds> read_bounds(RangeReader& in, std::uint64_t length) {
  in.skip_blanks();
  if (in.take('-')) {
    const auto size = in.number();
    in.skip_blanks();
    if (!size || !in.at_end_of_range()) return std::nullopt;
    return Bounds{*size < length ? length - *size : 0, length};
  }
  const auto begin = in.number();
  in.skip_blanks();
  if (!begin || !in.take('-')) return std::nullopt;
  in.skip_blanks();
  if (in.at_end_of_range()) return Bounds{*begin, length};
  const auto last = in.number();
  in.skip_blanks();
  if (!last || !in.at_end_of_range()) return std::nullopt;
  return Bounds{*begin, *last >= length ? length : *last + 1};
}

constexpr ByteRanges kWhole{};

ByteRanges unsatisfiable() {
  return {ByteRanges::Kind::unsatisfiable, {}};
}

// One entry of a list of ETags, without "W/", which weak comparison does not look at.
std::string_view opaque(std::string_view tag) {
  return tag.starts_with("W/") ? tag.substr(2) : tag;
}

bool lists(std::string_view header, std::string_view etag, bool weakly) {
  if (header == "*") return true;
  while (!header.empty()) {
    while (!header.empty() && (header.front() == ' ' || header.front() == ',')) {
      header.remove_prefix(1);
    }
    const std::size_t start = header.starts_with("W/\"") ? 3 : 1;
    const std::size_t quote = header.find('"', std::min(start, header.size()));
    if (quote == std::string_view::npos) return false;
    const std::string_view tag = header.substr(0, quote + 1);
    if ((weakly ? opaque(tag) : tag) == etag) return true;
    header.remove_prefix(quote + 1);
  }
  return false;
}

}  // namespace

ByteRanges parse_ranges(std::string_view header, std::uint64_t length) {
  constexpr std::string_view kUnit = "bytes=";
  if (header.size() <= kUnit.size() ||
      !equals_ignoring_case(header.substr(0, kUnit.size()), kUnit)) {
    return kWhole;
  }
  RangeReader in(header.substr(kUnit.size()));
  ByteRanges result;
  std::uint64_t sum = 0;
  do {
    const auto bounds = read_bounds(in, length);
    if (!bounds) return unsatisfiable();
    if (bounds->begin < bounds->end) {
      if (result.ranges.size() == kMaxRanges) return kWhole;
      result.ranges.push_back({bounds->begin, bounds->end - bounds->begin});
      sum += result.ranges.back().length;  // at most kMaxRanges contents
      if (sum > kMax) return unsatisfiable();
    } else if (bounds->begin == 0) {
      return kWhole;
    }
  } while (in.take(','));
  if (result.ranges.empty()) return unsatisfiable();
  if (sum > length) return kWhole;
  result.kind = ByteRanges::Kind::some;
  return result;
}

std::string content_range(const ByteRange& range, std::uint64_t length) {
  return "bytes " + std::to_string(range.offset) + "-" +
         std::to_string(range.offset + range.length - 1) + "/" + std::to_string(length);
}

std::string unsatisfied_range(std::uint64_t length) {
  return "bytes */" + std::to_string(length);
}

std::string Multipart::content_type() const {
  return "multipart/byteranges; boundary=" + boundary;
}

std::string Multipart::head(const ByteRange& range, std::uint64_t length) const {
  std::string text = "\r\n--" + boundary + "\r\n";
  if (!type.empty()) text += "Content-Type: " + type + "\r\n";
  return text + "Content-Range: " + content_range(range, length) + "\r\n\r\n";
}

std::string Multipart::tail() const {
  return "\r\n--" + boundary + "--\r\n";
}

std::uint64_t Multipart::size(const std::vector<ByteRange>& ranges, std::uint64_t length) const {
  std::uint64_t sum = tail().size();
  for (const ByteRange& range : ranges) sum += head(range, length).size() + range.length;
  return sum;
}

bool fails_if_match(std::string_view header, std::string_view etag) {
  return !header.empty() && !lists(header, etag, false);
}

bool holds_if_none_match(std::string_view header, std::string_view etag) {
  return header.empty() || !lists(header, etag, true);
}

bool holds_if_range(std::string_view header, std::string_view etag) {
  return header.empty() || header == etag;
}

}  // namespace ppspp::daemon
