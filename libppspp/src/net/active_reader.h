// What stands behind a ContentReader: where it is in the content, and how far it looks ahead.
#pragma once

#include <boost/asio/buffer.hpp>
#include <cstdint>
#include <memory>
#include <optional>

#include "net/content_reading.h"
#include "ppspp/ppspp.h"

namespace ppspp {

class ActiveReader {
 public:
  // The reader that belongs to the swarm, which owns it.
  explicit ActiveReader(ActiveSwarm& swarm);
  // One that was opened. `swarm` lives as long as it does.
  ActiveReader(std::shared_ptr<ActiveSwarm> swarm, std::uint64_t position,
               std::uint64_t read_ahead);
  ~ActiveReader();
  ActiveReader(const ActiveReader&) = delete;
  ActiveReader& operator=(const ActiveReader&) = delete;

  ActiveSwarm& swarm() { return swarm_; }
  void start_read(boost::asio::mutable_buffer buffer, ContentReading::Done done);
  Result<void> seek(std::uint64_t offset);
  std::uint64_t position() const { return reading_.position(); }

  // For the swarm.
  ContentReading& reading() { return reading_; }
  const ContentReading& reading() const { return reading_; }
  bool opened() const { return keep_ != nullptr; }
  // A live feed is read from where it is played, once that is known.
  void tune_in(std::uint64_t position);
  bool tuned_in() const { return tuned_in_; }
  // What it wants, in chunks. The swarm's own reader, which has no read-ahead of its own, wants all
  // that follows, and nothing before it was used.
  std::optional<ReadWindow> window(std::uint32_t chunk_size) const;

 private:
  std::shared_ptr<ActiveSwarm> keep_;
  ActiveSwarm& swarm_;
  std::optional<std::uint64_t> read_ahead_;  // octets
  ContentReading reading_;
  bool used_ = false;
  bool tuned_in_ = false;
};

}  // namespace ppspp
