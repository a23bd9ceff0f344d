// Membership certificates (RFC 7574, sections 8.13 and 12.2): "the peer at this address is a member
// of this swarm at this time", X.509v3 in DER, signed by the swarm's certification authority, which
// is its tracker. What travels in PEX_REScert.
//
// RFC 5280 wants a public key in each certificate, and PPSPP has no use for one: the peer proves
// that it is at the address (12.2.2, the tracker's return-routability check), not who it is. It
// certifies the key of its request, whose holding the request proves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/verifying_key.h"
#include "ppspp/result.h"
#include "ppspp/signing_key.h"
#include "ppspp/transport_address.h"

namespace ppspp {

// With its datagram's other octets below what every path carries (RFC 8200: 1,280 octets).
inline constexpr std::size_t kMaxMembershipCertificate = 1200;
inline constexpr std::size_t kMaxCertificateRequest = 1024;
// How far behind the issuer's a clock may be, as for live swarms (decision 13).
inline constexpr std::uint64_t kMembershipClockTolerance = 300;  // seconds

struct MembershipCertificate {
  std::string host;  // an IP address without brackets, or a DNS name
  std::uint16_t port = 0;
  std::vector<std::byte> swarm_id;
  std::uint64_t not_before = 0;  // seconds since 1970
  std::uint64_t not_after = 0;
  std::vector<std::byte> peer_key;  // as in a DNSKEY record, behind its algorithm number

  // Nothing: the host is a name.
  std::optional<TransportAddress> address() const;
  friend bool operator==(const MembershipCertificate&, const MembershipCertificate&) = default;
};

// "192.0.2.1" or "2001:db8::1", as the host of a certificate.
std::string host_of(const TransportAddress& address);

// The URL of the certificate's name: file://192.0.2.0:6778/e5a12c7a...
std::string membership_url(const MembershipCertificate& certificate);
// Fills host, port and swarm ID; nothing: the text is not of that form.
std::optional<MembershipCertificate> parse_membership_url(std::string_view url);

// What a certificate says, if `issuer` signed it and it is valid at `now` (seconds since 1970). The
// signature is checked before anything else is looked at: foreign octets cost one check at most,
// and those of other lengths none. Whether the swarm is the right one is the caller's question, and
// how many checks a peer may cost (12.2.2).
Result<MembershipCertificate> verify_membership_certificate(std::span<const std::byte> der,
                                                            VerifyingKey& issuer,
                                                            std::uint64_t now);

// Signs certificates.
class MembershipIssuer {
 public:
  // Errors: RSASHA1 keys, whose signatures nobody should trust any more.
  static Result<MembershipIssuer> create(const SigningKey& key);

  // DER of at most kMaxMembershipCertificate octets. Errors: a host, port, validity, swarm ID or
  // key that cannot be certified, or that would make it longer.
  Result<std::vector<std::byte>> issue(const MembershipCertificate& certificate) const;

  // The key as verifiers know it, the value `ca` of a swarm's URL.
  std::span<const std::byte> dnskey() const;

  MembershipIssuer(MembershipIssuer&&) noexcept;
  MembershipIssuer& operator=(MembershipIssuer&&) noexcept;
  ~MembershipIssuer();

 private:
  struct Impl;
  explicit MembershipIssuer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The certificate request message (12.2.2): PKCS #10 (RFC 2986) in DER, signed by the peer's key.
// It names nobody: the tracker takes the address from where it saw the peer, and the swarm from the
// request around it.
Result<std::vector<std::byte>> make_certificate_request(const SigningKey& key);
// The key of a request that was signed with it, as in a DNSKEY record. Nothing: it is no request,
// longer than kMaxCertificateRequest, of another kind than ECDSA or ED25519, or not well signed.
std::optional<std::vector<std::byte>> certificate_request_key(std::span<const std::byte> der);

}  // namespace ppspp
