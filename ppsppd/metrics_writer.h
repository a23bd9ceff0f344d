// The text format of Prometheus: families with a help line and a type, and samples with labels.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "ppspp/duration_histogram.h"

namespace ppspp::daemon {

class MetricsWriter {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  }
  template <typename Number>
  void sample(Labels labels, Number value) {
    line(name_, labels, value);
  }
  template <typename Number>
  void single(std::string_view name, std::string_view type, std::string_view help, Number value) {
    family(name, type, help);
    sample({}, value);
  }
  // In seconds.
  void histogram(Labels labels, const DurationHistogram& durations);

  std::string take() { return std::move(text_); }

 private:
  template <typename Number>
  void line(std::string_view name, Labels labels, Number value, std::string_view bound = {}) {
    text_ += name;
    char separator = '{';
    const auto label = [&](std::string_view key, std::string_view of) {
      text_ += fmt::format("{}{}=\"{}\"", separator, key, of);
      separator = ',';
    };
    for (const auto& [key, of] : labels) label(key, of);
    if (!bound.empty()) label("le", bound);
    text_ += fmt::format("{}{}\n", separator == ',' ? "} " : " ", value);
  }

  std::string text_;
  std::string name_;
};

}  // namespace ppspp::daemon
