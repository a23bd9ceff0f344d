// The membership certificates that a swarm holds (RFC 7574, 8.13, 12.2.2): its own, and those of
// peers that it may tell of. All of them have been checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "crypto/verifying_key.h"
#include "ppspp/random_source.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"

namespace ppspp {

class Certificates {
 public:
  static constexpr std::size_t kMax = 64;
  // Checks of signatures for all peers together: 0.1 ms each (12.2.2 #185).
  static constexpr int kChecksPerSecond = 32;

  // Takes what `metadata.authority` signed for this swarm and is valid now. Nothing: it is not.
  // Its address is a literal one: names are not looked up for strangers.
  std::optional<TransportAddress> check(std::span<const std::byte> der,
                                        const SwarmMetadata& metadata, Now now);
  // Whether a check may be afforded now.
  bool may_check(TimePoint now);

  // Keeps what was checked.
  void keep(const TransportAddress& peer, std::span<const std::byte> der, RandomSource& random);
  void set_own(std::span<const std::byte> der);
  // Whether exactly this certificate is held.
  bool holds(std::span<const std::byte> der, Now now) const;
  // Empty: there is none that is valid now. The unspecified address: our own.
  std::span<const std::byte> of(const TransportAddress& peer, Now now) const;
  std::size_t size() const { return held_.size(); }

 private:
  struct Held {
    std::vector<std::byte> der;
    std::uint64_t not_after = 0;  // seconds since 1970
  };
  std::optional<VerifyingKey> issuer_;  // made when it is needed first
  std::map<TransportAddress, Held> held_;
  Held own_;
  std::uint64_t checked_not_after_ = 0;  // of the last certificate that held
  TimePoint second_{};
  int checks_ = 0;  // in that second
};

}  // namespace ppspp
