// Certificates as the profile of RFC 5280 wants them, and requests for them (RFC 2986).
#include <openssl/err.h>
#include <openssl/sha.h>

#include <algorithm>
#include <ctime>

#include "base/assert.h"
#include "base/dnskey.h"
#include "crypto/hasher.h"
#include "crypto/membership_certificate.h"
#include "crypto/x509.h"

namespace ppspp {
namespace {

constexpr std::size_t kSerialSize = 16;              // octets, of at most 20
constexpr std::uint64_t kLastSecond = 253402300799;  // of the year 9999
constexpr const char* kIssuerName = "PPSP tracker";

Unexpected refused(const char* why) {
  ERR_clear_error();
  return fail(Errc::invalid_argument, std::string("cannot issue a membership certificate: ") + why);
}

// Positive, never twice for certificates that differ, and needs no record of what was issued.
bool set_serial(X509* certificate, const MembershipCertificate& content) {
  std::string text = membership_url(content);
  text += ' ' + std::to_string(content.not_before) + ' ' + std::to_string(content.not_after) + ' ';
  text.append(reinterpret_cast<const char*>(content.peer_key.data()), content.peer_key.size());
  Hasher hasher(HashFunction::sha256);
  const Digest digest = hasher.hash(std::as_bytes(std::span(text)));
  std::vector<unsigned char> serial(kSerialSize);
  std::ranges::transform(digest.octets().first(kSerialSize), serial.begin(),
                         [](std::byte b) { return std::to_integer<unsigned char>(b); });
  serial[0] = static_cast<unsigned char>((serial[0] & 0x3f) | 0x40);
  const std::unique_ptr<BIGNUM, evp::Free<BN_free>> number(
      BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

// UTCTime up to 2049 (8.13).
bool set_time(ASN1_TIME* time, std::uint64_t seconds) {
  return ASN1_TIME_set(time, static_cast<std::time_t>(seconds)) != nullptr;
}

bool set_issuer(X509* certificate) {
  return X509_NAME_add_entry_by_txt(X509_get_issuer_name(certificate), "CN", MBSTRING_ASC,
                                    reinterpret_cast<const unsigned char*>(kIssuerName), -1, -1,
                                    0) == 1;
}

bool add_name(X509* certificate, const std::string& url) {
  const x509::Names names(sk_GENERAL_NAME_new_null());
  GENERAL_NAME* const name = GENERAL_NAME_new();
  ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
  if (!names || name == nullptr || text == nullptr) {
    GENERAL_NAME_free(name);
    ASN1_IA5STRING_free(text);
    return false;
  }
  GENERAL_NAME_set0_value(name, GEN_URI, text);  // owns the text now
  if (ASN1_STRING_set(text, url.data(), static_cast<int>(url.size())) != 1 ||
      sk_GENERAL_NAME_push(names.get(), name) == 0) {
    GENERAL_NAME_free(name);
    return false;
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 1, X509V3_ADD_APPEND) ==
         1;
}

bool add_key_id(X509* certificate, const std::vector<unsigned char>& key_id) {
  const std::unique_ptr<AUTHORITY_KEYID, evp::Free<AUTHORITY_KEYID_free>> id(AUTHORITY_KEYID_new());
  if (!id) return false;
  id->keyid = ASN1_OCTET_STRING_new();
  return id->keyid != nullptr &&
         ASN1_OCTET_STRING_set(id->keyid, key_id.data(), static_cast<int>(key_id.size())) == 1 &&
         X509_add1_ext_i2d(certificate, NID_authority_key_identifier, id.get(), 0,
                           X509V3_ADD_APPEND) == 1;
}

bool fill(X509* certificate, const MembershipCertificate& content,
          const std::vector<unsigned char>& key_id) {
  const evp::Key key = x509::public_key(content.peer_key);
  return key && X509_set_version(certificate, X509_VERSION_3) == 1 &&
         set_serial(certificate, content) && set_issuer(certificate) &&
         set_time(X509_getm_notBefore(certificate), content.not_before) &&
         set_time(X509_getm_notAfter(certificate), content.not_after) &&
         X509_set_pubkey(certificate, key.get()) == 1 &&
         add_name(certificate, membership_url(content)) && add_key_id(certificate, key_id);
}

}  // namespace

struct MembershipIssuer::Impl {
  evp::Key key;
  SignatureAlgorithm algorithm = SignatureAlgorithm::ed25519;
  std::vector<std::byte> dnskey;
  std::vector<unsigned char> key_id;  // RFC 5280, 4.2.1.2
};

MembershipIssuer::MembershipIssuer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MembershipIssuer::MembershipIssuer(MembershipIssuer&&) noexcept = default;
MembershipIssuer& MembershipIssuer::operator=(MembershipIssuer&&) noexcept = default;
MembershipIssuer::~MembershipIssuer() = default;

std::span<const std::byte> MembershipIssuer::dnskey() const {
  return impl_->dnskey;
}

Result<MembershipIssuer> MembershipIssuer::create(const SigningKey& key) {
  if (key.algorithm() == SignatureAlgorithm::rsasha1) {
    return fail(Errc::not_supported,
                "RSASHA1 is too weak for certificates: use a key for ECDSAP256SHA256");
  }
  auto impl = std::make_unique<Impl>();
  impl->key = x509::private_key(key);
  if (!impl->key) return refused("the library does not sign with this key");
  impl->algorithm = key.algorithm();
  impl->dnskey.assign(key.dnskey().begin(), key.dnskey().end());
  Hasher hasher(HashFunction::sha1);  // only a name (RFC 5280, 4.2.1.2)
  const Digest name = hasher.hash(key.dnskey());
  for (const std::byte octet : name.octets()) {
    impl->key_id.push_back(std::to_integer<unsigned char>(octet));
  }
  return MembershipIssuer(std::move(impl));
}

Result<std::vector<std::byte>> MembershipIssuer::issue(const MembershipCertificate& content) const {
  const auto named = parse_membership_url(membership_url(content));
  if (!named || named->host != content.host) return refused("bad host, port or swarm ID");
  if (content.not_after < content.not_before || content.not_after > kLastSecond) {
    return refused("its validity makes no sense");
  }
  const x509::Certificate certificate(X509_new());
  PPSPP_ASSERT(certificate != nullptr);
  if (!fill(certificate.get(), content, impl_->key_id)) return refused("the peer's key is none");
  if (X509_sign(certificate.get(), impl_->key.get(), x509::digest(impl_->algorithm)) <= 0) {
    return refused("the library does not sign");
  }
  auto der = x509::to_der<X509, i2d_X509>(certificate.get());
  if (der.empty() || der.size() > kMaxMembershipCertificate) return refused("it would be too long");
  return der;
}

Result<std::vector<std::byte>> make_certificate_request(const SigningKey& signing_key) {
  const evp::Key key = x509::private_key(signing_key);
  const x509::Request request(X509_REQ_new());
  PPSPP_ASSERT(request != nullptr);
  const bool ok =
      key && X509_REQ_set_version(request.get(), 0) == 1 &&
      X509_REQ_set_pubkey(request.get(), key.get()) == 1 &&
      X509_REQ_sign(request.get(), key.get(), x509::digest(signing_key.algorithm())) > 0;
  auto der = ok ? x509::to_der<X509_REQ, i2d_X509_REQ>(request.get()) : std::vector<std::byte>();
  if (der.empty() || der.size() > kMaxCertificateRequest) {
    ERR_clear_error();
    return fail(Errc::not_supported, "the library does not sign a certificate request");
  }
  return der;
}

std::optional<std::vector<std::byte>> certificate_request_key(std::span<const std::byte> der) {
  if (der.empty() || der.size() > kMaxCertificateRequest) return std::nullopt;
  const auto* in = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = in + der.size();
  const x509::Request request(d2i_X509_REQ(nullptr, &in, static_cast<long>(der.size())));
  EVP_PKEY* const key = request && in == end ? X509_REQ_get0_pubkey(request.get()) : nullptr;
  auto dnskey = key != nullptr ? x509::dnskey_of(key) : std::nullopt;
  const bool ok = dnskey && X509_REQ_verify(request.get(), key) == 1 && parse_dnskey(*dnskey);
  ERR_clear_error();
  return ok ? std::move(dnskey) : std::nullopt;
}

}  // namespace ppspp
