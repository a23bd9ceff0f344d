// Result<T>: a T, or an Error for the person who runs the program.
//
// Only what can go wrong on the user's or the system's side is a Result. What a peer does wrong is
// counted and met with silence (RFC 7574, section 3), and our own mistakes are assertions.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace ppspp {

enum class Errc {
  invalid_argument,   // a value that makes no sense: the user can correct it
  not_supported,      // valid, but this version or this system does not do it
  not_found,          // a file or host that does not exist
  exists,             // a file that is in the way and not ours to overwrite
  io,                 // the system refused: context holds its reason
  no_space,           // the disk is full
  content_changed,    // the content on disk is no longer what it was
  integrity,          // content or hashes that do not belong to the swarm
  left,               // the swarm was left or its Node is gone
  timed_out,
};

// What went wrong, and where, in words that end up in one line on stderr.
struct Error {
  Errc code = Errc::invalid_argument;
  std::string context;
};

template <typename T>
using Result = tl::expected<T, Error>;

using Unexpected = tl::unexpected<Error>;

inline Unexpected fail(Errc code, std::string context) {
  return Unexpected{Error{code, std::move(context)}};
}

}  // namespace ppspp
