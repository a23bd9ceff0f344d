// The read that a ContentReader has under way, and where it stands.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <optional>

#include "files/file_chunk_store.h"
#include "ppspp/detail/completion.h"
#include "ppspp/endpoint.h"

namespace ppspp {

class ContentReading {
 public:
  using Done = detail::Completion<boost::system::error_code, std::size_t>;

  // Where the content is, as long as the swarm is joined.
  struct Source {
    Endpoint& endpoint;
    SwarmHandle handle;
    ChunkStore& store;
    std::uint32_t chunk_size;
    std::optional<std::uint64_t> length;
    bool live = false;
  };

  std::uint64_t position() const { return position_; }
  void seek(std::uint64_t position);
  void begin(boost::asio::mutable_buffer buffer, Done done);
  void abort(const boost::system::error_code& error);

  // Goes on with the read that is under way, if what it needs is there. True: the endpoint was told
  // of a new position.
  bool proceed(const Source& source, Now now);

 private:
  void step_over_gap(const Source& source);
  std::size_t available(const Source& source) const;
  bool read(const Source& source, std::size_t size);
  bool tell_position(const Source& source, Now now);
  void finish(const boost::system::error_code& error, std::size_t size);

  std::uint64_t position_ = 0;
  std::optional<ChunkIndex> told_;  // the position that the endpoint knows
  boost::asio::mutable_buffer buffer_;
  Done done_;
};

}  // namespace ppspp
