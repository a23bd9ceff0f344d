// The visitor of a std::variant, written as one lambda per case.
#pragma once

namespace ppspp {

template <typename... Cases>
struct overloaded : Cases... {
  using Cases::operator()...;
};

// clang 14 does not deduce the arguments of an aggregate by itself.
template <typename... Cases>
overloaded(Cases...) -> overloaded<Cases...>;

}  // namespace ppspp
