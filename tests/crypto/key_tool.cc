// Keys and signatures of ours on a command line, for a test that holds them against OpenSSL's:
//   key_tool generate ALGORITHM                    prints a private key in PEM
//   key_tool dnskey PEM-FILE [ALGORITHM]           prints the public key, in hex
//   key_tool sign PEM-FILE MESSAGE-FILE [ALGORITHM]      prints a signature, in hex
//   key_tool request PEM-FILE                      prints a certificate request (DER), in hex
//   key_tool issue PEM-FILE HOST PORT SWARM-HEX FROM TO PEER-DNSKEY-HEX
//                                                  prints a membership certificate (DER), in hex
//   key_tool member DNSKEY-HEX DER-FILE NOW        prints its URL and validity; status 1 if it is
//   bad key_tool verify DNSKEY-HEX MESSAGE-FILE SIGNATURE-HEX   status 0 if it is genuine, 1 if not
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/membership_certificate.h"
#include "crypto/verifying_key.h"
#include "ppspp/signing_key.h"
#include "support/hex.h"

namespace {

using ppspp::SigningKey;
using ppspp::VerifyingKey;

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

int fail(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
  return 2;
}

int generate(std::string_view name) {
  const auto algorithm = ppspp::parse_signature_algorithm(name);
  if (!algorithm) return fail("no such algorithm");
  const auto key = SigningKey::generate(*algorithm);
  if (!key) return fail(key.error().context);
  std::fputs(key->to_pem().c_str(), stdout);
  return 0;
}

// `message` null: prints the public key, else a signature.
int use(const std::string& pem_file, const std::string* message, std::string_view name) {
  auto key = SigningKey::from_pem(contents(pem_file), ppspp::parse_signature_algorithm(name));
  if (!key) return fail(key.error().context);
  if (message == nullptr) {
    std::puts(ppspp::test::to_hex(key->dnskey()).c_str());
    return 0;
  }
  std::vector<std::byte> signature(key->signature_size());
  if (!key->sign(std::as_bytes(std::span(*message)), signature)) return fail("cannot sign");
  std::puts(ppspp::test::to_hex(signature).c_str());
  return 0;
}

int verify(std::string_view dnskey, const std::string& message, std::string_view signature) {
  auto key = VerifyingKey::from_dnskey(ppspp::test::hex(dnskey));
  if (!key) return fail("no public key");
  return key->verify(std::as_bytes(std::span(message)), ppspp::test::hex(signature)) ? 0 : 1;
}

int request(const std::string& pem_file) {
  const auto key = SigningKey::from_pem(contents(pem_file));
  if (!key) return fail(key.error().context);
  const auto der = ppspp::make_certificate_request(*key);
  if (!der) return fail(der.error().context);
  std::puts(ppspp::test::to_hex(*der).c_str());
  return 0;
}

int issue(const std::vector<std::string>& words) {
  const auto key = SigningKey::from_pem(contents(words[1]));
  if (!key) return fail(key.error().context);
  const auto issuer = ppspp::MembershipIssuer::create(*key);
  if (!issuer) return fail(issuer.error().context);
  const auto der = issuer->issue({.host = words[2],
                                  .port = static_cast<std::uint16_t>(std::stoul(words[3])),
                                  .swarm_id = ppspp::test::hex(words[4]),
                                  .not_before = std::stoull(words[5]),
                                  .not_after = std::stoull(words[6]),
                                  .peer_key = ppspp::test::hex(words[7])});
  if (!der) return fail(der.error().context);
  std::puts(ppspp::test::to_hex(*der).c_str());
  return 0;
}

int member(std::string_view dnskey, const std::string& der, const std::string& now) {
  auto key = VerifyingKey::from_dnskey(ppspp::test::hex(dnskey));
  if (!key) return fail("no public key");
  const auto found =
      ppspp::verify_membership_certificate(std::as_bytes(std::span(der)), *key, std::stoull(now));
  if (!found) {
    std::fprintf(stderr, "%s\n", found.error().context.c_str());
    return 1;
  }
  std::printf("%s %llu %llu\n", ppspp::membership_url(*found).c_str(),
              static_cast<unsigned long long>(found->not_before),
              static_cast<unsigned long long>(found->not_after));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::string verb = words.empty() ? "" : words[0];
  if (verb == "generate" && words.size() == 2) return generate(words[1]);
  if (verb == "dnskey" && words.size() >= 2) {
    return use(words[1], nullptr, words.size() > 2 ? words[2] : "");
  }
  if (verb == "sign" && words.size() >= 3) {
    const std::string message = contents(words[2]);
    return use(words[1], &message, words.size() > 3 ? words[3] : "");
  }
  if (verb == "request" && words.size() == 2) return request(words[1]);
  if (verb == "issue" && words.size() == 8) return issue(words);
  if (verb == "member" && words.size() == 4) return member(words[1], contents(words[2]), words[3]);
  if (verb == "verify" && words.size() == 4) return verify(words[1], contents(words[2]), words[3]);
  return fail("usage: see the head of the source");
}
