// Trees that are kept beside the content: whole, or refused.
#include "files/kept_tree.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <memory>

#include "files_support.h"
#include "support/seed.h"

using namespace ppspp;
using namespace ppspp::test;

namespace {

constexpr FileStamp kStamp{.device = 1, .inode = 2, .size = 3, .modified_ns = 4, .changed_ns = 5};

Result<void> keep(const std::filesystem::path& path, const Source& source) {
  return keep_tree(path, source.metadata, source.content.size(), kStamp, source.memory);
}

}  // namespace

TEST_SUITE("files/kept_tree") {
  TEST_CASE("what was kept is opened again, for contents of all shapes") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    for (const std::size_t size : {1u, 1'024u, 1'025u, 4'096u, 100'000u, 1'000'003u}) {
      CAPTURE(size);
      const Source source(size, rng);
      REQUIRE(keep(directory / "tree", source));
      const auto tree = open_kept_tree(directory / "tree", source.metadata, size);
      REQUIRE(tree);
      CHECK(std::ranges::equal(tree->memory(), source.memory));
      CHECK(is_whole_tree(tree->memory(), source.metadata, size));
      // What is done to it in memory stays there.
      tree->memory()[0] ^= std::byte{1};
      CHECK(open_kept_tree(directory / "tree", source.metadata, size));
      CHECK((size <= 1'024 || !is_whole_tree(tree->memory(), source.metadata, size)));
    }
    CHECK_FALSE(std::filesystem::exists(directory / "tree.new"));
  }

  TEST_CASE("any octet of the header, any length, another swarm: refused, with the reason") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(50'000, rng);
    REQUIRE(keep(directory / "tree", source));
    const auto whole = read_file(directory / "tree");
    const auto refused = [&](const SwarmMetadata& metadata, std::uint64_t length) {
      const auto tree = open_kept_tree(directory / "tree", metadata, length);
      return !tree && tree.error().code == Errc::integrity &&
             mentions(tree.error().context, "tree cannot be used");
    };
    for (std::size_t at = 0; at < 168; ++at) {
      auto octets = whole;
      octets[at] ^= static_cast<std::byte>(1 + rng.below(255));
      write_file(directory / "tree", octets);
      CHECK(refused(source.metadata, 50'000));
    }
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{100}, std::size_t{192}, whole.size() / 2, whole.size() - 1}) {
      write_file(directory / "tree", std::span(whole).first(size));
      CHECK(refused(source.metadata, 50'000));
    }
    auto longer = whole;
    longer.push_back(std::byte{0});
    write_file(directory / "tree", longer);
    CHECK(refused(source.metadata, 50'000));

    write_file(directory / "tree", whole);
    const Source other(50'000, rng);
    CHECK(refused(other.metadata, 50'000));
    CHECK(refused(source.metadata, 49'999));
    SwarmMetadata larger = source.metadata;
    larger.chunk_size = 2'048;
    CHECK(refused(larger, 50'000));
    CHECK(open_kept_tree(directory / "tree", source.metadata, 50'000));
  }

  TEST_CASE("each node that was changed is found") {
    Rng rng(seed());
    const Source source(77'000, rng);
    for (int i = 0; i < 200; ++i) {
      auto nodes = source.memory;
      const std::uint64_t node = rng.below(nodes.size() / 32);
      const MerkleTree tree(source.chunk_count, HashFunction::sha256, nodes);
      const Bin bin(node);
      // A peak has nothing above it: open_kept_tree() looks at those. Nodes above peaks are zeros.
      if (!tree.contains(bin)) continue;
      nodes[node * 32 + rng.below(32)] ^= static_cast<std::byte>(1 + rng.below(255));
      const bool is_lone_leaf =
          bin.is_leaf() && peak_of(bin.first_chunk(), source.chunk_count) == bin;
      CHECK(is_whole_tree(nodes, source.metadata, 77'000) == is_lone_leaf);
    }
  }

  TEST_CASE("nothing else is overwritten; a tree that was kept is replaced") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source source(5'000, rng);
    const Source other(6'000, rng);
    write_file(directory / "letter", source.content);
    const auto kept = keep(directory / "letter", source);
    REQUIRE(!kept);
    CHECK(kept.error().code == Errc::exists);
    CHECK(read_file(directory / "letter") == source.content);
    REQUIRE(keep(directory / "tree", source));
    REQUIRE(keep(directory / "tree", other));
    CHECK(open_kept_tree(directory / "tree", other.metadata, 6'000));
    CHECK(keep(directory / "nowhere/tree", other).error().code == Errc::not_found);
  }

  TEST_CASE("a full disk is an error, and the tree that was there stays") {
    const SmallDisk disk("size=256k");
    if (!disk.is_mounted()) return;
    Rng rng(seed());
    const Source small(5'000, rng);
    const Source large(10'000'000, rng);
    REQUIRE(keep(disk / "tree", small));
    const auto kept = keep(disk / "tree", large);
    REQUIRE(!kept);
    CHECK(kept.error().code == Errc::no_space);
    CHECK(open_kept_tree(disk / "tree", small.metadata, 5'000));
    CHECK_FALSE(std::filesystem::exists(disk / "tree.new"));
  }

  TEST_CASE("killed at any moment: there is the old tree or the new one") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const Source one(200'000, rng);
    const Source two(300'000, rng);
    const auto path = directory / "tree";
    REQUIRE(keep(path, one));
    for (int round = 0; round < 20; ++round) {
      const pid_t child = fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        for (;;) {
          if (!keep(path, two) || !keep(path, one)) _exit(2);
        }
      }
      usleep(static_cast<useconds_t>(rng.below(20'000)));
      kill(child, SIGKILL);
      int status = 0;
      REQUIRE(waitpid(child, &status, 0) == child);
      CHECK(WIFSIGNALED(status));
      const auto first = open_kept_tree(path, one.metadata, 200'000);
      const auto second = open_kept_tree(path, two.metadata, 300'000);
      CHECK(first.has_value() != second.has_value());
      if (first) CHECK(std::ranges::equal(first->memory(), one.memory));
      if (second) CHECK(std::ranges::equal(second->memory(), two.memory));
    }
  }

  TEST_CASE("many files wait for the disk with few threads") {
    Rng rng(seed());
    const TemporaryDirectory directory;
    const auto octets = random_octets(100'000, rng);
    write_file(directory / "file", octets);
    const FileHandle file = *open_regular(directory / "file", O_RDONLY);
    std::atomic<int> ready = 0;
    std::vector<std::unique_ptr<PageLoader>> loaders;
    for (int i = 0; i < 1'000; ++i) {
      loaders.push_back(std::make_unique<PageLoader>(file.fd(), [&ready] { ++ready; }));
      loaders.back()->load(0, 50'000);
      loaders.back()->load(50'000, 50'000);
    }
    const auto threads = std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                                       std::filesystem::directory_iterator());
    CHECK(threads <= 1 + 2 + 1);
    for (int i = 0; i < 2'000 && ready < 2'000; ++i) usleep(5'000);
    CHECK(ready == 2'000);
    CHECK(loaders[999]->take_loaded(0));
    CHECK_FALSE(loaders[999]->take_loaded(0));
    CHECK(loaders[999]->take_loaded(50'000));
    loaders.clear();
  }
}
