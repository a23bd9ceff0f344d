#include "gateway/pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "gateway/place.h"
#include "http/target.h"
#include "metadata/text.h"

namespace ppspp::daemon {
namespace {

constexpr std::size_t kMaxEntries = 10'000;

std::string page(std::string_view title, std::string_view rows) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title>\n"
      "<style>body{{font-family:sans-serif;margin:2em}}td{{padding:.2em 1em .2em 0}}"
      "td+td{{text-align:right;white-space:nowrap}}</style></head>\n"
      "<body><h1>{0}</h1>\n<table>\n{1}</table>\n</body></html>\n",
      escape_html(title), rows);
}

std::string row(std::string_view link, std::string_view text, std::string_view size) {
  return fmt::format("<tr><td><a href=\"{}\">{}</a></td><td>{}</td></tr>\n", escape_html(link),
                     escape_html(text), escape_html(size));
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string readable_size(std::uint64_t octets) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (octets < 1024) return fmt::format("{} B", octets);
  auto value = static_cast<double>(octets);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string swarms_page(std::span<const Listed> swarms) {
  std::string rows;
  for (const Listed& swarm : swarms) {
    const std::string id = swarm.id.to_hex();
    const std::string& name = swarm.name.empty() || !is_utf8(swarm.name) ? id : swarm.name;
    std::string link = "/swarm/" + id + "/" + encode_segment(name);
    if (name == id || !http::path_segments(link)) link = "/swarm/" + id;
    const std::string size = swarm.live ? "live" : swarm.length ? readable_size(*swarm.length) : "";
    rows += row(link, name, size);
  }
  if (swarms.empty()) rows = "<tr><td>Nothing is served yet.</td></tr>\n";
  return page("Swarms", rows);
}

std::string directory_page(const BundleIndex& index, std::string_view directory) {
  std::string rows;
  std::string_view last;
  std::size_t entries = 0;
  for (auto file = std::ranges::lower_bound(index.files, directory, {}, &BundleFile::name);
       file != index.files.end() && file->name.starts_with(directory) && entries < kMaxEntries;
       ++file) {
    const std::string_view rest = std::string_view(file->name).substr(directory.size());
    const std::size_t slash = rest.find('/');
    const bool is_directory = slash != std::string_view::npos;
    const std::string_view name = rest.substr(0, is_directory ? slash : rest.size());
    if (is_directory && name == last) continue;
    last = is_directory ? name : std::string_view();
    const std::string mark = is_directory ? "/" : "";
    rows += row("./" + encode_segment(name) + mark, std::string(name) + mark,
                is_directory ? "" : readable_size(file->length));
    ++entries;
  }
  return page(directory.empty() ? "Files" : directory, rows);
}

}  // namespace ppspp::daemon
