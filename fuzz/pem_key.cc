// Whatever the text, reading a private key ends in one line for the user or in a key that signs for
// the public key it gives, and is the same key when written and read.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/assert.h"
#include "crypto/verifying_key.h"
#include "ppspp/signing_key.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ppspp::SigningKey;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto key = SigningKey::from_pem(text);
  if (!key) {
    PPSPP_ASSERT(!key.error().context.empty());
    PPSPP_ASSERT(key.error().context.find('\n') == std::string::npos);
    return 0;
  }
  const std::vector<std::byte> message(48, std::byte{1});
  std::vector<std::byte> signature(key->signature_size());
  PPSPP_ASSERT(key->sign(message, signature));
  auto verifier = ppspp::VerifyingKey::from_dnskey(key->dnskey());
  PPSPP_ASSERT(verifier && verifier->verify(message, signature));

  const auto again = SigningKey::from_pem(key->to_pem(), key->algorithm());
  PPSPP_ASSERT(again);
  PPSPP_ASSERT(std::ranges::equal(again->dnskey(), key->dnskey()));
  return 0;
}
