#include "gateway/pages.h"

#include <doctest/doctest.h>

#include "http/target.h"

namespace ppspp::daemon {
namespace {

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

const std::string kId(64, 'a');

Listed listed(std::string name) {
  return {*SwarmId::from_hex(kId), std::move(name), 1536, false};
}

TEST_CASE("the page names every swarm, with its size and a link") {
  const std::vector<Listed> swarms = {listed("film one.mp4"),
                                      {*SwarmId::from_hex(kId), "", std::nullopt, true}};
  const std::string page = swarms_page(swarms);
  CHECK(contains(page, "<a href=\"/swarm/" + kId + "/film%20one.mp4\">film one.mp4</a>"));
  CHECK(contains(page, "<td>1.5 KiB</td>"));
  CHECK(contains(page, "<a href=\"/swarm/" + kId + "\">" + kId + "</a></td><td>live</td>"));
  CHECK(contains(swarms_page({}), "Nothing is served"));
}

TEST_CASE("a name of somebody else is shown and never run") {
  for (const char* name : {"<script>alert(1)</script>", "\"onmouseover=\"x", "a&b'c", "..", ".",
                           "javascript:alert(1)", "a/../b", "\xff\xfe", "../../etc"}) {
    CAPTURE(name);
    const std::vector<Listed> swarms = {listed(name)};
    const std::string page = swarms_page(swarms);
    CHECK(!contains(page, "<script"));
    CHECK(!contains(page, "\"onmouse"));
    CHECK(!contains(page, "href=\"javascript"));
    const std::size_t link = page.find("href=\"/swarm/" + kId);
    REQUIRE(link != std::string::npos);
    const std::string target = page.substr(link + 6, page.find('"', link + 6) - link - 6);
    CHECK(http::path_segments(target));
  }
  CHECK(escape_html("<a b=\"c\" d='e'>&") == "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
}

TEST_CASE("a directory shows what is in it, each directory once") {
  BundleIndex index;
  for (const char* name : {"a.m3u8", "v/1.ts", "v/2.ts", "v/w/3.ts", "x:y"}) {
    index.files.push_back({name, 0, 10, ""});
  }
  const std::string top = directory_page(index, "");
  CHECK(contains(top, "href=\"./a.m3u8\""));
  CHECK(contains(top, "href=\"./x:y\""));
  CHECK(contains(top, "href=\"./v/\""));
  CHECK(top.find("./v/") == top.rfind("./v/"));
  const std::string below = directory_page(index, "v/");
  CHECK(contains(below, "href=\"./1.ts\""));
  CHECK(contains(below, "href=\"./w/\""));
  CHECK(!contains(below, "a.m3u8"));
}

TEST_CASE("sizes can be read") {
  CHECK(readable_size(0) == "0 B");
  CHECK(readable_size(1023) == "1023 B");
  CHECK(readable_size(1024) == "1.0 KiB");
  CHECK(readable_size(std::uint64_t{5} << 30) == "5.0 GiB");
  CHECK(readable_size(~std::uint64_t{0}) == "16.0 EiB");
}

}  // namespace
}  // namespace ppspp::daemon
