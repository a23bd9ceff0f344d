// The check of a certificate. OpenSSL's parser sees no octet that the issuer has not signed.
#include "crypto/membership_certificate.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>

#include "crypto/x509.h"

namespace ppspp {
namespace {

using Octets = std::span<const std::byte>;

Unexpected bad(const char* what) {
  ERR_clear_error();
  return fail(Errc::integrity, what);
}

// Elements of DER, one behind the other.
class DerReader {
 public:
  explicit DerReader(Octets octets) : rest_(octets) {}

  struct Element {
    Octets whole;
    Octets content;
  };
  // Nothing: the next element is not of that tag, or goes past the end.
  std::optional<Element> take(int tag) {
    const auto* const begin = reinterpret_cast<const unsigned char*>(rest_.data());
    const unsigned char* content = begin;
    long size = 0;
    int found = 0;
    int its_class = 0;
    if (rest_.empty()) return std::nullopt;
    const int result =
        ASN1_get_object(&content, &size, &found, &its_class, static_cast<long>(rest_.size()));
    // 0x80: an error; 1: indefinite length, which is no DER.
    if ((result & 0x81) != 0 || found != tag || its_class != V_ASN1_UNIVERSAL) return std::nullopt;
    const auto header = static_cast<std::size_t>(content - begin);
    const auto length = static_cast<std::size_t>(size);
    Element element{rest_.first(header + length), rest_.subspan(header, length)};
    rest_ = rest_.subspan(header + length);
    return element;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  Octets rest_;
};

struct Parts {
  Octets signed_octets;
  Octets algorithm;
  Octets signature;  // without the count of unused bits
};

std::optional<Parts> split(Octets der) {
  DerReader outer(der);
  const auto certificate = outer.take(V_ASN1_SEQUENCE);
  if (!certificate || !outer.at_end()) return std::nullopt;
  DerReader in(certificate->content);
  const auto signed_part = in.take(V_ASN1_SEQUENCE);
  const auto algorithm = in.take(V_ASN1_SEQUENCE);
  const auto signature = in.take(V_ASN1_BIT_STRING);
  if (!signed_part || !algorithm || !signature || !in.at_end()) return std::nullopt;
  if (signature->content.empty() || signature->content[0] != std::byte{0}) return std::nullopt;
  return Parts{signed_part->whole, algorithm->whole, signature->content.subspan(1)};
}

// The AlgorithmIdentifiers of RFC 5758 (3.2), RFC 8410 (3) and RFC 4055 (5).
constexpr unsigned char kEcdsa256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                       0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
constexpr unsigned char kEcdsa384[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                       0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};
constexpr unsigned char kEd25519[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70};
constexpr unsigned char kRsa256[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                     0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00};

Octets identifier_of(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::ecdsap256sha256:
      return std::as_bytes(std::span(kEcdsa256));
    case SignatureAlgorithm::ecdsap384sha384:
      return std::as_bytes(std::span(kEcdsa384));
    case SignatureAlgorithm::ed25519:
      return std::as_bytes(std::span(kEd25519));
    case SignatureAlgorithm::rsasha256:
      return std::as_bytes(std::span(kRsa256));
    case SignatureAlgorithm::rsasha1:
      break;
  }
  return {};
}

bool is_signed_by(VerifyingKey& issuer, const Parts& parts) {
  const auto identifier = identifier_of(issuer.algorithm());
  if (identifier.empty() || !std::ranges::equal(identifier, parts.algorithm)) return false;
  if (!evp::is_ecdsa(issuer.algorithm())) {
    return issuer.verify(parts.signed_octets, parts.signature);
  }
  std::array<std::byte, 2 * 48> raw = {};
  const auto signature = std::span(raw).first(issuer.signature_size());
  return evp::ecdsa_from_der({reinterpret_cast<const unsigned char*>(parts.signature.data()),
                              parts.signature.size()},
                             signature) &&
         issuer.verify(parts.signed_octets, signature);
}

x509::Certificate parse(Octets der, const Parts& parts) {
  const auto* in = reinterpret_cast<const unsigned char*>(der.data());
  x509::Certificate certificate(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
  if (!certificate) return nullptr;
  // Written again it must be the same octets, or it was no DER.
  unsigned char* out = nullptr;
  const int size = i2d_re_X509_tbs(certificate.get(), &out);
  const bool same =
      size > 0 && std::ranges::equal(std::as_bytes(std::span(out, static_cast<std::size_t>(size))),
                                     parts.signed_octets);
  OPENSSL_free(out);
  return same ? std::move(certificate) : nullptr;
}

// Extensions that are understood here; another one that is critical makes the certificate invalid
// (RFC 5280, 4.2), and one that is there twice does too.
bool extensions_are_known(const X509* certificate) {
  const int count = X509_get_ext_count(certificate);
  for (int i = 0; i < count; ++i) {
    X509_EXTENSION* const extension = X509_get_ext(certificate, i);
    ASN1_OBJECT* const object = X509_EXTENSION_get_object(extension);
    const int kind = OBJ_obj2nid(object);
    const bool known = kind == NID_subject_alt_name || kind == NID_key_usage ||
                       kind == NID_basic_constraints || kind == NID_authority_key_identifier;
    if (!known && X509_EXTENSION_get_critical(extension) != 0) return false;
    if (X509_get_ext_by_OBJ(certificate, object, i) >= 0) return false;
  }
  return true;
}

// The certificate of a peer, not one that could sign others.
bool is_end_entity(X509* certificate) {
  const auto flags = X509_get_extension_flags(certificate);
  return (flags & (EXFLAG_INVALID | EXFLAG_CA)) == 0;
}

// Exactly one name, a URL, in an extension that is critical (8.13).
std::optional<MembershipCertificate> name_of(const X509* certificate) {
  int critical = -1;
  const x509::Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr)));
  if (!names || critical != 1 || sk_GENERAL_NAME_num(names.get()) != 1) return std::nullopt;
  const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), 0);
  if (name->type != GEN_URI) return std::nullopt;
  const ASN1_IA5STRING* const text = name->d.uniformResourceIdentifier;
  const auto size = static_cast<std::size_t>(ASN1_STRING_length(text));
  return parse_membership_url({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), size});
}

// RFC 5280, 4.1.2.5: UTCTime or GeneralizedTime, to the second, of Greenwich.
std::optional<std::uint64_t> seconds_of(const ASN1_TIME* time) {
  const int size = ASN1_STRING_length(time);
  const int expected = ASN1_STRING_type(time) == V_ASN1_UTCTIME ? 13 : 15;
  if (size != expected || ASN1_STRING_get0_data(time)[size - 1] != 'Z') return std::nullopt;
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  using namespace std::chrono;
  const sys_days day = year(parts.tm_year + 1900) / (parts.tm_mon + 1) / parts.tm_mday;
  const sys_seconds at = day + hours(parts.tm_hour) + minutes(parts.tm_min) + seconds(parts.tm_sec);
  const auto count = at.time_since_epoch().count();
  return count < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(count));
}

}  // namespace

Result<MembershipCertificate> verify_membership_certificate(Octets der, VerifyingKey& issuer,
                                                            std::uint64_t now) {
  if (der.size() > kMaxMembershipCertificate) return bad("the certificate is too long");
  const auto parts = split(der);
  if (!parts) return bad("this is no certificate");
  if (!is_signed_by(issuer, *parts)) return bad("the issuer did not sign the certificate");
  const auto parsed = parse(der, *parts);
  if (!parsed) return bad("the certificate is not well formed");
  if (X509_get_version(parsed.get()) != X509_VERSION_3)
    return bad("the certificate is not X.509v3");
  if (!extensions_are_known(parsed.get()) || !is_end_entity(parsed.get())) {
    return bad("the certificate is not one of a peer");
  }
  auto certificate = name_of(parsed.get());
  if (!certificate) return bad("the certificate does not name a peer and a swarm");
  const auto not_before = seconds_of(X509_get0_notBefore(parsed.get()));
  const auto not_after = seconds_of(X509_get0_notAfter(parsed.get()));
  if (!not_before || !not_after || *not_after < *not_before)
    return bad("its validity makes no sense");
  if (*not_before > now && *not_before - now > kMembershipClockTolerance) {
    return bad("the certificate is not valid yet");
  }
  if (*not_after < now) return bad("the certificate is not valid any more");
  certificate->not_before = *not_before;
  certificate->not_after = *not_after;
  if (const EVP_PKEY* const key = X509_get0_pubkey(parsed.get())) {
    certificate->peer_key = x509::dnskey_of(key).value_or(std::vector<std::byte>());
  }
  ERR_clear_error();
  return *std::move(certificate);
}

}  // namespace ppspp
