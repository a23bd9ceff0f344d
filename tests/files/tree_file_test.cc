#include "files/tree_file.h"

#include "files_support.h"

using namespace ppspp;
using namespace ppspp::test;

TEST_SUITE("files/tree_file") {
  TEST_CASE("a tree file is zeros, keeps what is written when its pages go, and has no name") {
    const TemporaryDirectory directory;
    auto tree = TreeFile::create(100'000, directory.path());
    REQUIRE(tree);
    CHECK(directory.is_empty());
    REQUIRE(tree->memory().size() == 100'000);
    CHECK(std::ranges::count(tree->memory(), std::byte{0}) == 100'000);
    std::ranges::fill(tree->memory(), std::byte{7});
    tree->release_pages();
    CHECK(std::ranges::count(tree->memory(), std::byte{7}) == 100'000);
  }

  TEST_CASE("no room for the tree is an error that says where and how much, not a crash later") {
    const SmallDisk disk("size=1m");
    if (!disk.is_mounted()) return;
    CHECK(TreeFile::create(500'000, disk.path()));
    const auto tree = TreeFile::create(5'000'000, disk.path());
    REQUIRE(!tree);
    CHECK(tree.error().code == Errc::no_space);
    CHECK(mentions(tree.error().context, "5 MiB"));
    CHECK(mentions(tree.error().context, disk.path().string()));
    CHECK(mentions(tree.error().context, "TMPDIR"));
  }

  TEST_CASE("a size beyond all files is an error as well") {
    const TemporaryDirectory directory;
    CHECK(!TreeFile::create(~std::size_t{0}, directory.path()));
    CHECK(!TreeFile::create(std::size_t{1} << 62, directory.path()));
  }

  TEST_CASE("a directory that does not exist is named") {
    const auto tree = TreeFile::create(100, "/nonexistent/directory");
    REQUIRE(!tree);
    CHECK(mentions(tree.error().context, "/nonexistent/directory"));
  }
}

TEST_SUITE("files/growing_tree_file") {
  TEST_CASE("it grows at once to what is needed, keeps what was there, and has zeros behind") {
    const TemporaryDirectory directory;
    GrowingTreeFile tree(directory.path());
    CHECK(tree.memory().empty());
    std::size_t written = 0;
    for (const std::size_t size : {100u, 5000u, 2'000'000u, 2'000'001u, 9'000'000u}) {
      const auto memory = tree.grow(size);
      REQUIRE(memory);
      REQUIRE(memory->size() >= size);
      CHECK(memory->data() == tree.memory().data());
      CHECK(std::ranges::count(memory->first(written), std::byte{7}) ==
            static_cast<std::ptrdiff_t>(written));
      CHECK(std::ranges::count(memory->subspan(written), std::byte{0}) ==
            static_cast<std::ptrdiff_t>(memory->size() - written));
      written = size;
      std::ranges::fill(memory->first(written), std::byte{7});
    }
    CHECK(directory.is_empty());
  }

  TEST_CASE("small steps seldom move it") {
    const TemporaryDirectory directory;
    GrowingTreeFile tree(directory.path());
    std::size_t moves = 0;
    std::size_t before = 0;
    for (std::size_t size = 1000; size < 20'000'000; size += 1000) {
      REQUIRE(tree.grow(size));
      if (tree.memory().size() != before) ++moves;
      before = tree.memory().size();
    }
    CHECK(moves < 8);
    CHECK(before < 50'000'000);
  }

  TEST_CASE("what is shared is the same memory, and outlives it") {
    const TemporaryDirectory directory;
    TreeFile shared;
    {
      GrowingTreeFile tree(directory.path());
      REQUIRE(tree.grow(10'000));
      tree.memory()[77] = std::byte{1};
      shared = std::move(*tree.share(5000));
      CHECK(shared.memory().size() == 5000);
      CHECK(shared.memory()[77] == std::byte{1});
      tree.memory()[78] = std::byte{2};
    }
    CHECK(shared.memory()[78] == std::byte{2});
    shared.release_pages();
    CHECK(shared.memory()[77] == std::byte{1});
  }

  TEST_CASE("no room: it takes what is needed if it cannot have more, and stays as it was") {
    const SmallDisk disk("size=900k");
    if (!disk.is_mounted()) return;
    GrowingTreeFile tree(disk.path());
    REQUIRE(tree.grow(500'000));
    CHECK(tree.memory().size() == 500'000);
    tree.memory()[499'999] = std::byte{5};
    const auto refused = tree.grow(3'000'000);
    REQUIRE(!refused);
    CHECK(refused.error().code == Errc::no_space);
    CHECK(mentions(refused.error().context, "TMPDIR"));
    CHECK(tree.memory().size() == 500'000);
    CHECK(tree.memory()[499'999] == std::byte{5});
    CHECK(tree.grow(700'000));
    CHECK(tree.memory()[499'999] == std::byte{5});
  }
}
