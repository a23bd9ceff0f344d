// bench_signatures: how many signatures one core makes and checks, and how fast a live feed of
// chunks of 1024 octets it can thereby hash and sign, or hash and check, for some numbers of chunks
// per signature (1: Sign All). Prints one JSON object per line.
#include <fmt/core.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cpu_rate.h"
#include "crypto/hasher.h"
#include "crypto/verifying_key.h"
#include "ppspp/signing_key.h"

namespace {

using ppspp::SigningKey;
using ppspp::VerifyingKey;

constexpr double kSeconds = 0.25;
constexpr std::size_t kChunk = 1024;
// What a signature is over: 8 octets of chunk specification, 8 of time, then a hash or the chunk.
constexpr std::size_t kMunroMessage = 8 + 8 + 32;
constexpr std::size_t kChunkMessage = 8 + 8 + kChunk;
constexpr std::array<int, 5> kChunksPerSignature = {1, 2, 8, 32, 128};

void require(bool ok) {
  if (!ok) std::abort();
}

// Seconds of CPU for one of each.
struct Costs {
  double sign = 0;
  double verify = 0;
};

Costs measure(SigningKey& key, std::size_t message_size) {
  const std::vector<std::byte> message(message_size, std::byte{0x5a});
  std::vector<std::byte> signature(key.signature_size());
  auto verifier = VerifyingKey::from_dnskey(key.dnskey());
  require(verifier.has_value());
  const double signs = bench::rate_of(kSeconds, 8, [&] { require(key.sign(message, signature)); });
  const double verifies =
      bench::rate_of(kSeconds, 8, [&] { require(verifier->verify(message, signature)); });
  return {.sign = 1 / signs, .verify = 1 / verifies};
}

struct HashCosts {
  double chunk = 0;
  double pair = 0;
};

HashCosts measure_hashing() {
  ppspp::Hasher hasher(ppspp::HashFunction::sha256);
  const std::vector<std::byte> chunk(kChunk, std::byte{0x5a});
  std::array<std::byte, 32> hash = {};
  const double chunks = bench::rate_of(kSeconds, 1000, [&] { hasher.hash(chunk, hash.data()); });
  const double pairs = bench::rate_of(
      kSeconds, 1000, [&] { hasher.hash_pair(hash.data(), hash.data(), hash.data()); });
  return {.chunk = 1 / chunks, .pair = 1 / pairs};
}

// A subtree of n chunks has n leaves and n - 1 nodes above them. Mbit/s of content.
double feed_rate(int chunks, double per_signature, const HashCosts& hashing) {
  const double hashes = chunks == 1 ? 0 : chunks * hashing.chunk + (chunks - 1) * hashing.pair;
  return chunks * static_cast<double>(kChunk) * 8 / (hashes + per_signature) / 1e6;
}

// A JSON object of the feed's rate for each number of chunks per signature.
std::string feed_rates(double per_munro, double per_chunk, const HashCosts& hashing) {
  std::string rates;
  for (const int chunks : kChunksPerSignature) {
    const double cost = chunks == 1 ? per_chunk : per_munro;
    rates += fmt::format("{}\"{}\":{:.1f}", rates.empty() ? "" : ",", chunks,
                         feed_rate(chunks, cost, hashing));
  }
  return "{" + rates + "}";
}

}  // namespace

int main() {
  const HashCosts hashing = measure_hashing();
  for (const ppspp::SignatureAlgorithm algorithm : ppspp::kSignatureAlgorithms) {
    auto key = SigningKey::generate(algorithm);
    require(key.has_value());
    const Costs munro = measure(*key, kMunroMessage);
    const Costs chunk = measure(*key, kChunkMessage);
    fmt::print(
        "{{\"algorithm\":\"{}\",\"sign_per_s\":{:.0f},\"verify_per_s\":{:.0f},"
        "\"inject_mbit_per_s\":{},\"verify_mbit_per_s\":{}}}\n",
        to_string(algorithm), 1 / munro.sign, 1 / munro.verify,
        feed_rates(munro.sign, chunk.sign, hashing),
        feed_rates(munro.verify, chunk.verify, hashing));
    std::fflush(stdout);
  }
  return 0;
}
