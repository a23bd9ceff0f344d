// Private keys as OpenSSL holds them: made, read from PEM and written, and what they are good for.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/evp.h"
#include "ppspp/result.h"
#include "ppspp/signature_algorithm.h"

namespace ppspp::evp {

// A fresh key of RSA or ECDSA; null if the library does not make one.
Key generate(SignatureAlgorithm algorithm);

// Never asks for a passphrase.
Result<Key> read_pem(std::string_view pem);
std::string to_pem(EVP_PKEY* key);  // PKCS #8

// The algorithm that the key signs with; `asked` chooses between those of RSA. Errors: a key of
// another kind, or not for what was asked for.
Result<SignatureAlgorithm> checked_algorithm(const EVP_PKEY* key,
                                             std::optional<SignatureAlgorithm> asked);

// The public key of an RSA or ECDSA key in DNSKEY form. It may still be one that cannot be used.
std::vector<std::byte> dnskey_of(const EVP_PKEY* key, SignatureAlgorithm algorithm);

// The secret of an ED25519 key (RFC 8032, section 5.1.5). The caller wipes it.
using Ed25519Seed = std::array<unsigned char, 32>;
std::optional<Ed25519Seed> seed_of(const EVP_PKEY* key);

}  // namespace ppspp::evp
