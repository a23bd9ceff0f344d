// Where a live feed comes from: standard input, a file at a steady pace, or UDP datagrams.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ppspp/result.h"
#include "ppspp/transport_address.h"

namespace ppspp::tools {

struct InputName {
  enum class Kind : std::uint8_t { standard_input, file, udp };
  Kind kind = Kind::standard_input;
  std::filesystem::path path;   // of a file
  TransportAddress address;     // of UDP: a group to join, or an address of this host
  std::uint32_t interface = 0;  // of UDP: its index, for a group or a link-local address; 0: any

  bool is_multicast() const;
  std::string to_string() const;  // for messages
};

// "-", "udp://ADDR:PORT" (also udp://@GROUP:PORT, as players write it; ADDR%INTERFACE names the
// interface of a group), "file:PATH", or the path of a file alone.
Result<InputName> parse_input(std::string_view text);

class LiveInput {
 public:
  // Called from the event loop. They may call stop(), and must not destroy the input.
  struct Handlers {
    std::function<void(std::span<const std::byte>)> on_data;
    std::function<void()> on_end;
    std::function<void(const Error&)> on_error;  // the last call
  };

  virtual ~LiveInput() = default;
  virtual void start(Handlers handlers) = 0;
  virtual void stop() = 0;  // no handler is called any more
  // What the system received and dropped, because we were too slow.
  virtual std::uint64_t datagrams_lost() const { return 0; }

 protected:
  // Expired when the input is gone. What waits in the event loop asks it: cancelling does not reach
  // a handler that is already due.
  std::weak_ptr<const void> alive() const { return alive_; }

 private:
  std::shared_ptr<const void> alive_ = std::make_shared<char>();
};

// `pace`, in octets per second, is for files, and needed for them: they have no time of their own.
Result<std::unique_ptr<LiveInput>> open_input(boost::asio::io_context& io, const InputName& name,
                                              std::optional<std::uint64_t> pace);
// The same for a descriptor that is already open (standard input); it is not closed.
Result<std::unique_ptr<LiveInput>> open_input(boost::asio::io_context& io, int fd,
                                              const std::string& name,
                                              std::optional<std::uint64_t> pace);

}  // namespace ppspp::tools
