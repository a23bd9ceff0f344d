// A list of commands on a live tree and on a model of it, which must agree: munros in any order,
// chunks with true, lost, foreign, altered and empty hashes.
//
// The first four octets choose the width of subtrees, the window, and where the source stops,
// starts again and ends. A command is four octets: what, which chunk (two), and what happens to its
// hashes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "fuzz_input.h"
#include "integrity/live_feed.h"
#include "integrity/unified_merkle_tree.h"
#include "integrity/unified_tree_model.h"

namespace {

using ppspp::Bin;
using ppspp::ChunkIndex;
using ppspp::ClaimedHash;
using ppspp::UnifiedMerkleTree;
using ppspp::fuzz::Input;
using ppspp::fuzz::require;
using ppspp::test::LiveFeed;
using ppspp::test::UnifiedTreeModel;

constexpr std::size_t kMaxCommands = 200;
constexpr std::uint64_t kSubtrees = 16;

// The source stops within the first half of the universe and goes on in the second, or never does.
LiveFeed feed_from(Input& in) {
  const std::uint64_t width = std::uint64_t{2} << in.octet() % 4;
  UnifiedMerkleTree::Shape shape =
      ppspp::test::small_shape(width, 2 + in.octet() % kSubtrees, ppspp::HashFunction::sha1);
  shape.chunk_size = 8;
  const std::uint64_t half = kSubtrees / 2 * width;
  const std::uint64_t first = in.octet() % (half - width + 1);
  const std::uint64_t second = in.octet() % (half - width + 1);
  return LiveFeed(shape, {{0, first}, {half, half + second}});
}

class Trees {
 public:
  explicit Trees(const LiveFeed& feed) : feed_(feed), tree_(feed.shape()), model_(feed) {}

  void run(Input& in) {
    const std::uint64_t what = in.octet();
    const std::uint64_t high = in.octet();
    const ChunkIndex chunk = (high << 8 | in.octet()) % (kSubtrees * feed_.width());
    const std::uint64_t hashes = in.octet();
    if (what % 4 == 0) {
      set_munro(chunk / feed_.width(), hashes % 2 != 0);
    } else {
      verify(chunk, what, hashes);
    }
  }

  void check() const {
    require(model_.agrees(tree_, kSubtrees));
    tree_.check_invariants();
  }

 private:
  // A munro that is set may come again with another hash, of whoever has the key.
  void set_munro(std::uint64_t subtree, bool other) {
    if (other && tree_.has_munro(subtree)) {
      const auto hash = feed_.node(feed_.munro_bin(subtree ^ 1)).octets();
      tree_.set_munro(subtree, hash, 1, feed_.signature(subtree + 1));
    } else {
      feed_.set_munro(tree_, subtree);
      model_.set_munro(subtree);
    }
  }

  // `hashes`: the low bits say on which levels something happens to the hash, the high ones what.
  void verify(ChunkIndex chunk, std::uint64_t what, std::uint64_t hashes) {
    const std::vector<std::byte> empty(digest_size(feed_.shape().hash));
    std::vector<ClaimedHash> given;
    for (ClaimedHash claim : feed_.uncles(chunk)) {
      if ((hashes >> claim.bin.height() & 1) != 0) {
        if (hashes >> 6 == 0) continue;  // lost
        if (hashes >> 6 == 1) claim.hash = empty;
        if (hashes >> 6 == 2) claim = feed_.claim(claim.bin.sibling());
        if (hashes >> 6 == 3) claim.hash = feed_.node(claim.bin.sibling()).octets();
      }
      given.push_back(claim);
    }
    const std::vector<std::byte> payload = payload_for(chunk, what);
    require(tree_.verify(chunk, payload, given) == model_.verify(chunk, payload, given));
  }

  std::vector<std::byte> payload_for(ChunkIndex chunk, std::uint64_t what) const {
    std::vector<std::byte> payload = feed_.chunk(what % 8 == 7 ? chunk ^ 1 : chunk);
    switch (what / 16) {
      case 1:
        payload.back() ^= std::byte{1};
        break;
      case 2:
        payload.pop_back();
        break;
      case 3:
        payload.clear();
        break;
      case 4:
        payload.push_back(std::byte{0});
        break;
      default:
        break;
    }
    return payload;
  }

  const LiveFeed& feed_;
  UnifiedMerkleTree tree_;
  UnifiedTreeModel model_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input in(data, size);
  const LiveFeed feed = feed_from(in);
  Trees trees(feed);
  for (std::size_t i = 0; i < kMaxCommands && !in.at_end(); ++i) trees.run(in);
  trees.check();
  return 0;
}
