#include "tracker/url.h"

#include <doctest/doctest.h>

#include <string>

namespace ppspp::tracker {
namespace {

TEST_SUITE("tracker/url") {
  TEST_CASE("scheme, host, port and path are told apart") {
    const auto url = Url::parse("https://Tracker.Example.com:8443/video_1?k=v");
    REQUIRE(url);
    CHECK(url->tls);
    CHECK(url->host == "tracker.example.com");
    CHECK(url->port == 8443);
    CHECK(url->target == "/video_1?k=v");
    CHECK(url->to_string() == "https://tracker.example.com:8443/video_1?k=v");
    CHECK(Url::parse("http://[2001:DB8::1]:81")->host == "2001:db8::1");
    CHECK(Url::parse("http://[2001:db8::1]:81")->authority() == "[2001:db8::1]:81");
  }

  TEST_CASE("what may be left out is") {
    CHECK(Url::parse("http://t")->port == 80);
    CHECK(Url::parse("HTTPS://t")->port == 443);
    CHECK(Url::parse("http://t:80")->to_string() == "http://t/");
    CHECK(Url::parse("https://t:443/")->to_string() == "https://t/");
    CHECK(Url::parse("http://t?x")->target == "/?x");
    CHECK(*Url::parse("https://T:443") == *Url::parse("https://t/"));
  }

  TEST_CASE("what it writes is read again") {
    for (const char* text :
         {"http://t/", "https://[::1]:1/a%20b?c=d&e", "http://192.0.2.1:8080/"}) {
      CHECK(Url::parse(text)->to_string() == text);
    }
  }

  TEST_CASE("anything else is refused in one line that shows it") {
    const std::string bad[] = {"",
                               "t",
                               "ftp://t",
                               "http://",
                               "http://:80",
                               "http://t:0",
                               "http://t:99999",
                               "http://t:",
                               "http://a@t",
                               "http://[::1",
                               "http://[t]",
                               "http://t/a b",
                               "http://t/\n",
                               "http://t/#f",
                               "http://t/\xc3\xa4",
                               "http://[::1]x",
                               "http://" + std::string(3'000, 'a')};
    for (const auto& text : bad) {
      CAPTURE(text);
      const auto url = Url::parse(text);
      REQUIRE(!url);
      CHECK(url.error().context.find("is not the URL of a tracker") != std::string::npos);
      CHECK(url.error().context.find('\n') == std::string::npos);
    }
  }
}

}  // namespace
}  // namespace ppspp::tracker
