#include "live_output.h"
#include "support/temporary_directory.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace ppspp;
using namespace ppspp::tools;

namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_SUITE("tools/live_output") {
  TEST_CASE("a file that exists is overwritten only by force") {
    const test::TemporaryDirectory directory;
    const auto path = directory / "show.ts";
    std::ofstream(path) << "an older show";
    const auto refused = LiveOutput::open(path.string(), false);
    REQUIRE(!refused);
    CHECK(refused.error().code == Errc::exists);
    CHECK(refused.error().context.find("--force") != std::string::npos);
    CHECK(content_of(path) == "an older show");

    auto output = LiveOutput::open(path.string(), true);
    REQUIRE(output);
    REQUIRE(write(output->fd(), "new", 3) == 3);
    CHECK(output->close());
    CHECK(content_of(path) == "new");
  }

  TEST_CASE("a file that was made for nothing is taken away again, an older one is not") {
    const test::TemporaryDirectory directory;
    const auto path = directory / "show.ts";
    auto output = LiveOutput::open(path.string(), false);
    REQUIRE(output);
    CHECK(std::filesystem::exists(path));
    output->discard();
    CHECK(!std::filesystem::exists(path));

    std::ofstream(path) << "an older show";
    LiveOutput::open(path.string(), true)->discard();
    CHECK(std::filesystem::exists(path));
  }

  TEST_CASE("devices and named pipes are written to, and close without an error") {
    auto null = LiveOutput::open("/dev/null", false);
    REQUIRE(null);
    CHECK(null->close());

    const test::TemporaryDirectory directory;
    const auto path = directory / "pipe";
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
    auto pipe = LiveOutput::open(path.string(), false);
    REQUIRE(pipe);
    REQUIRE(write(pipe->fd(), "x", 1) == 1);
    CHECK(pipe->close());
    char octet = 0;
    CHECK(::read(reader, &octet, 1) == 1);
    CHECK(::read(reader, &octet, 1) == 0);  // the end
    ::close(reader);
  }

  TEST_CASE("a place that cannot be written to is named") {
    const auto output = LiveOutput::open("/no/such/directory/show.ts", false);
    REQUIRE(!output);
    CHECK(output.error().code == Errc::not_found);
    CHECK(output.error().context.find("/no/such/directory/show.ts") != std::string::npos);
  }

  TEST_CASE("closing standard output tells the player that nothing follows") {
    const int saved = dup(STDOUT_FILENO);
    int pipe[2] = {};
    REQUIRE(::pipe(pipe) == 0);
    REQUIRE(dup2(pipe[1], STDOUT_FILENO) == STDOUT_FILENO);
    ::close(pipe[1]);
    auto output = LiveOutput::open("-", false);
    const bool opened = output.has_value();
    const bool closed = opened && output->close().has_value();
    char octet = 0;
    fcntl(pipe[0], F_SETFL, O_NONBLOCK);
    const ssize_t size = ::read(pipe[0], &octet, 1);
    dup2(saved, STDOUT_FILENO);
    ::close(saved);
    ::close(pipe[0]);
    CHECK(opened);
    CHECK(closed);
    CHECK(size == 0);  // and not: wait, there may be more
  }
}
