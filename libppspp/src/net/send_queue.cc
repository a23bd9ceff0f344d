#include "net/send_queue.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "net/socket_address.h"

namespace ppspp {

SendQueue::SendQueue() : buffer_(new std::byte[kTrains * kTrainSize]) {}

std::span<std::byte> SendQueue::buffer() {
  PPSPP_ASSERT(!full());
  return {bytes_of(at(count_)), kTrainSize};
}

void SendQueue::push(const OutgoingTrain& train) {
  PPSPP_ASSERT(!full());
  PPSPP_ASSERT(train.size > 0 && train.size <= kTrainSize);
  PPSPP_ASSERT(train.segment_size > 0 && train.segment_size <= train.size);
  at(count_++) = Train{train, 0, false};
  octets_ += train.size;
}

SendQueue::Status SendQueue::send(UdpSocket* v4, UdpSocket* v6, UdpCounters& counters,
                                  const TooBig& too_big) {
  while (!empty()) {
    const Train& front = at(0);
    UdpSocket* const socket = front.what.to.is_v4() ? v4 : v6;
    if (socket == nullptr) {
      ++counters.send_errors;
      pop();
      continue;
    }
    const std::size_t pieces = collect(*socket);
    socket->allow_fragments(!front.what.probe);
    ++counters.send_calls;
    const int sent = socket->send(std::span(messages_).first(pieces));
    if (sent == -EAGAIN || sent == -EWOULDBLOCK) {
      ++counters.would_block;
      return Status::would_block;
    }
    if (sent >= 0) {
      advance(static_cast<std::size_t>(sent), counters);
    } else {
      refused(*socket, -sent, counters, too_big);
    }
  }
  return Status::done;
}

// Makes messages of the trains at the front that go through one socket in one manner.
std::size_t SendQueue::collect(const UdpSocket& socket) {
  pieces_ = 0;
  const OutgoingTrain& front = at(0).what;
  for (std::size_t position = 0; position < count_; ++position) {
    const Train& train = at(position);
    if (train.what.to.is_v4() != front.to.is_v4() || train.what.probe != front.probe) break;
    const bool segmented = socket.segments() && !train.piece_by_piece;
    std::size_t offset = train.offset;
    while (offset < train.what.size) {
      if (!add_piece(train, offset, segmented)) return pieces_;
      offset += vectors_[pieces_ - 1].iov_len;
    }
  }
  return pieces_;
}

bool SendQueue::add_piece(const Train& train, std::size_t offset, bool segmented) {
  if (pieces_ == kPieces) return false;
  const std::size_t i = pieces_++;
  const std::size_t size = piece_size(train, offset, segmented);
  vectors_[i] = {bytes_of(train) + offset, size};
  msghdr& header = messages_[i].msg_hdr;
  header = {};
  header.msg_name = &receivers_[i];
  header.msg_namelen = to_sockaddr(train.what.to, receivers_[i]);
  header.msg_iov = &vectors_[i];
  header.msg_iovlen = 1;
  if (size <= train.what.segment_size) return true;

  header.msg_control = &controls_[i];
  header.msg_controllen = sizeof controls_[i];
  cmsghdr* const control = CMSG_FIRSTHDR(&header);
  control->cmsg_level = SOL_UDP;
  control->cmsg_type = UDP_SEGMENT;
  control->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const auto segment = static_cast<std::uint16_t>(train.what.segment_size);
  std::memcpy(CMSG_DATA(control), &segment, sizeof segment);
  return true;
}

// A whole number of segments, as many as the kernel takes in one message, or the rest.
std::size_t SendQueue::piece_size(const Train& train, std::size_t offset, bool segmented) const {
  const std::size_t rest = train.what.size - offset;
  const std::size_t segment = train.what.segment_size;
  if (!segmented) return std::min(segment, rest);
  const std::size_t segments = std::clamp<std::size_t>(kMaxPayload / segment, 1, kMaxSegments);
  return std::min(segments * segment, rest);
}

void SendQueue::advance(std::size_t pieces, UdpCounters& counters) {
  for (std::size_t i = 0; i < pieces; ++i) {
    Train& train = at(0);
    const std::size_t segment = train.what.segment_size;
    train.offset += vectors_[i].iov_len;
    counters.datagrams_out += (vectors_[i].iov_len + segment - 1) / segment;
    if (train.offset == train.what.size) pop();
  }
}

// The first message was not taken. Whatever the reason, the network may lose a datagram at any
// time, so to drop it is always right; the rest of a train is worth another try only where the
// reason was its being a train.
void SendQueue::refused(UdpSocket& socket, int error, UdpCounters& counters,
                        const TooBig& too_big) {
  Train& train = at(0);
  const bool segmented = vectors_[0].iov_len > train.what.segment_size;
  if (segmented && (error == EIO || error == EINVAL || error == EMSGSIZE)) {
    ++counters.trains_split;
    train.piece_by_piece = true;
    // EMSGSIZE is about this path: its first link takes smaller datagrams than these segments.
    if (error != EMSGSIZE) socket.stop_segmenting();
    return;
  }
  const std::size_t size = vectors_[0].iov_len;
  const TransportAddress to = train.what.to;
  train.offset += size;
  if (train.offset == train.what.size) pop();
  if (error == EMSGSIZE) {
    ++counters.too_big;
    if (too_big) too_big(to, size);
  } else {
    ++counters.send_errors;
  }
}

std::byte* SendQueue::bytes_of(const Train& train) const {
  return buffer_.get() + static_cast<std::size_t>(&train - trains_.data()) * kTrainSize;
}

void SendQueue::pop() {
  first_ = (first_ + 1) % kTrains;
  if (--count_ == 0) octets_ = 0;
}

}  // namespace ppspp
