// Messages to hex and back, for tests that compare octets.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/hex.h"
#include "wire/datagram.h"

namespace ppspp::test {

inline constexpr ChunkAddressing kAddressings[] = {ChunkAddressing::bin32, ChunkAddressing::byte64,
                                                   ChunkAddressing::chunk32, ChunkAddressing::bin64,
                                                   ChunkAddressing::chunk64};

inline WireFormat format_of(ChunkAddressing addressing) {
  WireFormat format;
  format.addressing = addressing;
  format.signature_size = 64;
  return format;
}

// Octets on the heap, exactly as many as there are, so that AddressSanitizer sees a read past them.
class HeapOctets {
 public:
  explicit HeapOctets(std::span<const std::byte> octets)
      : octets_(new std::byte[octets.size()]), size_(octets.size()) {
    std::copy(octets.begin(), octets.end(), octets_.get());
  }
  std::span<const std::byte> span() const { return {octets_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> octets_;
  std::size_t size_;
};

// A datagram for channel 0: the channel ID and these messages.
inline std::vector<std::byte> datagram(std::string_view messages) {
  auto octets = hex("00000000");
  for (const std::byte octet : hex(messages)) octets.push_back(octet);
  return octets;
}

inline std::string encoded(const Message& message, const WireFormat& format) {
  std::vector<std::byte> buffer(70'000);
  ByteWriter out(buffer);
  write_message(out, message, format);
  REQUIRE(out.ok());
  return to_hex(out.written());
}

inline std::string without_blanks(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c != ' ') result += c;
  }
  return result;
}

// Decodes one message that fills its datagram and checks that it is written as it was read. The
// views in the result point to octets that live until the end of the program.
template <typename T>
T check_layout(std::string_view octets, const WireFormat& format) {
  CAPTURE(octets);
  static std::vector<std::unique_ptr<HeapOctets>> kept;
  kept.push_back(std::make_unique<HeapOctets>(datagram(octets)));
  DatagramReader reader(kept.back()->span(), format);
  const auto message = reader.next();
  REQUIRE(message);
  REQUIRE(std::holds_alternative<T>(*message));
  CHECK_FALSE(reader.next());
  CHECK_FALSE(reader.error());
  CHECK(reader.empty());
  CHECK(encoded(*message, format) == without_blanks(octets));
  return std::get<T>(*message);
}

// How reading a datagram of these messages ends, and after how many of them.
struct Reading {
  std::size_t messages = 0;
  std::optional<DecodeError> error;
  friend bool operator==(const Reading&, const Reading&) = default;
};

inline Reading read_all(std::span<const std::byte> datagram, const WireFormat& format) {
  const HeapOctets octets(datagram);
  DatagramReader reader(octets.span(), format);
  Reading reading;
  while (reader.next()) ++reading.messages;
  reading.error = reader.error();
  return reading;
}

inline Reading read_all(std::string_view messages, const WireFormat& format) {
  return read_all(datagram(messages), format);
}

inline std::optional<DecodeError> error_of(std::string_view messages, const WireFormat& format) {
  return read_all(messages, format).error;
}

}  // namespace ppspp::test
