#include "table.h"

#include <fmt/format.h>
#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <cwchar>
#include <numeric>

#include "base/assert.h"
#include "metadata/text.h"
#include "terminal.h"

namespace ppspp::tools {
namespace {

constexpr std::size_t kGap = 2;        // columns between columns
constexpr std::size_t kNarrowest = 8;  // of a column that shrinks

winsize window() {
  winsize size = {};
  if (isatty(STDOUT_FILENO) != 1 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return {};
  return size;
}

// The octets of the character that `text` begins with, valid UTF-8 or not.
std::size_t character_size(std::string_view text) {
  std::size_t size = 1;
  while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) ++size;
  return size;
}

std::size_t character_width(std::string_view character) {
  if (character.size() == 1) return 1;
  std::mbstate_t state = {};
  wchar_t wide = 0;
  const std::size_t size = std::mbrtowc(&wide, character.data(), character.size(), &state);
  if (size != character.size()) return 1;
  const int width = wcwidth(wide);
  return width < 0 ? 1 : static_cast<std::size_t>(width);
}

std::string padded(const std::string& text, std::size_t width, Table::Align align) {
  const std::string blanks(width - std::min(width, display_width(text)), ' ');
  return align == Table::Align::left ? text + blanks : blanks + text;
}

}  // namespace

std::size_t output_width() {
  if (isatty(STDOUT_FILENO) != 1) return 0;
  const winsize size = window();
  return size.ws_col == 0 ? 80 : size.ws_col;
}

std::size_t output_height() {
  if (isatty(STDOUT_FILENO) != 1) return 0;
  const winsize size = window();
  return size.ws_row == 0 ? 24 : size.ws_row;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    width += character_width(text.substr(0, size));
    text.remove_prefix(size);
  }
  return width;
}

std::string clip(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  const std::string_view ellipsis = output_is_utf8() ? "…" : "~";
  std::string clipped;
  std::size_t used = 1;  // of the ellipsis
  while (!text.empty()) {
    const std::string_view character = text.substr(0, character_size(text));
    used += character_width(character);
    if (used > width) break;
    clipped += character;
    text.remove_prefix(character.size());
  }
  return width == 0 ? "" : clipped + std::string(ellipsis);
}

std::string printable(std::string_view text) {
  std::string clean;
  while (!text.empty()) {
    const std::string_view character = text.substr(0, character_size(text));
    const auto first = static_cast<unsigned char>(character.front());
    // U+0080 to U+009F are control characters as well.
    const bool control = first < 0x20 || first == 0x7f || !is_utf8(character) ||
                         (first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0);
    clean += control ? "?" : character;
    text.remove_prefix(character.size());
  }
  return clean;
}

void Table::add(std::vector<std::string> cells) {
  PPSPP_ASSERT(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths(std::size_t width) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = display_width(columns_[i].title);
    for (const auto& row : rows_) widest = std::max(widest, display_width(row[i]));
    widths.push_back(widest);
  }
  if (width == 0) return widths;
  const std::size_t gaps = kGap * (columns_.size() - 1);
  std::size_t total = std::accumulate(widths.begin(), widths.end(), gaps);
  while (total > width) {  // the widest that may, by one
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (!columns_[i].shrinks || widths[i] <= kNarrowest) continue;
      if (widest == nullptr || widths[i] > *widest) widest = &widths[i];
    }
    if (widest == nullptr) break;
    --*widest;
    --total;
  }
  return widths;
}

std::string Table::line(const std::vector<std::string>& cells,
                        const std::vector<std::size_t>& widths) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line.append(kGap, ' ');
    line += padded(clip(cells[i], widths[i]), widths[i], columns_[i].align);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::vector<std::string> Table::lines(std::size_t width) const {
  const std::vector<std::size_t> fitting = widths(width);
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  std::vector<std::string> lines = {line(titles, fitting)};
  for (const auto& row : rows_) lines.push_back(line(row, fitting));
  return lines;
}

std::string format_rate(std::uint64_t octets_per_second) {
  if (octets_per_second == 0) return "-";
  return format_size(static_cast<double>(octets_per_second)) + "/s";
}

std::string format_part(double part) {
  return fmt::format("{:.0f}%", std::floor(std::clamp(part, 0.0, 1.0) * 100));
}

std::string format_time(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm local = {};
  if (localtime_r(&time, &local) == nullptr) return std::to_string(seconds);
  char text[64];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  return {text, size};
}

std::string format_map(std::span<const std::uint8_t> map, std::size_t width, bool utf8) {
  static constexpr std::string_view kBlocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr std::string_view kAscii[] = {" ", ".", ".", ":", ":", "-", "=", "+", "#"};
  std::string bar;
  if (map.empty()) return std::string(width, ' ');
  for (std::size_t cell = 0; cell < width; ++cell) {
    const std::size_t begin = cell * map.size() / width;
    const std::size_t end = std::max(begin + 1, (cell + 1) * map.size() / width);
    std::size_t sum = 0;
    for (std::size_t i = begin; i < end; ++i) sum += map[i];
    const std::size_t most = 255 * (end - begin);
    // Something shows as such, and only all as all.
    const std::size_t level = sum == 0 ? 0 : sum == most ? 8 : 1 + sum * 7 / most;
    bar += utf8 ? kBlocks[level] : kAscii[level];
  }
  return bar;
}

bool output_is_utf8() {
  return std::string_view(nl_langinfo(CODESET)) == "UTF-8";
}

}  // namespace ppspp::tools
