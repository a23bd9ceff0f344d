#include "gateway/content_types.h"

#include <doctest/doctest.h>

namespace ppspp::daemon {
namespace {

TEST_CASE("players learn what a file is from the end of its name") {
  CHECK(content_type("film.mp4") == "video/mp4");
  CHECK(content_type("a/b.c/Master.M3U8") == "application/vnd.apple.mpegurl");
  CHECK(content_type("manifest.mpd") == "application/dash+xml");
  CHECK(content_type("0001.ts") == "video/mp2t");
  CHECK(content_type("0001.m4s") == "video/iso.segment");
  CHECK(content_type("film.webm") == "video/webm");
  CHECK(content_type("film.mkv") == "video/x-matroska");
  CHECK(content_type("en.vtt") == "text/vtt");
}

TEST_CASE("a name that does not tell is octets") {
  for (const char* name : {"", "film", "mp4", "a.mp4/film", "film.", "film.mp4x", ".", "a.ts/"}) {
    CAPTURE(name);
    CHECK(content_type(name) == kUnknownType);
  }
}

}  // namespace
}  // namespace ppspp::daemon
