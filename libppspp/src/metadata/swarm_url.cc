#include "ppspp/swarm_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

#include "metadata/percent_coding.h"
#include "metadata/text.h"

namespace ppspp {
namespace {

constexpr std::string_view kScheme = "ppspp:";
constexpr std::size_t kMaxUrlSize = 65'536;  // bounds the lists of peers and trackers as well
constexpr std::size_t kMinBareDigits = 40;   // SHA-1
constexpr std::size_t kMaxBareDigits = 128;  // SHA-512
constexpr std::size_t kMaxFileName = 200;    // octets; leaves room for suffixes below 255

// A URL in the making: what was read, and what remains to be known of it.
struct Draft {
  SwarmUrl url;
  bool integrity_given = false;
};

// Takes the value of a key; false: the value makes no sense.
using Take = bool (*)(Draft&, std::string_view);

struct Key {
  std::string_view name;
  std::string_view what_is_right;
  bool repeatable;
  Take take;
};

template <typename T>
bool assign(T& target, const std::optional<T>& value) {
  if (value) target = *value;
  return value.has_value();
}

bool take_chunk_size(Draft& draft, std::string_view value) {
  const auto size = parse_decimal<std::uint32_t>(value);
  if (!size || *size < kMinChunkSize || *size > kMaxChunkSize) return false;
  draft.url.metadata.chunk_size = *size;
  return true;
}

bool take_addressing(Draft& draft, std::string_view value) {
  return assign(draft.url.metadata.addressing, parse_chunk_addressing(value));
}

bool take_integrity(Draft& draft, std::string_view value) {
  draft.integrity_given = true;
  return assign(draft.url.metadata.integrity, parse_integrity_method(value));
}

bool take_hash(Draft& draft, std::string_view value) {
  return assign(draft.url.metadata.hash, parse_hash_function(value));
}

bool take_live(Draft& draft, std::string_view value) {
  draft.url.metadata.live = true;
  return value == "1";
}

bool take_length(Draft& draft, std::string_view value) {
  draft.url.metadata.content_length = parse_decimal<std::uint64_t>(value);
  return draft.url.metadata.content_length.value_or(0) > 0;
}

bool take_chunks_per_signature(Draft& draft, std::string_view value) {
  const auto count = parse_decimal<std::uint32_t>(value);
  if (!count || *count < 2 || !std::has_single_bit(*count)) return false;
  draft.url.metadata.chunks_per_signature = count;
  return true;
}

// Whether it is a key is for validate() to say.
bool take_authority(Draft& draft, std::string_view value) {
  const auto key = SwarmId::from_hex(value);
  if (!key) return false;
  draft.url.metadata.authority.assign(key->octets().begin(), key->octets().end());
  return true;
}

bool take_display_name(Draft& draft, std::string_view value) {
  draft.url.display_name = value;
  return !value.empty() && is_utf8(value);
}

bool take_peer(Draft& draft, std::string_view value) {
  const auto peer = HostPort::parse(value);
  if (!peer || peer->port == 0) return false;
  draft.url.peers.emplace_back(value);
  return true;
}

bool take_tracker(Draft& draft, std::string_view value) {
  const auto scheme_end = value.find("://");
  const bool http = scheme_end != std::string_view::npos && scheme_end + 3 < value.size() &&
                    (value.starts_with("http://") || value.starts_with("https://"));
  if (!http || !is_utf8(value)) return false;
  draft.url.trackers.emplace_back(value);
  return true;
}

constexpr Key kKeys[] = {
    {"cs", "a chunk size from 512 to 65000 bytes", false, take_chunk_size},
    {"cam", "bin32, byte64, chunk32, bin64 or chunk64", false, take_addressing},
    {"cipm", "none, merkle, sign-all or unified-merkle", false, take_integrity},
    {"mhf", "sha1, sha224, sha256, sha384 or sha512", false, take_hash},
    {"live", "1 for a live swarm; leave it out otherwise", false, take_live},
    {"len", "the content's length in bytes, at least 1", false, take_length},
    {"cps", "a power of two, at least 2", false, take_chunks_per_signature},
    {"ca", "the public key of a certification authority, in hex digits", false, take_authority},
    {"dn", "a name in UTF-8", false, take_display_name},
    {"peer", "host:port, such as example.org:6778 or [::1]:6778", true, take_peer},
    {"tracker", "a URL that begins with http:// or https://", true, take_tracker},
};

bool is_scheme(std::string_view text) {  // in any case (RFC 3986, 3.1)
  return std::equal(text.begin(), text.end(), kScheme.begin(), kScheme.end(), [](char a, char b) {
    return a == b || (a >= 'A' && a <= 'Z' && a - 'A' + 'a' == b);
  });
}

Result<std::string> decode(std::string_view text) {
  auto decoded = percent_decode(text);
  if (!decoded) {
    return fail(Errc::invalid_argument,
                fmt::format("{} has a '%' without two hex digits behind it: write a plain '%' as "
                            "'%25'",
                            quoted(text)));
  }
  return *std::move(decoded);
}

Result<void> take_value(Draft& draft, const Key& key, std::string_view encoded) {
  const auto value = decode(encoded);
  if (!value) return tl::unexpected(value.error());
  if (key.take(draft, *value)) return {};
  return fail(Errc::invalid_argument, fmt::format("{}={} in the swarm URL: it must be {}", key.name,
                                                  quoted(*value), key.what_is_right));
}

// One `key=value`. `seen` has one bit for each of kKeys.
Result<void> take_pair(Draft& draft, std::string_view pair, unsigned& seen) {
  const auto equals = pair.find('=');
  const auto name = decode(pair.substr(0, equals));
  if (!name) return tl::unexpected(name.error());
  const auto key = std::find_if(std::begin(kKeys), std::end(kKeys),
                                [&](const Key& candidate) { return candidate.name == *name; });
  if (key == std::end(kKeys)) return {};  // of a later version

  const unsigned bit = 1u << (key - std::begin(kKeys));
  if (!key->repeatable && (seen & bit) != 0) {
    return fail(Errc::invalid_argument,
                fmt::format("'{}' stands more than once in the swarm URL: give it once", *name));
  }
  seen |= bit;
  const bool has_value = equals != std::string_view::npos;
  return take_value(draft, *key, has_value ? pair.substr(equals + 1) : std::string_view{});
}

Result<void> take_query(Draft& draft, std::string_view query) {
  unsigned seen = 0;
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    if (auto taken = take_pair(draft, pair, seen); !taken) return taken;
  }
  return {};
}

// RFC 3986 has no place for these, and a '#' would silently cut off what follows.
Result<void> check_characters(std::string_view text) {
  const auto bad = std::find_if(text.begin(), text.end(), [](char c) {
    const auto code = static_cast<unsigned char>(c);
    return code <= 0x20 || code == 0x7f || c == '#';
  });
  if (bad == text.end()) return {};
  const auto code = static_cast<unsigned>(static_cast<unsigned char>(*bad));
  return fail(Errc::invalid_argument,
              fmt::format("the swarm URL has a blank, a control character or a '#' in it: write it "
                          "as '%{:02X}'",
                          code));
}

Result<SwarmUrl> parse_url(std::string_view text) {
  if (text.size() > kMaxUrlSize) {
    return fail(Errc::invalid_argument,
                fmt::format("a swarm URL has at most {} characters, this one has {}", kMaxUrlSize,
                            text.size()));
  }
  if (const auto checked = check_characters(text); !checked) {
    return tl::unexpected(checked.error());
  }
  const auto rest = text.substr(kScheme.size());
  const auto question = rest.find('?');
  auto id = SwarmId::from_hex(rest.substr(0, question));
  if (!id) return tl::unexpected(id.error());

  Draft draft;
  draft.url.metadata.id = *std::move(id);
  if (question != std::string_view::npos) {
    const auto taken = take_query(draft, rest.substr(question + 1));
    if (!taken) return tl::unexpected(taken.error());
  }
  if (draft.url.metadata.live && !draft.integrity_given) {
    draft.url.metadata.integrity = IntegrityMethod::unified_merkle;
  }
  return std::move(draft.url);
}

Result<SwarmUrl> parse_bare_id(std::string_view text) {
  auto id = SwarmId::from_hex(text);
  if (!id || text.size() < kMinBareDigits || text.size() > kMaxBareDigits) {
    return fail(Errc::invalid_argument,
                fmt::format("{} is neither a swarm URL, as in ppspp:<hex digits>?len=1000, nor a "
                            "swarm ID of {} to {} hex digits",
                            quoted(text), kMinBareDigits, kMaxBareDigits));
  }
  SwarmUrl url;
  url.metadata.id = *std::move(id);
  for (const HashFunction function : kHashFunctions) {
    if (digest_size(function) == url.metadata.id.size()) url.metadata.hash = function;
  }
  return url;
}

class QueryWriter {
 public:
  explicit QueryWriter(std::string& text) : text_(text) {}

  void add(std::string_view key, std::string_view value) {
    text_ += fmt::format("{}{}={}", separator_, key, percent_encode(value));
    separator_ = '&';
  }
  void add(std::string_view key, std::uint64_t value) { add(key, fmt::format("{}", value)); }

 private:
  std::string& text_;
  char separator_ = '?';
};

void add_metadata(QueryWriter& query, const SwarmMetadata& swarm) {
  const SwarmMetadata standard;
  const auto integrity = swarm.live ? IntegrityMethod::unified_merkle : IntegrityMethod::merkle;
  if (swarm.chunk_size != standard.chunk_size) query.add("cs", swarm.chunk_size);
  if (swarm.addressing != standard.addressing) query.add("cam", to_string(swarm.addressing));
  if (swarm.integrity != integrity) query.add("cipm", to_string(swarm.integrity));
  if (swarm.hash != standard.hash) query.add("mhf", to_string(swarm.hash));
  if (swarm.live) query.add("live", "1");
  if (swarm.content_length) query.add("len", *swarm.content_length);
  if (swarm.chunks_per_signature) query.add("cps", *swarm.chunks_per_signature);
  if (!swarm.authority.empty()) query.add("ca", SwarmId(swarm.authority).to_hex());
}

}  // namespace

Result<SwarmUrl> SwarmUrl::parse(std::string_view text) {
  return is_scheme(text.substr(0, kScheme.size())) ? parse_url(text) : parse_bare_id(text);
}

std::string SwarmUrl::to_string() const {
  std::string text = std::string(kScheme) + metadata.id.to_hex();
  QueryWriter query(text);
  add_metadata(query, metadata);
  if (!display_name.empty()) query.add("dn", display_name);
  for (const auto& peer : peers) query.add("peer", peer);
  for (const auto& tracker : trackers) query.add("tracker", tracker);
  return text;
}

std::string SwarmUrl::file_name() const {
  if (display_name.empty()) return metadata.id.to_hex().substr(0, kMaxFileName);
  std::string name(utf8_front(display_name, kMaxFileName));
  std::replace_if(
      name.begin(), name.end(),
      [](char c) {
        const auto code = static_cast<unsigned char>(c);
        return code < 0x20 || code == 0x7f || c == '/';
      },
      '_');
  if (name.front() == '.') name.front() = '_';
  return name;
}

}  // namespace ppspp
