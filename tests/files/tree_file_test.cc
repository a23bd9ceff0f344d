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
