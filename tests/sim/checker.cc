#include "sim/checker.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/overloaded.h"
#include "channel/pex_messages.h"
#include "crypto/membership_certificate.h"
#include "integrity/merkle_tree.h"

namespace ppspp::sim {
namespace {

// Clocks may run differently by 300 parts of a million.
constexpr SimTime kHeardWithin = 60'100'000;
constexpr SimTime kAnswerEvery = 9'900'000;
constexpr unsigned kMostTold = 16;
constexpr unsigned kMostCertified = 4;

}  // namespace

std::optional<std::size_t> Checker::swarm_of(std::span<const std::byte> id) const {
  for (std::size_t i = 0; i < contents_.size(); ++i) {
    if (std::ranges::equal(contents_[i]->metadata().id.octets(), id)) return i;
  }
  return std::nullopt;
}

void Checker::note_handshake(NodeId from, std::size_t swarm, const Handshake& handshake) {
  if (handshake.source.value == 0) return;
  channels_[key(from, handshake.source)] = {
      swarm, handshake.options.supported_messages.value_or(all_messages())};
}

void Checker::forget(NodeId node) {
  if (node < proofs_.size()) proofs_[node].clear();
}

void Checker::note_received(NodeId to, const TransportAddress& from,
                            std::span<const std::byte> datagram) {
  if (proofs_.size() <= to) proofs_.resize(to + 1);
  Proof& proof = proofs_[to][from];
  proof.in += datagram.size();
  proof.heard_at = world_.time();
  const auto id = destination(datagram);
  if (id && id->value == 0) note_speaker(from, datagram);
  if (id && id->value != 0 && channels_.contains(key(to, *id))) proof.proved = true;
}

// What a speaker calls itself is not seen when it is sent.
void Checker::note_speaker(const TransportAddress& from, std::span<const std::byte> datagram) {
  const auto node = world_.find(from);
  if (!node || !world_.is_speaker(*node)) return;
  const auto first = read_handshake(datagram);
  if (!first || !first->handshake.options.swarm_id) return;
  const auto swarm = swarm_of(*first->handshake.options.swarm_id);
  if (swarm) note_handshake(*node, *swarm, first->handshake);
}

std::optional<std::string> Checker::check_sent(NodeId from, const TransportAddress& to,
                                               std::span<const std::byte> datagram) {
  const auto id = destination(datagram);
  if (!id) return "a datagram without a channel ID";
  if (id->value == 0) return check_first(from, to, datagram);

  // 12.1: an answer to an address that anybody may have forged.
  if (proofs_.size() <= from) proofs_.resize(from + 1);
  Proof& proof = proofs_[from][to];
  proof.out += datagram.size();
  if (!proof.proved && proof.out > 3 * proof.in) {
    return fmt::format("{} octets to {}, which has sent {} and not proved itself", proof.out,
                       to.to_string(), proof.in);
  }
  const auto receiver = world_.find(to);
  if (!receiver) return "a datagram to an address that nobody has";
  const auto owned = channels_.find(key(*receiver, *id));
  if (owned == channels_.end()) {
    if (lenient_) return std::nullopt;
    return fmt::format("a datagram for channel {:08x}, which {} never named", id->value,
                       to.to_string());
  }
  return check_messages(from, to, owned->second, datagram);
}

std::optional<std::string> Checker::check_first(NodeId from, const TransportAddress& to,
                                                std::span<const std::byte> datagram) {
  const auto first = read_handshake(datagram);
  if (!first) return "a first datagram that is no handshake";
  if (!first->handshake.options.swarm_id) return "a first handshake without a swarm ID";
  const auto swarm = swarm_of(*first->handshake.options.swarm_id);
  if (!swarm) return "a handshake for a swarm that there is not";
  note_handshake(from, *swarm, first->handshake);
  Owned nobody{*swarm, all_messages()};
  return check_messages(from, to, nobody, datagram);
}

std::optional<std::string> Checker::check_messages(NodeId from, const TransportAddress& to,
                                                   Owned& owned,
                                                   std::span<const std::byte> datagram) {
  const WireFormat format = wire_format(contents_[owned.swarm]->metadata());
  again_.resize(datagram.size());
  ByteWriter again(again_);
  write_channel(again, *destination(datagram));
  DatagramReader reader(datagram, format);
  while (const auto message = reader.next()) {
    const auto type = static_cast<std::size_t>(type_of(*message));
    if (const auto* handshake = std::get_if<Handshake>(&*message)) {
      note_handshake(from, owned.swarm, *handshake);
    } else if (!owned.listed.test(type) && !lenient_) {
      return fmt::format("a message of type {}, which its receiver did not list", type);
    }
    write_message(again, *message, format);
    if (auto wrong = check_message(from, to, owned, *message)) return wrong;
  }
  if (reader.error()) {
    return fmt::format("a datagram that cannot be read: {}", to_string(*reader.error()));
  }
  if (!again.ok() || !std::ranges::equal(again.written(), datagram)) {
    return "a datagram that would be written otherwise";
  }
  return std::nullopt;
}

std::optional<std::string> Checker::check_message(NodeId from, const TransportAddress& to,
                                                  Owned& owned, const Message& message) {
  const std::size_t swarm = owned.swarm;
  const Content& content = *contents_[swarm];
  using Wrong = std::optional<std::string>;
  return std::visit(
      overloaded{
          [&](const Have& have) { return check_announced(from, swarm, have.chunks, "HAVE"); },
          [&](const Ack& ack) -> Wrong {
            // A chunk that is held until the length is proved was verified as well.
            const SimDisk* disk = disk_of_(from, swarm);
            const bool held = disk != nullptr && !disk->length_known() && !content.metadata().live;
            if (held && ack.chunks.size() == 1) return std::nullopt;
            return check_announced(from, swarm, ack.chunks, "ACK");
          },
          [&](const Data& data) -> Wrong {
            const std::uint64_t at = data.chunks.begin * content.metadata().chunk_size;
            if (at + data.payload.size() > content.length() ||
                !std::ranges::equal(
                    content.octets().subspan(static_cast<std::size_t>(at), data.payload.size()),
                    data.payload)) {
              return fmt::format("chunk {} with wrong octets", data.chunks.begin);
            }
            return check_announced(from, swarm, data.chunks, "DATA");
          },
          [&](const Integrity& integrity) -> Wrong {
            if (content.tree().empty()) return std::nullopt;
            const Bin bin = bin_of(integrity.chunks);
            const std::size_t at = static_cast<std::size_t>(bin.number()) * integrity.hash.size();
            if (bin.is_none() || at + integrity.hash.size() > content.tree().size() ||
                !std::ranges::equal(content.tree().subspan(at, integrity.hash.size()),
                                    integrity.hash)) {
              return fmt::format("a wrong hash for chunks {} to {}", integrity.chunks.begin,
                                 integrity.chunks.end);
            }
            return std::nullopt;
          },
          [&](const PexReq&) -> Wrong {
            return pex_ ? std::nullopt : Wrong("PEX_REQ, where PEX is off");
          },
          [&](const PexResV4& told) {
            return check_told(from, to, address_in(told), false, owned);
          },
          [&](const PexResV6& told) {
            return check_told(from, to, address_in(told), false, owned);
          },
          [&](const PexResCert& told) {
            return check_certificate(from, to, told.certificate, owned);
          },
          [](const auto&) -> Wrong { return std::nullopt; }},
      message);
}

// 3.10.1, 8.13, 12.2; decision 50.
std::optional<std::string> Checker::check_told(NodeId from, const TransportAddress& to,
                                               const TransportAddress& told, bool certified,
                                               Owned& owned) {
  if (!pex_) return "an address, where PEX is off";
  const auto wrong = [&](std::string_view why) {
    return fmt::format("of {} to {}, {}", told.to_string(), to.to_string(), why);
  };
  if (told == to) return wrong("which is itself");
  if (!to.is_internal() && told.is_internal()) return wrong("which is outside");
  if (!to.is_internal() && !pex_on_internet_ && !certified) return wrong("without a certificate");
  const auto heard = proofs_[from].find(told);
  if (heard == proofs_[from].end() || world_.time() > heard->second.heard_at + kHeardWithin) {
    return wrong("which was not heard for a minute");
  }
  if (world_.time() >= owned.told_since + kAnswerEvery) {
    owned.told_since = world_.time();
    owned.told = owned.certified = 0;
  }
  if (++owned.told > kMostTold) return wrong("and of too many in ten seconds");
  if (certified && ++owned.certified > kMostCertified) return wrong("and of too many certified");
  return std::nullopt;
}

// 8.13, 12.2.2; decision 52: its own, or that of a peer it may tell of.
std::optional<std::string> Checker::check_certificate(NodeId from, const TransportAddress& to,
                                                      std::span<const std::byte> der,
                                                      Owned& owned) {
  const SwarmMetadata& metadata = contents_[owned.swarm]->metadata();
  if (!pex_ || metadata.authority.empty()) return "a certificate, where nobody certifies";
  auto issuer = VerifyingKey::from_dnskey(metadata.authority);
  const auto certificate =
      verify_membership_certificate(der, *issuer, world_.now(from).wall.microseconds / 1'000'000);
  if (!certificate) return "a certificate that does not hold: " + certificate.error().context;
  if (!std::ranges::equal(certificate->swarm_id, metadata.id.octets())) {
    return "a certificate of another swarm";
  }
  const auto address = certificate->address();
  if (!address) return "a certificate of a name";
  if (*address == world_.address(from)) return std::nullopt;
  ++certificates_told_;
  return check_told(from, to, *address, true, owned);
}

std::string Checker::describe(NodeId from, const TransportAddress& to,
                              std::span<const std::byte> datagram) const {
  std::string text = fmt::format("{} > {}", from, to.to_string());
  const auto id = destination(datagram);
  const auto receiver = world_.find(to);
  if (!id || !receiver) return text;
  std::size_t swarm = 0;
  if (id->value == 0) {
    const auto first = read_handshake(datagram);
    if (!first || !first->handshake.options.swarm_id) return text;
    swarm = swarm_of(*first->handshake.options.swarm_id).value_or(0);
  } else if (const auto owned = channels_.find(key(*receiver, *id)); owned != channels_.end()) {
    swarm = owned->second.swarm;
  }
  text += fmt::format(" swarm {} channel {:08x}:", swarm, id->value);
  return text + in_words(datagram, wire_format(contents_[swarm]->metadata()));
}

// What is acknowledged or announced was verified and is in the store.
std::optional<std::string> Checker::check_announced(NodeId from, std::size_t swarm,
                                                    ChunkRange chunks, std::string_view what) {
  const SimDisk* disk = disk_of_(from, swarm);
  if (chunks.empty() || (disk != nullptr && disk->has_all(chunks))) return std::nullopt;
  return fmt::format("{} of chunks {} to {}, which are not all in its store", what, chunks.begin,
                     chunks.end);
}

}  // namespace ppspp::sim
