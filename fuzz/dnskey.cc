// Whatever the octets of a public key, a signature and a message: a key is one or it is not, for
// the check of signatures and for the swarm's metadata alike, and each answer is given again.
//
// Two octets tell the key's length; the key, a signature of its algorithm's length and the message
// follow.
#include <algorithm>
#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/dnskey.h"
#include "crypto/verifying_key.h"
#include "ppspp/swarm_metadata.h"

namespace {

void check_verification(ppspp::VerifyingKey& key, std::span<const std::byte> octets) {
  const std::size_t size = std::min(key.signature_size(), octets.size());
  const auto signature = octets.first(size);
  const auto message = octets.subspan(size);
  const bool genuine = key.verify(message, signature);
  PPSPP_ASSERT(!genuine || size == key.signature_size());
  PPSPP_ASSERT(key.verify(message, signature) == genuine);
  if (genuine && !message.empty())
    PPSPP_ASSERT(!key.verify(message.first(message.size() - 1), signature));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ppspp::ByteReader in(std::as_bytes(std::span(data, size)));
  const auto octets = in.take_up_to(in.read<std::uint16_t>());
  const auto dnskey = ppspp::parse_dnskey(octets);
  PPSPP_ASSERT(dnskey || !dnskey.error().context.empty());
  if (octets.size() <= ppspp::SwarmId::kMaxSize) {
    const std::size_t expected = dnskey ? dnskey->signature_size() : 0;
    PPSPP_ASSERT(ppspp::signature_size(ppspp::SwarmId(octets)) == expected);
  }
  auto key = ppspp::VerifyingKey::from_dnskey(octets);
  PPSPP_ASSERT(!key || dnskey);
  if (!key) return 0;
  PPSPP_ASSERT(key->algorithm() == dnskey->algorithm);
  PPSPP_ASSERT(key->signature_size() == dnskey->signature_size());
  check_verification(*key, in.rest());
  return 0;
}
