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
  // Much that is to be sent at once, and what waits behind a full batch, is the work of threads of
  // the port's own ("lanes").
  bool send_lane = false;
  bool receive_lane = false;
  // Much: so many octets. To hand over less costs more than it saves.
  std::size_t lane_from = std::size_t{1} << 19;
};

}  // namespace ppspp
