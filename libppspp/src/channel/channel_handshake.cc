// The three-way handshake as its initiator sees it, and closing (RFC 7574, 3.1.1, 8.4).
#include <algorithm>

#include "channel/channel.h"

namespace ppspp {
namespace {

constexpr Microseconds kLastResend = std::chrono::seconds(16);
constexpr int kDraftEraAttempt = 3;
constexpr int kMostConfirmations = 6;

Microseconds resend_delay(int attempts) {
  return std::min<Microseconds>(kFirstHandshakeResend * (1 << std::min(attempts, 10)), kLastResend);
}

}  // namespace

// Returns false if the rest of the datagram is not to be read.
bool Channel::on_handshake(const Handshake& message, ChannelContext& context, Now now) {
  if (established()) {
    if (message.source.value != 0) return true;  // a duplicate of the answer (8.2 #237)
    take_back_requests(context);
    close("by the peer", false);
    return false;
  }
  const auto* initiating = std::get_if<Initiating>(&state_);
  if (initiating == nullptr || message.source.value == 0) return false;
  const auto capabilities = check_handshake(message.options, context.metadata(), false);
  if (!capabilities) {
    close("its handshake does not fit the swarm", false);  // 3.1.1(4): simply cease
    return false;
  }
  // Only an answer to the one and only first datagram tells the round trip (Karn).
  if (initiating->attempts == 1) {
    learn_round_trip(now.monotonic - initiating->began_at, now);
  }
  capabilities_ = *capabilities;
  set_state(Established{message.source});
  established_at_ = now.monotonic;
  answer_now_ = true;
  confirm_at_ = now.monotonic + kFirstHandshakeResend;
  return true;
}

// Of the handshake, which either end sees: what is paced, and asked for again, by it need not begin
// with a guess.
void Channel::learn_round_trip(Microseconds rtt, Now now) {
  rtt_.on_sample(rtt, now.monotonic);
  update_rate(now);
}

// With growing pauses, and not for ever: a peer may have nothing to say either.
void Channel::confirm_again(Now now) {
  if (now.monotonic < confirm_at_) return;
  answer_now_ = repeat_haves_ = true;
  confirm_at_ =
      ++confirmed_ < kMostConfirmations ? now.monotonic + resend_delay(confirmed_) : kNever;
}

std::optional<Filled> Channel::fill_handshake(std::span<std::byte> buffer, ChannelContext& context,
                                              Now now) {
  auto& initiating = std::get<Initiating>(state_);
  if (now.monotonic < initiating.resend_at) return std::nullopt;
  if (now.monotonic >= initiating.began_at + patience_) {
    close("no answer", false);
    return std::nullopt;
  }
  // A peer of the draft era drops what it does not know: one attempt in its language.
  const bool draft_era =
      initiating.attempts == kDraftEraAttempt && draft_era_possible(context.metadata());
  initiating.resend_at = now.monotonic + resend_delay(initiating.attempts++);
  ByteWriter out(buffer.first(std::min(buffer.size(), options_.base_datagram_size)));
  write_channel(out, ChannelId{});
  write_handshake(
      out, Handshake{local_, handshake_options(context.metadata(), context.discard_window(), true,
                                               draft_era)});
  if (!out.ok()) {
    close("the handshake does not fit a datagram", false);
    return std::nullopt;
  }
  count_sent_datagram(now);
  return Filled{out.size(), out.size(), false};
}

}  // namespace ppspp
