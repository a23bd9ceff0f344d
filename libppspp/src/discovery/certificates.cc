#include "discovery/certificates.h"

#include <algorithm>
#include <iterator>

#include "crypto/membership_certificate.h"

namespace ppspp {
namespace {

std::uint64_t seconds(Now now) {
  return now.wall.microseconds / 1'000'000;
}

}  // namespace

bool Certificates::may_check(TimePoint now) {
  if (now >= second_ + std::chrono::seconds(1)) {
    second_ = now;
    checks_ = 0;
  }
  if (checks_ >= kChecksPerSecond) return false;
  ++checks_;
  return true;
}

std::optional<TransportAddress> Certificates::check(std::span<const std::byte> der,
                                                    const SwarmMetadata& metadata, Now now) {
  if (der.size() > kMaxMembershipCertificate) return std::nullopt;
  if (!issuer_) issuer_ = VerifyingKey::from_dnskey(metadata.authority);
  if (!issuer_) return std::nullopt;
  const auto certificate = verify_membership_certificate(der, *issuer_, seconds(now));
  if (!certificate || !std::ranges::equal(certificate->swarm_id, metadata.id.octets())) {
    return std::nullopt;
  }
  checked_not_after_ = certificate->not_after;
  return certificate->address();
}

void Certificates::keep(const TransportAddress& peer, std::span<const std::byte> der,
                        RandomSource& random) {
  if (!held_.contains(peer) && held_.size() >= kMax) {
    held_.erase(std::next(held_.begin(), static_cast<std::ptrdiff_t>(random.below(kMax))));
  }
  held_[peer] = {{der.begin(), der.end()}, checked_not_after_};
}

void Certificates::set_own(std::span<const std::byte> der) {
  own_ = {{der.begin(), der.end()}, checked_not_after_};
}

bool Certificates::holds(std::span<const std::byte> der, Now now) const {
  return std::any_of(held_.begin(), held_.end(), [&](const auto& held) {
    return held.second.not_after > seconds(now) && std::ranges::equal(held.second.der, der);
  });
}

std::span<const std::byte> Certificates::of(const TransportAddress& peer, Now now) const {
  const auto found = held_.find(peer);
  if (!peer.is_unspecified() && found == held_.end()) return {};
  const Held& held = peer.is_unspecified() ? own_ : found->second;
  return held.not_after > seconds(now) ? std::span<const std::byte>(held.der)
                                       : std::span<const std::byte>();
}

}  // namespace ppspp
