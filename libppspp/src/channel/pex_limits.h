// How often one peer is asked for others, how often it is answered, and which of its answers were
// asked for (RFC 7574, 3.10, 12.2). What exceeds this is ignored, as a peer may (#175).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "ppspp/time.h"

namespace ppspp {

class PexLimits {
 public:
  // Of one answer: what we tell, and what we take.
  static constexpr std::size_t kMaxTold = 16;
  static constexpr std::size_t kMaxCertificatesTold = 4;
  static constexpr int kMaxTaken = 32;
  static constexpr int kMaxCertificatesTaken = 8;
  // A peer is answered at most so often: 16 addresses for an octet are no lever any more.
  static constexpr Microseconds kAnswerEvery = std::chrono::seconds(10);
  // We ask a peer again after this; after twice as long each time, while it brings nothing new.
  static constexpr Microseconds kAskFirst = std::chrono::minutes(1);
  static constexpr Microseconds kAskMost = std::chrono::minutes(16);
  static constexpr Microseconds kAnswersWithin = std::chrono::seconds(30);
  // Certificates that nobody asked for: a peer shows its own (12.2.2), and a new one before the old
  // one expires.
  static constexpr int kMaxShown = 2;
  static constexpr Microseconds kShownEvery = std::chrono::minutes(10);
  // When one does not hold, the rest are discarded for a while (12.2.2 #185).
  static constexpr Microseconds kDiscardFor = std::chrono::minutes(1);

  // Asking.
  bool may_ask(TimePoint now) const { return now >= ask_at_; }
  TimePoint ask_at() const { return ask_at_; }
  void on_asked(TimePoint now) {
    ask_at_ = now + pause_;
    pause_ = std::min<Microseconds>(pause_ * 2, kAskMost);
    answers_until_ = now + kAnswersWithin;
    addresses_left_ = kMaxTaken;
    certificates_left_ = kMaxCertificatesTaken;
  }
  void on_new_address() { pause_ = kAskFirst; }

  // Answering: whether the PEX_REQ that came now gets an answer.
  bool take_request(TimePoint now) {
    if (now < answer_at_) return false;
    answer_at_ = now + kAnswerEvery;
    return true;
  }

  // Answers: whether one more is taken.
  bool take_address(TimePoint now) {
    if (now >= answers_until_ || addresses_left_ == 0) return false;
    --addresses_left_;
    return true;
  }
  bool take_certificate(TimePoint now) {
    if (now < answers_until_ && certificates_left_ > 0) {
      --certificates_left_;
      return true;
    }
    if (now >= shown_since_ + kShownEvery) {
      shown_ = 0;
      shown_since_ = now;
    }
    if (shown_ >= kMaxShown) return false;
    ++shown_;
    return true;
  }
  bool discards_certificates(TimePoint now) const { return now < discard_until_; }
  void on_defective_certificate(TimePoint now) { discard_until_ = now + kDiscardFor; }

 private:
  TimePoint ask_at_{};
  Microseconds pause_ = kAskFirst;
  TimePoint answers_until_{};
  TimePoint answer_at_{};
  TimePoint shown_since_{};
  TimePoint discard_until_{};
  int addresses_left_ = 0;
  int certificates_left_ = 0;
  int shown_ = 0;
};

}  // namespace ppspp
