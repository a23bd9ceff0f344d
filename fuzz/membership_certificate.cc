// Whatever the octets: they are a certificate of the issuer or they are not, and what is read is
// what would be issued. A request for a certificate either names a key or does not.
//
// The corpus has certificates (also forged, cut and expired) and a request of a fixed key; a
// certificate with one octet changed must not verify, so most inputs end at the signature.
// Therefore the URL is read by itself, too.
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "base/dnskey.h"
#include "crypto/membership_certificate.h"

namespace {

// RFC 8032, 7.1, test 1: a public key whose private key everybody has.
constexpr unsigned char kIssuer[] = {15,   0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7,
                                     0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e,
                                     0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02,
                                     0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};

void check(const ppspp::MembershipCertificate& certificate) {
  const auto again = ppspp::parse_membership_url(ppspp::membership_url(certificate));
  PPSPP_ASSERT(again.has_value());
  PPSPP_ASSERT(again->host == certificate.host && again->port == certificate.port);
  PPSPP_ASSERT(again->swarm_id == certificate.swarm_id && certificate.port != 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static auto issuer = ppspp::VerifyingKey::from_dnskey(std::as_bytes(std::span(kIssuer)));
  PPSPP_ASSERT(issuer.has_value());
  const auto octets = std::as_bytes(std::span(data, size));
  const auto certificate =
      ppspp::verify_membership_certificate(octets, *issuer, std::uint64_t{1'800'000'000});
  if (certificate) check(*certificate);
  PPSPP_ASSERT(certificate || !certificate.error().context.empty());
  if (const auto key = ppspp::certificate_request_key(octets)) {
    PPSPP_ASSERT(ppspp::parse_dnskey(*key).has_value());
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto named = ppspp::parse_membership_url(text)) check(*named);
  return 0;
}
