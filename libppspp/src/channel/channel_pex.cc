// Peer exchange (RFC 7574, 3.10, 8.13): a peer is asked for others, and told of others. Which ones,
// and what becomes of those that it names, is for the swarm to say.
#include "channel/channel.h"
#include "channel/pex_messages.h"

namespace ppspp {
namespace {

std::size_t told_size(const TransportAddress& address) {
  return 1 + (address.is_v4() ? 4 : 16) + 2;
}

void write_told(ByteWriter& out, const TransportAddress& address) {
  if (address.is_v4()) {
    write_pex_res(out, PexResV4{address.v4_address(), address.port()});
  } else {
    write_pex_res(out, PexResV6{address.bytes(), address.port()});
  }
}

}  // namespace

bool Channel::may_ask_for_peers(Now now) const {
  return established() && !ask_for_peers_ && pex_.may_ask(now.monotonic) &&
         lists(capabilities_, MessageType::pex_req);
}

void Channel::ask_for_peers(Now now) {
  ask_for_peers_ = true;
  pex_.on_asked(now.monotonic);
}

// Unasked, as it belongs to what a peer says of itself (12.2.2).
void Channel::show_certificate() {
  to_tell_.push_back({TransportAddress(), true});
}

void Channel::on_pex_request(ChannelContext& context, Now now) {
  PexCounters& count = context.scratch().pex;
  ++count.requests_in;
  if (to_tell_.size() > PexLimits::kMaxTold || !pex_.take_request(now.monotonic)) {
    ++count.ignored;
    return;
  }
  context.collect_peers(*this, to_tell_, now);
}

void Channel::on_pex_address(const TransportAddress& address, ChannelContext& context, Now now) {
  PexCounters& count = context.scratch().pex;
  ++count.addresses_in;
  if (!pex_.take_address(now.monotonic)) {
    ++count.ignored;
    return faults_.add(PeerFault::pex);
  }
  take_told(context.receive_address(*this, address, now), context, now);
}

void Channel::on_pex_certificate(std::span<const std::byte> certificate, ChannelContext& context,
                                 Now now) {
  PexCounters& count = context.scratch().pex;
  ++count.certificates_in;
  if (pex_.discards_certificates(now.monotonic) || !pex_.take_certificate(now.monotonic)) {
    ++count.ignored;
    return faults_.add(PeerFault::pex);
  }
  take_told(context.receive_certificate(*this, certificate, now), context, now);
}

void Channel::take_told(ChannelContext::Told told, ChannelContext& context, Now now) {
  switch (told) {
    case ChannelContext::Told::fresh:
      return pex_.on_new_address();
    case ChannelContext::Told::known:
      return;
    case ChannelContext::Told::useless:
      ++context.scratch().pex.ignored;
      return;
    case ChannelContext::Told::defective:
      pex_.on_defective_certificate(now.monotonic);
      return faults_.add(PeerFault::pex);
  }
}

void Channel::fill_pex(ByteWriter& out, ChannelContext& context, Now now) {
  PexCounters& count = context.scratch().pex;
  if (ask_for_peers_ && out.fits(1)) {
    write_pex_req(out);
    ask_for_peers_ = false;
    ++count.requests_out;
  }
  while (!to_tell_.empty()) {
    const PeerToTell& peer = to_tell_.back();
    const auto certificate =
        peer.certified ? context.certificate_of(peer.address, now) : std::span<const std::byte>();
    const std::size_t size = peer.certified ? 3 + certificate.size() : told_size(peer.address);
    const bool alone = out.size() == 4;
    if (!out.fits(size) && !alone) return;  // with the next datagram
    if (peer.certified && !certificate.empty() && out.fits(size) &&
        lists(capabilities_, MessageType::pex_res_cert)) {
      write_pex_res(out, PexResCert{certificate});
      ++count.certificates_out;
    } else if (!peer.certified && out.fits(size) &&
               lists(capabilities_,
                     peer.address.is_v4() ? MessageType::pex_res_v4 : MessageType::pex_res_v6)) {
      write_told(out, peer.address);
      ++count.addresses_out;
    }
    to_tell_.pop_back();
  }
}

}  // namespace ppspp
