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

}  // namespace ppspp
