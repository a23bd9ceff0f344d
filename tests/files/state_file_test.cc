#include "files/state_file.h"

#include "files_support.h"
#include "support/seed.h"

using namespace ppspp;
using namespace ppspp::test;

TEST_SUITE("files/state_file") {
  TEST_CASE("nodes that are written at once show in the tree's memory, wherever they stand") {
    const TemporaryDirectory directory;
    auto state = StateFile::open(directory.path() / "film.mkv", false);
    REQUIRE(state);
    constexpr std::size_t kSize = 400'000;
    const auto memory = (*state)->new_tree(kSize);
    REQUIRE(memory);
    Rng rng(seed());
    std::vector<std::byte> expected(kSize);
    std::size_t written = 0;
    for (int round = 0; round < 200; ++round) {
      const std::size_t size = 1 + rng.below(20'000);
      const std::size_t offset = rng.below(kSize - size);
      const std::vector<std::byte> nodes(size, static_cast<std::byte>(1 + round));
      if ((*state)->write_tree(offset, nodes)) {
        ++written;
      } else {
        CHECK(size < 4'096);  // little is written by the caller, without a call of the system
        std::ranges::copy(nodes, (*memory).begin() + static_cast<std::ptrdiff_t>(offset));
      }
      std::ranges::copy(nodes, expected.begin() + static_cast<std::ptrdiff_t>(offset));
    }
    CHECK(written > 100);
    CHECK(std::ranges::equal(*memory, expected));
    CHECK(std::ranges::equal((*state)->tree(), expected));
    // And the next run finds it.
    REQUIRE((*state)->sync_tree());
    state->reset();
    auto again = StateFile::open(directory.path() / "film.mkv", false);
    REQUIRE(again);
    const auto kept = (*again)->keep_tree(kSize);
    REQUIRE(kept);
    CHECK(std::ranges::equal(*kept, expected));
  }
}
