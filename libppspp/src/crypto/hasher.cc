#include "crypto/hasher.h"

#define OPENSSL_SUPPRESS_DEPRECATED  // see digest()
#include <openssl/sha.h>

#include <algorithm>

#include "base/assert.h"
#include "base/bytes.h"

namespace ppspp {
namespace {

// The library's own small functions, which it calls deprecated: through EVP each digest allocates
// and frees a context, which costs as much as the hash of a pair.
template <typename Context, int (*kInit)(Context*), int (*kUpdate)(Context*, const void*, size_t),
          int (*kFinal)(unsigned char*, Context*)>
void digest(std::span<const std::byte> data, std::byte* out) {
  Context context;
  bool ok = kInit(&context) == 1;
  ok = ok && kUpdate(&context, data.data(), data.size()) == 1;
  ok = ok && kFinal(reinterpret_cast<unsigned char*>(out), &context) == 1;
  PPSPP_ASSERT(ok);  // there is no input that they refuse
}

}  // namespace

Digest::Digest(std::span<const std::byte> octets)
    : size_(static_cast<std::uint8_t>(octets.size())) {
  PPSPP_ASSERT(octets.size() <= kMaxDigestSize);
  std::ranges::copy(octets, octets_.begin());
}

Digest Digest::zero(std::size_t size) {
  PPSPP_ASSERT(size <= kMaxDigestSize);
  Digest digest;
  digest.size_ = static_cast<std::uint8_t>(size);
  return digest;
}

bool Digest::is_zero() const {
  return is_all_zero(octets_);
}

std::string Digest::to_hex() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte octet : octets()) {
    text.push_back(kDigits[std::to_integer<unsigned>(octet) >> 4]);
    text.push_back(kDigits[std::to_integer<unsigned>(octet) & 15]);
  }
  return text;
}

void Hasher::hash(std::span<const std::byte> data, std::byte* out) const {
  switch (function_) {
    case HashFunction::sha1:
      return digest<SHA_CTX, SHA1_Init, SHA1_Update, SHA1_Final>(data, out);
    case HashFunction::sha224:
      return digest<SHA256_CTX, SHA224_Init, SHA224_Update, SHA224_Final>(data, out);
    case HashFunction::sha256:
      return digest<SHA256_CTX, SHA256_Init, SHA256_Update, SHA256_Final>(data, out);
    case HashFunction::sha384:
      return digest<SHA512_CTX, SHA384_Init, SHA384_Update, SHA384_Final>(data, out);
    case HashFunction::sha512:
      return digest<SHA512_CTX, SHA512_Init, SHA512_Update, SHA512_Final>(data, out);
  }
}

// In a row, so that whole blocks are hashed where they stand.
void Hasher::hash_pair(const std::byte* left, const std::byte* right, std::byte* out) const {
  std::array<std::byte, 2 * kMaxDigestSize> row;
  copy_digest(row.data(), left, size());
  copy_digest(row.data() + size(), right, size());
  hash(std::span(row).first(2 * size()), out);
}

Digest Hasher::hash_pair(const Digest& left, const Digest& right) const {
  PPSPP_ASSERT(left.size() == size());
  PPSPP_ASSERT(right.size() == size());
  Digest parent = Digest::zero(size());
  hash_pair(left.data(), right.data(), parent.octets_.data());
  return parent;
}

Digest Hasher::hash(std::span<const std::byte> data) const {
  Digest digest = Digest::zero(size());
  hash(data, digest.octets_.data());
  return digest;
}

void Hasher::hash_many(std::span<const std::byte> data, std::size_t message_size,
                       std::span<std::byte> out, LazyMultiBuffer* together) const {
  PPSPP_ASSERT(data.size() == out.size() / size() * message_size);
  std::array<const std::byte*, 64> messages;
  while (!out.empty()) {
    const std::size_t count = std::min(messages.size(), out.size() / size());
    for (std::size_t i = 0; i < count; ++i) messages.at(i) = data.data() + i * message_size;
    hash_many(std::span(messages).first(count), message_size, out.first(count * size()), together);
    data = data.subspan(count * message_size);
    out = out.subspan(count * size());
  }
}

void Hasher::hash_many(std::span<const std::byte* const> messages, std::size_t message_size,
                       std::span<std::byte> out, LazyMultiBuffer* together) const {
  PPSPP_ASSERT(out.size() == messages.size() * size());
  constexpr std::size_t kFew = 8;
  const bool suits = together != nullptr && messages.size() >= kFew && message_size > 0 &&
                     message_size <= MultiBuffer::kMaxMessage;
  MultiBuffer* const multi = suits ? together->get() : nullptr;
  std::size_t done = 0;
  if (multi != nullptr) {
    const MultiBuffer::Lanes lanes = multi->lanes(function_);
    const std::size_t rest = messages.size() % lanes.count;
    done = messages.size() - (rest >= lanes.worth ? 0 : rest);
    if (done > 0) multi->hash(function_, messages.first(done), message_size, out.data());
  }
  for (; done < messages.size(); ++done) {
    hash({messages[done], message_size}, out.data() + done * size());
  }
}

}  // namespace ppspp
