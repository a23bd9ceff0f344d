// The read that a reader has under way, and where it stands.
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
    bool complete = false;  // what is not here will not come
  };

  explicit ContentReading(std::uint64_t position) : position_(position) {}

  std::uint64_t position() const { return position_; }
  bool under_way() const { return static_cast<bool>(done_); }
  void seek(std::uint64_t position) { position_ = position; }
  void begin(boost::asio::mutable_buffer buffer, Done done);
  void abort(const boost::system::error_code& error);

  // Goes on with the read that is under way, if what it needs is there.
  void proceed(const Source& source);

 private:
  void step_over_gap(const Source& source);
  std::size_t available(const Source& source) const;
  void read(const Source& source, std::size_t size);
  void prefetch(const Source& source) const;
  void read_checked(const Source& source, std::size_t size);
  void finish(const boost::system::error_code& error, std::size_t size);
  void fail();

  std::uint64_t position_;
  boost::asio::mutable_buffer buffer_;
  Done done_;
};

}  // namespace ppspp
