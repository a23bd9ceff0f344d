#include "content_writer.h"

#include <fmt/format.h>

#include <boost/asio/error.hpp>
#include <cerrno>
#include <utility>

namespace ppspp::tools {
namespace {

constexpr std::size_t kBufferSize = std::size_t{256} << 10;
// A gap behind a write that took longer is its fault; else the source began anew farther on.
constexpr auto kSlowWrite = std::chrono::milliseconds(100);

}  // namespace

ContentWriter::ContentWriter(asio::io_context& io, int fd, std::string name, bool align)
    : output_(io, fd), name_(std::move(name)), buffer_(kBufferSize) {
  if (align) aligner_.emplace();
}

ContentWriter::~ContentWriter() {
  *alive_ = false;
}

void ContentWriter::start(Swarm swarm, Handlers handlers) {
  swarm_.emplace(std::move(swarm));
  handlers_ = std::move(handlers);
  output_.watch([this] {
    if (std::exchange(finished_, true)) return;
    const auto gone = handlers_.on_reader_gone;  // which may destroy us
    gone();
  });
  read();
}

void ContentWriter::read() {
  swarm_->reader().async_read_some(
      asio::buffer(buffer_), [this, alive = alive_](const error_code& error, std::size_t size) {
        if (!*alive || finished_) return;
        if (!error) return take(size);
        if (error != asio::error::eof) return fail_with("cannot read what was downloaded", error);
        aligned_.clear();
        if (aligner_) aligner_->finish(aligned_);
        write(aligned_, true);
      });
}

void ContentWriter::take(std::size_t size) {
  const auto bytes = std::span<const std::byte>(buffer_).first(size);
  const std::uint64_t offset = swarm_->reader().position() - size;
  look_for_gap(offset);
  next_ = offset + size;
  if (!aligner_) return write(bytes, false);
  aligned_.clear();
  aligner_->push(offset, bytes, aligned_);
  write(aligned_, false);
}

void ContentWriter::look_for_gap(std::uint64_t offset) {
  if (!next_ || offset <= *next_ || !write_was_slow_ || !handlers_.on_lost) return;
  handlers_.on_lost(offset - *next_);
}

void ContentWriter::write(std::span<const std::byte> bytes, bool last) {
  write_start_ = std::chrono::steady_clock::now();
  output_.write(bytes, [this, alive = alive_, size = bytes.size(), last](const error_code& error) {
    if (*alive && !finished_) written(size, error, last);
  });
}

void ContentWriter::written(std::size_t size, const error_code& error, bool last) {
  if (!error) {
    write_was_slow_ = std::chrono::steady_clock::now() - write_start_ > kSlowWrite;
    bytes_written_ += size;
    if (!last) return read();
    finished_ = true;
    output_.cancel();
    const auto done = handlers_.on_end;
    return done();
  }
  if (error.value() != EPIPE) return fail_with(fmt::format("cannot write to {}", name_), error);
  finished_ = true;
  const auto gone = handlers_.on_reader_gone;
  gone();
}

void ContentWriter::fail_with(const std::string& what, const error_code& error) {
  finished_ = true;
  const auto failed = handlers_.on_error;
  failed(fmt::format("{}: {}", what, error.message()));
}

}  // namespace ppspp::tools
