// What a UDP port is opened with. The four switches exist for kernels that lack a facility, which
// is noticed at run time too, and for tests of the ways round them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ppspp {

struct UdpOptions {
  bool receive_many = true;  // recvmmsg
  bool send_many = true;     // sendmmsg
  bool coalesce = true;      // UDP_GRO: the kernel hands over trains of datagrams
  bool segment = true;       // UDP_SEGMENT: the kernel is handed trains of datagrams
  // 4 MiB hold 30 ms of 1 Gbit/s, what a busy machine may let us sleep; Linux's default of 208 KiB
  // holds 92 datagrams of 1 KiB chunks, and costs most of the rate.
  std::size_t buffer_size = std::size_t{4} << 20;
};

struct UdpCounters {
  std::uint64_t receive_calls = 0;
  std::uint64_t send_calls = 0;
  std::uint64_t datagrams_in = 0;
  std::uint64_t datagrams_out = 0;
  std::uint64_t would_block = 0;   // the socket took no more
  std::uint64_t send_errors = 0;   // refused by the system, dropped
  std::uint64_t too_big = 0;       // EMSGSIZE
  std::uint64_t trains_split = 0;  // sent piece by piece
};

}  // namespace ppspp
