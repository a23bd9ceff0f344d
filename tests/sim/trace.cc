#include "sim/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"
#include "base/overloaded.h"
#include "channel/pex_messages.h"

namespace ppspp::sim {

void TraceDigest::add(SimTime time, std::uint32_t from, const TransportAddress& to,
                      std::span<const std::byte> datagram) {
  mix(time);
  mix(std::uint64_t{from} << 32 | datagram.size());
  // Nobody has an IPv6 address; but a peer may be told of one in a datagram that was damaged.
  mix(std::uint64_t{to.is_v4() ? to.v4_address() : 0} << 16 | to.port());
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
  if (file_ == nullptr || !to.is_v4()) return;
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

std::string in_words(std::span<const std::byte> datagram, const WireFormat& format) {
  std::string text;
  DatagramReader reader(datagram, format);
  const auto range = [&](std::string_view name, ChunkRange chunks) {
    text += fmt::format(" {} {}-{}", name, chunks.begin, chunks.end);
  };
  while (const auto message = reader.next()) {
    std::visit(
        overloaded{
            [&](const Handshake& m) { text += fmt::format(" HANDSHAKE {:08x}", m.source.value); },
            [&](const Data& m) { range("DATA", m.chunks); },
            [&](const Ack& m) { range("ACK", m.chunks); },
            [&](const Have& m) { range("HAVE", m.chunks); },
            [&](const Integrity& m) { range("INTEGRITY", m.chunks); },
            [&](const SignedIntegrity& m) { range("SIGNED", m.chunks); },
            [&](const Request& m) { range("REQUEST", m.chunks); },
            [&](const Cancel& m) { range("CANCEL", m.chunks); },
            [&](const Choke&) { text += " CHOKE"; }, [&](const Unchoke&) { text += " UNCHOKE"; },
            [&](const PexReq&) { text += " PEX_REQ"; },
            [&](const PexResCert& m) {
              text += fmt::format(" PEX certificate {}", m.certificate.size());
            },
            [&](const PexResV4& m) { text += fmt::format(" PEX {}", address_in(m).to_string()); },
            [&](const auto&) {
              text += fmt::format(" type {}", static_cast<int>(type_of(*message)));
            }},
        *message);
  }
  return text;
}

bool DatagramLog::open(const TraceOptions& options) {
  text_ = options.text;
  if (!options.pcap.empty()) pcap_.emplace(options.pcap);
  if (!pcap_ || pcap_->ok()) return true;
  fmt::print(stderr, "ppspp-sim: {} cannot be written\n", options.pcap);
  return false;
}

void DatagramLog::add(SimTime time, const TransportAddress& from, const TransportAddress& to,
                      std::span<const std::byte> datagram, const WireFormat& format) {
  if (pcap_) pcap_->add(time, from, to, datagram);
  if (!text_) return;
  const auto channel = destination(datagram);
  fmt::print("{:.6f} {} > {} channel {:08x}:{}\n", static_cast<double>(time) / 1e6,
             from.to_string(), to.to_string(), channel ? channel->value : 0,
             in_words(datagram, format));
}

}  // namespace ppspp::sim
