// The visitor of a std::variant, written as one lambda per case.
#pragma once

namespace ppspp {

template <typename... Cases>
struct overloaded : Cases... {
  using Cases::operator()...;
};

}  // namespace ppspp
