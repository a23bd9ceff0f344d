// Tables for people, on standard output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ppspp::tools {

// The terminal's width; nothing bounds what goes to a file or a pipe (0).
std::size_t output_width();
std::size_t output_height();  // 0: no terminal

// How many columns of a terminal it takes.
std::size_t display_width(std::string_view text);
// Its beginning, with an ellipsis where it is cut.
std::string clip(std::string_view text, std::size_t width);
// What others chose, made fit for a terminal: control characters become '?'.
std::string printable(std::string_view text);

class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
    bool shrinks = false;  // is clipped where the table is too wide
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<std::string> cells);  // as many as columns
  bool empty() const { return rows_.empty(); }

  // Lines without an end, the first is the head. At most `width` columns, as far as clipping helps;
  // 0: no bound.
  std::vector<std::string> lines(std::size_t width) const;

 private:
  std::vector<std::size_t> widths(std::size_t width) const;
  std::string line(const std::vector<std::string>& cells,
                   const std::vector<std::size_t>& widths) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

std::string format_rate(std::uint64_t octets_per_second);  // "1.2 MiB/s", "-" for none
std::string format_part(double part);                      // "42%", 100% only when complete
std::string format_time(std::int64_t seconds);             // local time: "2026-11-21 15:04:05"

// A map of octets, 0 nothing to 255 all, as one line of `width` cells: in blocks of eighths, or in
// ASCII where the terminal has no UTF-8.
std::string format_map(std::span<const std::uint8_t> map, std::size_t width, bool utf8);
bool output_is_utf8();

}  // namespace ppspp::tools
