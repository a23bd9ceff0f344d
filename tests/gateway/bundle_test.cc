#include "gateway/bundle.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>

#include "support/seed.h"
#include "support/temporary_directory.h"

namespace ppspp::daemon {
namespace {

namespace fs = std::filesystem;

struct Directory : test::TemporaryDirectory {
  Directory() { fs::create_directory(path() / "in"); }
  void write(const std::string& name, const std::string& content) const {
    fs::create_directories((path() / "in" / name).parent_path());
    std::ofstream(path() / "in" / name, std::ios::binary) << content;
  }
  Result<BundleSummary> build(const std::string& output = "out",
                              const BundleOptions& options = {}) const {
    return build_bundle(path() / "in", path() / output, options);
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path() / name, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
};

struct Opened {
  BundleHeader header;
  BundleIndex index;
};

Opened open(const std::string& octets) {
  const auto header = BundleHeader::parse(std::as_bytes(std::span(octets)).first(24));
  REQUIRE(header);
  REQUIRE(header->content_offset() <= octets.size());
  auto index = BundleIndex::parse(octets.substr(24, header->index_length),
                                  octets.size() - header->content_offset());
  REQUIRE(index);
  return {*header, *index};
}

TEST_CASE("a directory comes out of its bundle as it went in, each file at a chunk of its own") {
  std::mt19937_64 random(test::seed());
  const Directory directory;
  std::vector<std::pair<std::string, std::string>> files = {{"master.m3u8", "#EXTM3U\n"}};
  for (int i = 0; i < 40; ++i) {
    std::string content(random() % 5000, '\0');
    std::ranges::generate(content, [&] { return static_cast<char>(random()); });
    files.emplace_back("v" + std::to_string(i % 3) + "/ü " + std::to_string(i) + ".ts", content);
  }
  files.emplace_back("large.bin", std::string((std::size_t{9} << 20) + 7, 'x'));
  for (const auto& [name, content] : files) directory.write(name, content);
  for (const std::uint32_t alignment : {512U, 1000U, 8192U}) {
    const std::string output = "out" + std::to_string(alignment);
    std::uint64_t told = 0;
    const auto built = directory.build(
        output, {alignment, [&](std::uint64_t done, std::uint64_t) { return (told = done) > 0; }});
    REQUIRE(built);
    const std::string octets = directory.read(output);
    CHECK(built->length == octets.size());
    CHECK(built->files == files.size());
    const auto [header, index] = open(octets);
    REQUIRE(index.files.size() == files.size());
    std::uint64_t sum = 0;
    for (const auto& [name, content] : files) {
      const BundleFile* file = index.find(name);
      REQUIRE(file != nullptr);
      const std::uint64_t at = header.content_offset() + file->offset;
      CHECK(at % alignment == 0);
      CHECK(octets.compare(at, file->length, content) == 0);
      sum += content.size();
    }
    CHECK(told == sum);
    CHECK(index.find("master.m3u8")->type == "application/vnd.apple.mpegurl");
    CHECK(index.find("large.bin")->type.empty());
    CHECK(index.has_directory("v1"));
    CHECK(!index.has_directory("v"));
    CHECK(!index.has_directory("master.m3u8"));
  }
}

TEST_CASE("the same directory gives the same octets") {
  const Directory first;
  const Directory second;
  for (const char* name : {"b/2", "a", "b/1", "a.b", "c/d/e"}) first.write(name, name);
  for (const char* name : {"c/d/e", "a.b", "a", "b/1", "b/2"}) second.write(name, name);
  REQUIRE(first.build());
  REQUIRE(second.build());
  CHECK(first.read("out") == second.read("out"));
}

TEST_CASE("what is hidden, or leads out of the tree, stays out") {
  const Directory directory;
  directory.write("a", "a");
  directory.write(".git/config", "secret");
  directory.write("sub/.htpasswd", "secret");
  std::ofstream(directory.path() / "outside") << "secret";
  fs::create_symlink("a", directory.path() / "in/inside");
  fs::create_symlink("../outside", directory.path() / "in/out1");
  fs::create_symlink(directory.path() / "outside", directory.path() / "in/out2");
  fs::create_symlink("..", directory.path() / "in/up");
  fs::create_symlink(".", directory.path() / "in/loop");
  fs::create_symlink("nowhere", directory.path() / "in/broken");
  REQUIRE(::mkfifo((directory.path() / "in/pipe").c_str(), 0600) == 0);
  const auto built = directory.build();
  REQUIRE(built);
  const std::string octets = directory.read("out");
  CHECK(octets.find("secret") == std::string::npos);
  const auto opened = open(octets);
  CHECK(opened.index.files.size() == 2);
  CHECK(opened.index.find("inside") != nullptr);
  CHECK(built->left_out.size() == 8);
}

TEST_CASE("what cannot be published is an error that says what to do, and leaves nothing behind") {
  const Directory directory;
  CHECK(directory.build().error().code == Errc::invalid_argument);  // empty
  CHECK(build_bundle(directory.path() / "none", directory.path() / "out").error().code ==
        Errc::not_found);
  directory.write("a\nb", "x");
  const auto strange = directory.build();
  REQUIRE_FALSE(strange);
  CHECK(strange.error().context.find("rename") != std::string::npos);
  fs::remove(directory.path() / "in/a\nb");
  directory.write("a", "x");
  CHECK(build_bundle(directory.path() / "in/a", directory.path() / "out").error().code ==
        Errc::invalid_argument);
  std::ofstream(directory.path() / "out") << "mine";
  CHECK(directory.build().error().code == Errc::exists);
  CHECK(directory.read("out") == "mine");
  const auto stopped =
      directory.build("other", {1024, [](std::uint64_t, std::uint64_t) { return false; }});
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == Errc::left);
  CHECK(!fs::exists(directory.path() / "other"));
  CHECK(!fs::exists(directory.path() / "other.part"));
  CHECK(directory.build("nowhere/out").error().code == Errc::not_found);
}

TEST_CASE("what is different in the directory since then is found") {
  const Directory directory;
  for (const char* name : {"a.ts", "b/c.ts", "d.ts"}) directory.write(name, "content");
  REQUIRE(directory.build());
  const auto difference = [&] {
    auto found = bundle_difference(directory.path() / "in", directory.path() / "out");
    REQUIRE_MESSAGE(found, (found ? "" : found.error().context));
    return *found;
  };
  CHECK(difference().empty());
  directory.write(".hidden", "left out");
  CHECK(difference().empty());
  const fs::path file = directory.path() / "in/b/c.ts";
  const auto written = fs::last_write_time(file);
  fs::last_write_time(file, written + std::chrono::seconds(10));
  CHECK(difference() == "b/c.ts was written");
  fs::last_write_time(file, written);
  CHECK(difference().empty());
  directory.write("b/c.ts", "other length");
  fs::last_write_time(file, written);
  CHECK(difference() == "b/c.ts was written");
  directory.write("b/c.ts", "content");
  fs::last_write_time(file, written);
  directory.write("b/a.ts", "");
  CHECK(difference() == "b/a.ts is new");
  fs::remove(directory.path() / "in/b/a.ts");
  fs::remove(directory.path() / "in/d.ts");
  CHECK(difference() == "d.ts is gone");
  fs::remove(directory.path() / "in/a.ts");
  CHECK(difference() == "a.ts is gone");
  fs::resize_file(directory.path() / "out", 30);
  CHECK_FALSE(bundle_difference(directory.path() / "in", directory.path() / "out"));
  fs::remove_all(directory.path() / "in");
  CHECK_FALSE(bundle_difference(directory.path() / "in", directory.path() / "out"));
}

Result<BundleIndex> index_of(const std::string& files, std::uint64_t size = 100) {
  return BundleIndex::parse("{\"files\":[" + files + "]}", size);
}

std::string file(const std::string& name, std::uint64_t offset = 0, std::uint64_t length = 1) {
  return "{\"name\":\"" + name + "\",\"offset\":" + std::to_string(offset) +
         ",\"length\":" + std::to_string(length) + "}";
}

TEST_CASE("an index of somebody else is taken only if all of it makes sense") {
  CHECK(index_of(""));
  CHECK(index_of(file("a", 0, 100) + "," + file("b", 100, 0)));
  CHECK(index_of(file("a", 10, 20) + "," + file("b", 15, 20)));  // they may share octets
  CHECK(index_of("{\"name\":\"a\",\"offset\":0,\"length\":1,\"type\":\"video/mp4\",\"new\":[1]}"));
  for (const std::string& bad :
       {file("a", 0, 101), file("a", 101, 0), file("a", 50, 51), file("a", ~0ULL, 2),
        file("a") + "," + file("a"), std::string("1"), std::string("{}"),
        std::string("{\"name\":\"a\",\"offset\":-1,\"length\":1}"),
        std::string("{\"name\":\"a\",\"offset\":0.5,\"length\":1}"),
        std::string("{\"name\":1,\"offset\":0,\"length\":1}"),
        std::string("{\"name\":\"a\",\"offset\":0,\"length\":1,\"type\":\"a\\nb\"}")}) {
    CAPTURE(bad);
    const auto index = index_of(bad);
    REQUIRE_FALSE(index);
    CHECK(index.error().code == Errc::integrity);
  }
  for (const char* name : {"", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\\\\b",
                           "a\\u0000b", "a\\nb", "\\ud800", "a\\u007f"}) {
    CAPTURE(name);
    CHECK_FALSE(index_of(file(name)));
  }
  CHECK(index_of(file(std::string(1024, 'a'))));
  CHECK_FALSE(index_of(file(std::string(1025, 'a'))));
  for (const char* text : {"", "{", "[]", "{}", "{\"files\":{}}", "null", "{\"files\":[]} x"}) {
    CAPTURE(text);
    CHECK_FALSE(BundleIndex::parse(text, 100));
  }
  CHECK_FALSE(BundleIndex::parse(std::string(100'000, '['), 100));
}

TEST_CASE("a header of somebody else is bounded") {
  const auto octets = BundleHeader{1024, 5000}.to_octets();
  const auto header = BundleHeader::parse(octets);
  REQUIRE(header);
  CHECK(header->alignment == 1024);
  CHECK(header->index_length == 5000);
  CHECK(header->content_offset() == 5120);
  CHECK(BundleHeader::parse(std::span(octets).first(23)).error().code == Errc::not_found);
  CHECK(BundleHeader::parse(BundleHeader{0, 1}.to_octets()).error().code == Errc::integrity);
  CHECK_FALSE(BundleHeader::parse(BundleHeader{2 << 20, 1}.to_octets()));
  CHECK_FALSE(BundleHeader::parse(BundleHeader{1024, BundleHeader::kMaxIndex + 1}.to_octets()));
  auto other = octets;
  other[11] = std::byte{2};
  CHECK(BundleHeader::parse(other).error().code == Errc::not_supported);
  other[0] = std::byte{'x'};
  CHECK(BundleHeader::parse(other).error().code == Errc::not_found);
}

}  // namespace
}  // namespace ppspp::daemon
