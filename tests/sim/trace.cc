#include "sim/trace.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"

namespace ppspp::sim {

void TraceDigest::add(SimTime time, std::uint32_t from, const TransportAddress& to,
                      std::span<const std::byte> datagram) {
  mix(time);
  mix(std::uint64_t{from} << 32 | datagram.size());
  mix(std::uint64_t{to.v4_address()} << 16 | to.port());
  while (!datagram.empty()) {
    std::uint64_t word = 0;
    const std::size_t size = std::min<std::size_t>(8, datagram.size());
    std::memcpy(&word, datagram.data(), size);
    mix(word);
    datagram = datagram.subspan(size);
  }
}

PcapFile::PcapFile(const std::string& path) : file_(std::fopen(path.c_str(), "wb")) {
  if (file_ == nullptr) return;
  std::array<std::byte, 24> octets;
  ByteWriter out(octets);
  out.write(std::uint32_t{0xa1b2c3d4});  // big endian, microseconds
  out.write(std::uint16_t{2});
  out.write(std::uint16_t{4});
  out.write(std::uint64_t{0});       // zone and accuracy
  out.write(std::uint32_t{65'535});  // the longest packet
  out.write(std::uint32_t{101});     // LINKTYPE_RAW: IP
  std::fwrite(octets.data(), 1, octets.size(), file_.get());
}

// Checksums are 0: not computed.
void PcapFile::add(SimTime time, const TransportAddress& from, const TransportAddress& to,
                   std::span<const std::byte> datagram) {
  if (file_ == nullptr) return;
  const auto udp = static_cast<std::uint32_t>(datagram.size() + 8);
  const std::uint32_t packet = std::min<std::uint32_t>(udp + 20, 65'535);
  std::array<std::byte, 44> octets;
  ByteWriter out(octets);
  out.write(static_cast<std::uint32_t>(time / 1'000'000));
  out.write(static_cast<std::uint32_t>(time % 1'000'000));
  out.write(packet);
  out.write(packet);
  out.write(std::uint16_t{0x4500});
  out.write(static_cast<std::uint16_t>(packet));
  out.write(std::uint32_t{0});
  out.write(std::uint32_t{0x4011'0000});  // TTL 64, UDP
  out.write(from.v4_address());
  out.write(to.v4_address());
  out.write(from.port());
  out.write(to.port());
  out.write(static_cast<std::uint16_t>(packet - 20));
  out.write(std::uint16_t{0});
  std::fwrite(octets.data(), 1, octets.size(), file_.get());
  std::fwrite(datagram.data(), 1, packet - 28, file_.get());
}

}  // namespace ppspp::sim
