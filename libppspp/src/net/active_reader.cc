#include "net/active_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <limits>
#include <utility>

#include "net/active_swarm.h"

namespace ppspp {
namespace {

// What a reader is about to need: two seconds of a stream of 4 Mbit/s.
constexpr std::uint64_t kUrgent = std::uint64_t{1} << 20;
constexpr std::uint64_t kLeastReadAhead = std::uint64_t{64} << 10;
constexpr std::uint64_t kMostReadAhead = std::uint64_t{1} << 40;

}  // namespace

ActiveReader::ActiveReader(ActiveSwarm& swarm) : swarm_(swarm), reading_(0) {
  swarm_.add_reader(*this);
}

ActiveReader::ActiveReader(std::shared_ptr<ActiveSwarm> swarm, std::uint64_t position,
                           std::uint64_t read_ahead)
    : keep_(std::move(swarm)),
      swarm_(*keep_),
      read_ahead_(std::clamp(read_ahead, kLeastReadAhead, kMostReadAhead)),
      reading_(position),
      used_(true) {
  swarm_.add_reader(*this);
}

ActiveReader::~ActiveReader() {
  reading_.abort(boost::asio::error::operation_aborted);
  swarm_.remove_reader(*this);
}

void ActiveReader::start_read(boost::asio::mutable_buffer buffer, ContentReading::Done done) {
  used_ = true;
  reading_.begin(buffer, std::move(done));
  if (swarm_.left()) return reading_.abort(boost::asio::error::operation_aborted);
  swarm_.proceed_reading(*this);
}

Result<void> ActiveReader::seek(std::uint64_t offset) {
  if (swarm_.left()) return fail(Errc::left, "the swarm was left");
  if (swarm_.url().metadata.live) {
    return fail(Errc::not_supported, "a live feed is read in the order in which it comes");
  }
  const auto length = swarm_.url().metadata.content_length;
  if (length && offset > *length) {
    return fail(Errc::invalid_argument,
                fmt::format("cannot seek to {}: the content has {} octets", offset, *length));
  }
  reading_.seek(offset);
  swarm_.proceed_reading(*this);
  return {};
}

void ActiveReader::tune_in(std::uint64_t position) {
  tuned_in_ = true;
  reading_.seek(position);
}

std::optional<ReadWindow> ActiveReader::window(std::uint32_t chunk_size) const {
  if (!used_) return std::nullopt;
  const auto chunk_at = [&](std::uint64_t ahead) {
    return (position() + ahead + chunk_size - 1) / chunk_size;
  };
  const std::uint64_t urgent = std::min(kUrgent, read_ahead_.value_or(kUrgent));
  return ReadWindow{position() / chunk_size, chunk_at(urgent),
                    read_ahead_ ? chunk_at(*read_ahead_) : std::numeric_limits<ChunkIndex>::max()};
}

}  // namespace ppspp
