#include "crypto/hasher.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace ppspp {
namespace {

const char* library_name(HashFunction function) {
  switch (function) {
    case HashFunction::sha1:
      return "SHA1";
    case HashFunction::sha224:
      return "SHA224";
    case HashFunction::sha256:
      return "SHA256";
    case HashFunction::sha384:
      return "SHA384";
    case HashFunction::sha512:
      return "SHA512";
  }
  return nullptr;
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
  return std::ranges::all_of(octets_, [](std::byte octet) { return octet == std::byte{0}; });
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

// Where the library is out of memory or lacks a function of the SHA family nothing sensible can be
// done: there is no swarm without hashes.
struct Hasher::Impl {
  explicit Impl(HashFunction function)
      : algorithm(EVP_MD_fetch(nullptr, library_name(function), nullptr)),
        context(EVP_MD_CTX_new()) {
    PPSPP_ASSERT(algorithm != nullptr);
    PPSPP_ASSERT(context != nullptr);
    PPSPP_ASSERT(EVP_DigestInit_ex2(context, algorithm, nullptr) == 1);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(algorithm);
  }

  void hash(const std::byte* data, std::size_t size, std::byte* out) const {
    bool ok = EVP_DigestInit_ex2(context, nullptr, nullptr) == 1;
    ok = ok && EVP_DigestUpdate(context, data, size) == 1;
    ok = ok && EVP_DigestFinal_ex(context, reinterpret_cast<unsigned char*>(out), nullptr) == 1;
    PPSPP_ASSERT(ok);
  }

  EVP_MD* algorithm;
  EVP_MD_CTX* context;
};

Hasher::Hasher(HashFunction function)
    : function_(function), impl_(std::make_unique<Impl>(function)) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::hash(std::span<const std::byte> data, std::byte* out) {
  impl_->hash(data.data(), data.size(), out);
}

void Hasher::hash_pair(const std::byte* left, const std::byte* right, std::byte* out) {
  // One call with a copy costs less than two calls.
  std::array<std::byte, 2 * kMaxDigestSize> both;
  std::memcpy(both.data(), left, size());
  std::memcpy(both.data() + size(), right, size());
  impl_->hash(both.data(), 2 * size(), out);
}

Digest Hasher::hash_pair(const Digest& left, const Digest& right) {
  PPSPP_ASSERT(left.size() == size());
  PPSPP_ASSERT(right.size() == size());
  Digest parent = Digest::zero(size());
  hash_pair(left.data(), right.data(), parent.octets_.data());
  return parent;
}

Digest Hasher::hash(std::span<const std::byte> data) {
  Digest digest = Digest::zero(size());
  hash(data, digest.octets_.data());
  return digest;
}

void Hasher::hash_many(std::span<const std::byte> data, std::size_t message_size,
                       std::span<std::byte> out, LazyMultiBuffer* together) {
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
                       std::span<std::byte> out, LazyMultiBuffer* together) {
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
    impl_->hash(messages[done], message_size, out.data() + done * size());
  }
}

}  // namespace ppspp
