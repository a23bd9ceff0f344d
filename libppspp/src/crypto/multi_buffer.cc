#include "crypto/multi_buffer.h"

#include <intel-ipsec-mb.h>

#include <algorithm>
#include <array>

#include "base/assert.h"

namespace ppspp {
namespace {

struct FreeManager {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, FreeManager>;

IMB_HASH_ALG algorithm_of(HashFunction function) {
  switch (function) {
    case HashFunction::sha1:
      return IMB_AUTH_SHA_1;
    case HashFunction::sha224:
      return IMB_AUTH_SHA_224;
    case HashFunction::sha256:
      return IMB_AUTH_SHA_256;
    case HashFunction::sha384:
      return IMB_AUTH_SHA_384;
    case HashFunction::sha512:
      return IMB_AUTH_SHA_512;
  }
  return IMB_AUTH_NULL;
}

bool is_wide(HashFunction function) {
  return function == HashFunction::sha384 || function == HashFunction::sha512;
}

class IpsecMultiBuffer final : public MultiBuffer {
 public:
  IpsecMultiBuffer(Manager manager, Width width) : manager_(std::move(manager)), width_(width) {}

  // Vectors of 256 or 512 bits hold words of 32 bits, or of 64 for the larger functions. One by one
  // OpenSSL is about as fast as half of the lanes.
  Lanes lanes(HashFunction function) const override {
    const std::size_t words = (width_ == Width::avx512 ? 16U : 8U) / (is_wide(function) ? 2U : 1U);
    return {.count = words, .worth = words / 2 + 1};
  }

  void hash(HashFunction function, std::span<const std::byte* const> messages, std::size_t size,
            std::byte* out) override {
    PPSPP_ASSERT(size > 0 && size <= kMaxMessage);
    const std::size_t step = digest_size(function);
    while (!messages.empty()) {
      const std::size_t count = std::min<std::size_t>(messages.size(), kBurst);
      hash_burst(function, messages.first(count), size, out);
      messages = messages.subspan(count);
      out += count * step;
    }
  }

 private:
  static constexpr std::size_t kBurst = 64;

  // The library's table of jobs is twice as large as its longest burst, and empty between calls.
  void hash_burst(HashFunction function, std::span<const std::byte* const> messages,
                  std::size_t size, std::byte* out) {
    static_assert(kBurst <= IMB_MAX_BURST_SIZE);
    const std::size_t step = digest_size(function);
    const auto count = static_cast<std::uint32_t>(messages.size());
    std::array<IMB_JOB*, kBurst> jobs = {};
    PPSPP_ASSERT(IMB_GET_NEXT_BURST(manager_.get(), count, jobs.data()) == count);
    for (std::size_t i = 0; i < count; ++i) {
      IMB_JOB& job = *jobs.at(i);
      job.cipher_mode = IMB_CIPHER_NULL;
      job.cipher_direction = IMB_DIR_ENCRYPT;
      job.chain_order = IMB_ORDER_HASH_CIPHER;
      job.hash_alg = algorithm_of(function);
      job.src = reinterpret_cast<const std::uint8_t*>(messages[i]);
      job.hash_start_src_offset_in_bytes = 0;
      job.msg_len_to_hash_in_bytes = size;
      job.auth_tag_output = reinterpret_cast<std::uint8_t*>(out + i * step);
      job.auth_tag_output_len_in_bytes = step;
    }
    std::uint32_t done = IMB_SUBMIT_BURST_NOCHECK(manager_.get(), count, jobs.data());
    while (done < count) {
      const std::uint32_t more = IMB_FLUSH_BURST(manager_.get(), count - done, jobs.data());
      PPSPP_ASSERT(more > 0);
      done += more;
    }
  }

  Manager manager_;
  Width width_;
};

Manager make_manager(MultiBuffer::Width width) {
  Manager manager(alloc_mb_mgr(0));
  if (!manager) return nullptr;
  const bool wide = width == MultiBuffer::Width::avx512;
  const std::uint64_t needed = wide ? IMB_FEATURE_AVX512_SKX : IMB_FEATURE_AVX2;
  if ((manager->features & needed) != needed) return nullptr;
  if (wide) {
    init_mb_mgr_avx512(manager.get());
  } else {
    init_mb_mgr_avx2(manager.get());
  }
  return imb_get_errno(manager.get()) == 0 ? std::move(manager) : nullptr;
}

}  // namespace

std::unique_ptr<MultiBuffer> MultiBuffer::make(Width width) {
  Manager manager = make_manager(width);
  if (!manager) return nullptr;
  return std::make_unique<IpsecMultiBuffer>(std::move(manager), width);
}

// With instructions for SHA alone OpenSSL is as fast as eight lanes.
std::unique_ptr<MultiBuffer> MultiBuffer::make_best() {
  if (auto best = make(Width::avx512)) return best;
  const Manager manager(alloc_mb_mgr(0));
  if (!manager || (manager->features & IMB_FEATURE_SHANI) != 0) return nullptr;
  return make(Width::avx2);
}

}  // namespace ppspp
