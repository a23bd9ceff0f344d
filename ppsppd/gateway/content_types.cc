#include "gateway/content_types.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace ppspp::daemon {
namespace {

struct Type {
  std::string_view extension;
  std::string_view type;
};

// By extension. Texts are taken for UTF-8 by those who read them.
constexpr std::array kTypes = {
    Type{"3gp", "video/3gpp"},
    Type{"7z", "application/x-7z-compressed"},
    Type{"aac", "audio/aac"},
    Type{"ass", "text/x-ssa"},
    Type{"avi", "video/x-msvideo"},
    Type{"avif", "image/avif"},
    Type{"bz2", "application/x-bzip2"},
    Type{"cmfa", "audio/mp4"},
    Type{"cmft", "application/mp4"},
    Type{"cmfv", "video/mp4"},
    Type{"css", "text/css"},
    Type{"csv", "text/csv"},
    Type{"deb", "application/vnd.debian.binary-package"},
    Type{"dash", "application/dash+xml"},
    Type{"epub", "application/epub+zip"},
    Type{"flac", "audio/flac"},
    Type{"flv", "video/x-flv"},
    Type{"gif", "image/gif"},
    Type{"gz", "application/gzip"},
    Type{"htm", "text/html"},
    Type{"html", "text/html"},
    Type{"ico", "image/x-icon"},
    Type{"iso", "application/x-iso9660-image"},
    Type{"jpeg", "image/jpeg"},
    Type{"jpg", "image/jpeg"},
    Type{"js", "text/javascript"},
    Type{"json", "application/json"},
    Type{"m2ts", "video/mp2t"},
    Type{"m3u", "audio/mpegurl"},
    Type{"m3u8", "application/vnd.apple.mpegurl"},
    Type{"m4a", "audio/mp4"},
    Type{"m4s", "video/iso.segment"},
    Type{"m4v", "video/mp4"},
    Type{"md", "text/markdown"},
    Type{"mjs", "text/javascript"},
    Type{"mka", "audio/x-matroska"},
    Type{"mkv", "video/x-matroska"},
    Type{"mov", "video/quicktime"},
    Type{"mp3", "audio/mpeg"},
    Type{"mp4", "video/mp4"},
    Type{"mpd", "application/dash+xml"},
    Type{"mpeg", "video/mpeg"},
    Type{"mpg", "video/mpeg"},
    Type{"mts", "video/mp2t"},
    Type{"oga", "audio/ogg"},
    Type{"ogg", "audio/ogg"},
    Type{"ogv", "video/ogg"},
    Type{"opus", "audio/ogg"},
    Type{"pdf", "application/pdf"},
    Type{"png", "image/png"},
    Type{"srt", "application/x-subrip"},
    Type{"svg", "image/svg+xml"},
    Type{"tar", "application/x-tar"},
    Type{"ts", "video/mp2t"},
    Type{"txt", "text/plain"},
    Type{"vtt", "text/vtt"},
    Type{"wasm", "application/wasm"},
    Type{"wav", "audio/wav"},
    Type{"weba", "audio/webm"},
    Type{"webm", "video/webm"},
    Type{"webp", "image/webp"},
    Type{"xml", "text/xml"},
    Type{"xz", "application/x-xz"},
    Type{"zip", "application/zip"},
    Type{"zst", "application/zstd"},
};

}  // namespace

std::string_view content_type(std::string_view name) {
  const std::size_t dot = name.find_last_of("./");
  if (dot == std::string_view::npos || name[dot] != '.') return kUnknownType;
  std::string extension(name.substr(dot + 1));
  std::ranges::transform(extension, extension.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  const auto found = std::ranges::find(kTypes, extension, &Type::extension);
  return found == kTypes.end() ? kUnknownType : found->type;
}

}  // namespace ppspp::daemon
