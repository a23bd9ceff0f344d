// What was sent, as one number to compare runs by, and as a file for Wireshark.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ppspp/transport_address.h"
#include "sim/sim_clock.h"
#include "wire/datagram.h"

namespace ppspp::sim {

class TraceDigest {
 public:
  void add(SimTime time, std::uint32_t from, const TransportAddress& to,
           std::span<const std::byte> datagram);
  std::uint64_t value() const { return state_; }

 private:
  void mix(std::uint64_t value) {
    state_ = (state_ ^ value) * 0x9e3779b97f4a7c15;
    state_ ^= state_ >> 32;
  }
  std::uint64_t state_ = 0x6a09e667f3bcc908;
};

// The datagrams as IPv4 packets in the format of libpcap.
class PcapFile {
 public:
  explicit PcapFile(const std::string& path);
  bool ok() const { return file_ != nullptr; }
  void add(SimTime time, const TransportAddress& from, const TransportAddress& to,
           std::span<const std::byte> datagram);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
};

// The messages of a datagram, each behind a space.
std::string in_words(std::span<const std::byte> datagram, const WireFormat& format);

struct TraceOptions {
  bool text = false;
  std::string pcap;  // a file; empty: none
};

// What a run of one swarm sends, as its user wants to see it.
class DatagramLog {
 public:
  // False: the file cannot be written; it was said.
  bool open(const TraceOptions& options);
  bool wanted() const { return text_ || pcap_; }
  void add(SimTime time, const TransportAddress& from, const TransportAddress& to,
           std::span<const std::byte> datagram, const WireFormat& format);

 private:
  bool text_ = false;
  std::optional<PcapFile> pcap_;
};

}  // namespace ppspp::sim
