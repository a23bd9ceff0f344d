#include "config.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "config_changes.h"

namespace ppspp::daemon {
namespace {

ConfigErrors errors_of(std::string_view text) {
  const auto config = parse_config(text, "c.toml");
  return config ? ConfigErrors{} : config.error();
}

// The only error.
std::string error_of(std::string_view text) {
  const auto errors = errors_of(text);
  REQUIRE(errors.size() == 1);
  return errors.front().to_string();
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

TEST_CASE("an empty file is the default configuration") {
  const auto config = parse_config("", "c.toml");
  REQUIRE(config);
  Config expected;
  expected.path = "c.toml";
  CHECK(*config == expected);
  CHECK(config->node.listen.at(0).to_string() == "[::]:6778");
  CHECK(config->gateway.listen.to_string() == "127.0.0.1:8778");
}

TEST_CASE("every directive is read") {
  const auto config = parse_config(R"(
[node]
listen = ["0.0.0.0:7000", "[::1]:7001"]
max_channels = 10
max_channels_per_swarm = 0
max_half_open = 20
max_swarms = 30
max_queued_chunks_per_peer = 40
threads = 3
[limits]
upload = "1.5M"
download = 1000000
upload_per_peer = "100k"
download_per_peer = "none"
disk = "none"
memory = "1G"
[access]
allow = ["192.0.2.0/24"]
deny = "2001:db8::/32"
[tracker]
urls = ["https://Tracker.example", "http://t:8080/x"]
ca = "/etc/ca.pem"
[state]
directory = "/srv/ppspp"
[control]
socket = "/tmp/c.sock"
group = ""
mode = "0600"
[gateway]
enabled = false
listen = "[::1]:80"
join_on_demand = false
cors = ["*"]
hosts = ["media.example"]
max_readers = 5
idle_minutes = 0
read_ahead = "1M"
max_rate = "2M"
[metrics]
listen = "127.0.0.1:9778"
[log]
level = "debug"
[[schedule]]
name = "day"
days = "mon-fri"
from = "08:00"
to = "18:30"
upload = "1M"
[[schedule]]
name = "night"
from = "22:00"
to = "06:00"
download = "none"
)",
                                   "c.toml");
  REQUIRE(config);
  CHECK(config->node.listen.size() == 2);
  CHECK(config->node.listen[1].port() == 7001);
  CHECK(config->node.max_channels == 10);
  CHECK(config->node.max_channels_per_swarm == 0);
  CHECK(config->node.max_half_open == 20);
  CHECK(config->node.max_swarms == 30);
  CHECK(config->node.max_queued_chunks_per_peer == 40);
  CHECK(config->node.threads == 3);
  CHECK(config->limits.upload == 1'572'864);
  CHECK(config->limits.download == 1'000'000);
  CHECK(config->limits.upload_per_peer == 102'400);
  CHECK_FALSE(config->limits.download_per_peer);
  CHECK_FALSE(config->limits.disk);
  CHECK(config->limits.memory == 1U << 30);
  CHECK(config->access.allow == std::vector<std::string>{"192.0.2.0/24"});
  CHECK(config->access.deny == std::vector<std::string>{"2001:db8::/32"});
  CHECK(config->tracker.urls ==
        std::vector<std::string>{"https://tracker.example/", "http://t:8080/x"});
  CHECK(config->tracker.ca == "/etc/ca.pem");
  CHECK(config->state.directory == "/srv/ppspp");
  CHECK(config->control.socket == "/tmp/c.sock");
  CHECK(config->control.group.empty());
  CHECK(config->control.mode == 0600);
  CHECK_FALSE(config->gateway.enabled);
  CHECK(config->gateway.listen.to_string() == "[::1]:80");
  CHECK_FALSE(config->gateway.join_on_demand);
  CHECK(config->gateway.cors == std::vector<std::string>{"*"});
  CHECK(config->gateway.hosts == std::vector<std::string>{"media.example"});
  CHECK(config->gateway.max_readers == 5);
  CHECK(config->gateway.idle_minutes == 0);
  CHECK(config->gateway.read_ahead == 1U << 20);
  CHECK(config->gateway.max_rate == 2U << 20);
  CHECK(config->metrics.listen->to_string() == "127.0.0.1:9778");
  CHECK(config->log.level == LogLevel::debug);
  REQUIRE(config->schedule.size() == 2);
  CHECK(config->schedule[0] == ScheduleEntry{"day", 0x1f, 480, 1110, 1U << 20, std::nullopt});
  CHECK(config->schedule[1].days == 0x7f);
  CHECK_FALSE(config->schedule[1].upload);  // as ever
  REQUIRE(config->schedule[1].download);
  CHECK_FALSE(*config->schedule[1].download);  // none

  const auto again = parse_config(print_config(*config), "c.toml");
  REQUIRE(again);
  CHECK(*again == *config);
}

TEST_CASE("the printed defaults are the default configuration") {
  const auto config = parse_config(print_config(Config()), "");
  REQUIRE(config);
  CHECK(*config == Config());
}

TEST_CASE("texts that need quoting survive being printed") {
  const auto config = parse_config(
      "[[schedule]]\nname = \"a \\\"b\\\" \\\\ \\u0007 'c' \\n é\"\nfrom = \"01:00\"\n", "");
  REQUIRE(config);
  const auto again = parse_config(print_config(*config), "");
  REQUIRE(again);
  CHECK(*again == *config);
}

TEST_CASE("all mistakes of a file are told at once, by line") {
  const auto errors = errors_of(R"([node]
max_channels = 0
listen = ["nowhere:1", "[::]:6778"]

[limits]
uplod = "1M"
download = "fast"

[gatway]
enabled = true
[control]
mode = 660
[[schedule]]
days = "mon-fry"
)");
  REQUIRE(errors.size() == 8);
  CHECK(errors[0].to_string() ==
        "c.toml:2: max_channels: must be a number from 1 to 1000000, not 0");
  CHECK(errors[1].line == 3);
  CHECK(contains(errors[1].message, "\"127.0.0.1:8778\""));
  CHECK(errors[2].to_string() ==
        "c.toml:6: 'uplod' is not a directive of [limits]; did you mean upload?");
  CHECK(errors[3].line == 7);
  CHECK(contains(errors[3].message, "\"500k\""));
  CHECK(errors[4].to_string() == "c.toml:9: there is no section [gatway]; did you mean [gateway]?");
  CHECK(errors[5].line == 12);
  CHECK(contains(errors[5].message, "\"0660\""));
  CHECK(errors[6].line == 13);
  CHECK(contains(errors[6].message, "needs a name"));
  CHECK(errors[7].line == 14);
  CHECK(contains(errors[7].message, "mon-fri"));
}

TEST_CASE("each wrong value is answered with what would be right") {
  const struct {
    std::string_view text, part;
  } cases[] = {
      {"[node]\nlisten = []", "at least one address"},
      {"[node]\nlisten = [\"0.0.0.0:1\", \"127.0.0.1:1\"]", "one address of each IP version"},
      {"[node]\nlisten = [\"[::]:1\", \"[::]:1\"]", "is there twice"},
      {"[node]\nlisten = [\"[::]:1\", 7]", "a list of addresses"},
      {"[node]\nmax_swarms = \"many\"", "a number from 1 to 1000000, not 'many'"},
      {"[limits]\nupload = 0", "\"none\", not 0"},
      {"[limits]\nupload = -5", "a rate"},
      {"[limits]\ndisk = true", "a size in octets"},
      {"[gateway]\nread_ahead = \"none\"", "a size in octets"},
      {"[gateway]\nenabled = \"yes\"", "true or false, not 'yes'"},
      {"[gateway]\nlisten = \"localhost:80\"", "write numbers"},
      {"[gateway]\ncors = [\"example.org\"]", "\"https://example.org\""},
      {"[tracker]\nurls = [\"example.org\"]", "is not the URL of a tracker"},
      {"[gateway]\nhosts = [\"http://a.example\"]", "without scheme and port"},
      {"[gateway]\nupload = \"1M\"", "belongs to [limits]"},
      {"[gateway]\nxyzzyxyzzy = 1", "there are: enabled, listen"},
      {"[state]\ndirectory = \"here\"", "must begin with '/'"},
      {"[control]\nmode = \"rw\"", "in octal"},
      {"[control]\ngroup = \"a b\"", "name of a group"},
      {"[log]\nlevel = \"loud\"", "\"warning\""},
      {"[access]\ndeny = [1]", "a list of networks"},
      {"[access]\nallow = [\"10.0.0.0/8\", \"example.org\"]", "\"192.0.2.0/24\""},
      {"[access]\nallow = [\"10.0.0.0/33\"]", "not a network"},
      {"upload = \"1M\"", "write it below [limits]"},
      {"node = 5", "write [node] on a line of its own"},
      {"[schedule]\nname = \"x\"", "[[schedule]]"},
      {"schedule = [1]", "[[schedule]]"},
      {"[[schedule]]\nname = \"a\"\nfrom = \"25:00\"", "a time of day"},
      {"[[schedule]]\nname = \"a\"\nfrom = \"8:5\"", "a time of day"},
      {"[[schedule]]\nname = \"a\"\nfrom = \"08:00\"\nto = \"08:00\"", "the same time"},
      {"[[schedule]]\nname = \"a\"\nfrom = \"24:00\"\nto = \"08:00\"", "write \"00:00\""},
      {"[[schedule]]\nname = \"a\"\n[[schedule]]\nname = \"a\"", "another schedule"},
      {"[node\n", "not TOML"},
      {"[.node]", "not TOML"},
      {std::string_view("[log]\n[\0004]", 10), "c.toml:2: this is not TOML: there is a control"},
      {"[log]\nlevel = \"info\"\nlevel = \"debug\"", "not TOML"},
  };
  for (const auto& each : cases) {
    CAPTURE(each.text);
    const std::string error = error_of(each.text);
    CAPTURE(error);
    CHECK(contains(error, each.part));
    CHECK_FALSE(contains(error, "\n"));
    CHECK(error.starts_with("c.toml:"));
  }
}

TEST_CASE("a file that cannot be read is one error") {
  const auto missing = load_config("/nonexistent/ppsppd.toml");
  REQUIRE_FALSE(missing);
  REQUIRE(missing.error().size() == 1);
  CHECK(missing.error()[0].to_string() ==
        "/nonexistent/ppsppd.toml: cannot be read: No such file or directory");
  const auto directory = load_config("/");
  REQUIRE_FALSE(directory);
  CHECK(contains(directory.error()[0].message, "directory"));
}

TEST_CASE("how many threads move content is a number, and 0 is what the machine has use for") {
  for (const char* wrong : {"65", "-1", "\"two\"", "1.5", "true"}) {
    CAPTURE(wrong);
    const auto errors = errors_of(std::string("[node]\nthreads = ") + wrong + "\n");
    REQUIRE(errors.size() == 1);
    CHECK(contains(errors[0].to_string(), "c.toml:2: threads: must be a number from 0 to 64"));
  }
  CHECK(contains(print_config(Config()), "\nthreads = 0\n"));
}

TEST_CASE("what only a restart changes is named, and nothing else") {
  const Config before;
  Config after;
  after.limits.upload = 5;
  after.log.level = LogLevel::debug;
  after.node.max_swarms = 7;
  after.gateway.max_readers = 7;
  after.gateway.cors = {"*"};
  after.access.deny = {"192.0.2.0/24"};
  CHECK(changes_that_need_restart(before, after).empty());
  after.node.max_channels = 7;
  after.node.threads = 2;
  after.state.directory = "/tmp";
  after.control.mode = 0600;
  after.gateway.enabled = false;
  after.metrics.listen = TransportAddress::v4(0x7f000001, 1);
  CHECK(changes_that_need_restart(before, after) ==
        std::vector<std::string>{"node.max_channels", "node.threads", "state.directory",
                                 "control.mode", "gateway.enabled", "metrics.listen"});
}

TEST_CASE("what is said is bounded") {
  std::string text = "[node]\n";
  for (int i = 0; i < 5'000; ++i) text += "k" + std::to_string(i) + " = 1\n";
  CHECK(errors_of(text).size() == kMostErrors);
}

}  // namespace
}  // namespace ppspp::daemon
