// Carries what a swarm's reader gives to a descriptor, such as a player's standard input.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "output_stream.h"
#include "ppspp/ppspp.h"
#include "ts_aligner.h"

namespace ppspp::tools {

class ContentWriter {
 public:
  // Called from the event loop. One of the first three is called, once, and may destroy the writer.
  struct Handlers {
    std::function<void()> on_end;          // everything was written
    std::function<void()> on_reader_gone;  // of the pipe
    std::function<void(const std::string&)> on_error;
    // Live: so many octets had left the window before the descriptor took what was before them.
    std::function<void(std::uint64_t octets)> on_lost = nullptr;
  };

  // `name` is what messages call the descriptor, which stays open. `align`: begin, and go on after
  // a gap, where a packet of an MPEG transport stream does.
  ContentWriter(asio::io_context& io, int fd, std::string name, bool align);
  ~ContentWriter();
  ContentWriter(const ContentWriter&) = delete;
  ContentWriter& operator=(const ContentWriter&) = delete;

  void start(Swarm swarm, Handlers handlers);
  std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  void read();
  void take(std::size_t size);
  void write(std::span<const std::byte> bytes, bool last);
  void written(std::size_t size, const error_code& error, bool last);
  void look_for_gap(std::uint64_t offset);
  void fail_with(const std::string& what, const error_code& error);

  OutputStream output_;
  std::string name_;
  std::optional<TsAligner> aligner_;
  std::optional<Swarm> swarm_;
  Handlers handlers_;
  std::vector<std::byte> buffer_;
  std::vector<std::byte> aligned_;
  std::uint64_t bytes_written_ = 0;
  std::optional<std::uint64_t> next_;  // where the next octets should stand
  std::chrono::steady_clock::time_point write_start_;
  bool write_was_slow_ = false;
  bool finished_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ppspp::tools
