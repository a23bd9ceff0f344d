// bench_hash: how fast one core computes SHA-256 over many small messages, by the library called
// plainly and by the project's own Hasher. Prints one JSON object per line.
#include <fmt/core.h>
#include <openssl/evp.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "cpu_rate.h"
#include "crypto/hasher.h"

namespace {

constexpr std::size_t kBatch = std::size_t{56} * 8192;  // stays in the second-level cache
constexpr double kSeconds = 0.6;
constexpr std::size_t kDigest = 32;

// `work` hashes kBatch octets; MB per second of one core.
template <typename Work>
double rate_of(Work work) {
  return bench::rate_of(kSeconds, 16, work) * kBatch / 1e6;
}

void print(std::string_view how, std::size_t message, double rate) {
  fmt::print("{{\"what\":\"SHA-256, {}\",\"message\":{},\"mb_per_s\":{:.1f}}}\n", how, message,
             rate);
}

double openssl_rate(std::span<const std::byte> data, std::size_t message) {
  const std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> sha256(
      EVP_MD_fetch(nullptr, "SHA256", nullptr), EVP_MD_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  std::vector<unsigned char> digest(kDigest);
  return rate_of([&] {
    for (std::size_t at = 0; at < data.size(); at += message) {
      if (EVP_DigestInit_ex2(context.get(), sha256.get(), nullptr) != 1 ||
          EVP_DigestUpdate(context.get(), data.data() + at, message) != 1 ||
          EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) {
        std::abort();
      }
    }
  });
}

double hasher_rate(std::span<const std::byte> data, std::size_t message) {
  ppspp::LazyMultiBuffer together;
  ppspp::Hasher hasher(ppspp::HashFunction::sha256);
  std::vector<std::byte> digests(data.size() / message * kDigest);
  return rate_of([&] { hasher.hash_many(data, message, digests, &together); });
}

}  // namespace

int main() {
  std::vector<std::byte> data(kBatch);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i % 251);
  for (const std::size_t message : {std::size_t{1024}, std::size_t{8192}}) {
    print("OpenSSL with a reused context", message, openssl_rate(data, message));
    print("ppspp's Hasher", message, hasher_rate(data, message));
  }
  return 0;
}
