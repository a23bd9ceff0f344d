#include <algorithm>
#include <boost/json.hpp>
#include <cstring>
#include <limits>
#include <optional>

#include "base/bytes.h"
#include "gateway/bundle.h"
#include "metadata/text.h"

namespace ppspp::daemon {
namespace {

namespace json = boost::json;

constexpr std::string_view kMagic = "PPSPPDIR";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kMaxType = 127;
constexpr std::size_t kMaxDepth = 4;

Unexpected damaged(std::string what) {
  return fail(Errc::integrity, "the bundle's index " + std::move(what));
}

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > BundleIndex::kMaxName || !is_utf8(name)) return false;
  const bool strange = std::any_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\';
  });
  if (strange) return false;
  for (;;) {
    const std::size_t slash = name.find('/');
    const std::string_view segment = name.substr(0, slash);
    if (segment.empty() || segment == "." || segment == "..") return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

bool is_type(std::string_view type) {
  return type.size() <= kMaxType &&
         std::all_of(type.begin(), type.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

std::optional<std::uint64_t> number(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* count = value->if_uint64()) return *count;
  const auto* count = value->if_int64();
  if (count == nullptr || *count < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*count);
}

std::optional<std::string> text(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return std::string();
  const json::string* string = value->if_string();
  if (string == nullptr) return std::nullopt;
  return std::string(string->data(), string->size());
}

Result<BundleFile> parse_file(const json::value& value, std::uint64_t content_octets) {
  const json::object* object = value.if_object();
  if (object == nullptr) return damaged("has a file that is no object");
  const auto name = text(*object, "name");
  const auto type = text(*object, "type");
  const auto offset = number(*object, "offset");
  const auto length = number(*object, "length");
  if (!name || !is_name(*name)) return damaged("has a file with an impossible name");
  if (!type || !is_type(*type)) return damaged("has an impossible type of " + ppspp::quoted(*name));
  if (!offset || !length || *offset > content_octets || *length > content_octets - *offset) {
    return damaged("has " + ppspp::quoted(*name) + " outside of the content");
  }
  return BundleFile{*name, *offset, *length, *type};
}

}  // namespace

Result<BundleHeader> BundleHeader::parse(std::span<const std::byte> octets) {
  ByteReader in(octets);
  const auto magic = in.take(kMagic.size());
  const auto version = in.read<std::uint32_t>();
  const auto alignment = in.read<std::uint32_t>();
  const auto index_length = in.read<std::uint64_t>();
  if (!in.ok() || std::memcmp(magic.data(), kMagic.data(), kMagic.size()) != 0) {
    return fail(Errc::not_found, "this content is not a bundle");
  }
  if (version != kVersion) {
    return fail(Errc::not_supported, "this bundle is of version " + std::to_string(version));
  }
  if (alignment == 0 || alignment > kMaxAlignment || index_length > kMaxIndex) {
    return fail(Errc::integrity, "this bundle's header makes no sense");
  }
  return BundleHeader{alignment, index_length};
}

std::array<std::byte, BundleHeader::kSize> BundleHeader::to_octets() const {
  std::array<std::byte, kSize> octets{};
  ByteWriter out(octets);
  out.write_bytes(std::as_bytes(std::span(kMagic)));
  out.write(kVersion);
  out.write(alignment);
  out.write(index_length);
  return octets;
}

std::uint64_t BundleHeader::content_offset() const {
  return (kSize + index_length + alignment - 1) / alignment * alignment;
}

Result<BundleIndex> BundleIndex::parse(std::string_view text, std::uint64_t content_octets) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::error_code error;
  const json::value root = json::parse({text.data(), text.size()}, error, {}, options);
  if (error) return damaged("is not JSON");
  const json::object* object = root.if_object();
  const json::value* list = object == nullptr ? nullptr : object->if_contains("files");
  const json::array* files = list == nullptr ? nullptr : list->if_array();
  if (files == nullptr) return damaged("has no list of files");
  if (files->size() > kMaxFiles) return damaged("has too many files");
  BundleIndex index;
  index.files.reserve(files->size());
  for (const json::value& value : *files) {
    auto file = parse_file(value, content_octets);
    if (!file) return tl::unexpected(file.error());
    index.files.push_back(std::move(*file));
  }
  std::ranges::sort(index.files, {}, &BundleFile::name);
  if (std::ranges::adjacent_find(index.files, {}, &BundleFile::name) != index.files.end()) {
    return damaged("has two files of one name");
  }
  return index;
}

std::string BundleIndex::to_json() const {
  json::array list;
  list.reserve(files.size());
  for (const BundleFile& file : files) {
    json::object object;
    object["name"] = file.name;
    object["offset"] = file.offset;
    object["length"] = file.length;
    if (!file.type.empty()) object["type"] = file.type;
    list.push_back(std::move(object));
  }
  json::object root;
  root["files"] = std::move(list);
  return json::serialize(root);
}

const BundleFile* BundleIndex::find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(files, name, {}, &BundleFile::name);
  return found != files.end() && found->name == name ? &*found : nullptr;
}

bool BundleIndex::has_directory(std::string_view name) const {
  const std::string prefix = std::string(name) + "/";
  const auto found = std::ranges::lower_bound(files, prefix, {}, &BundleFile::name);
  return found != files.end() && found->name.starts_with(prefix);
}

}  // namespace ppspp::daemon
