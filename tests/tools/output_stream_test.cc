#include "output_stream.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <vector>

using namespace ppspp::tools;

namespace {

struct Pipe {
  Pipe() { REQUIRE(pipe(fds.data()) == 0); }
  ~Pipe() {
    close_reader();
    ::close(fds[1]);
  }
  void close_reader() {
    if (fds[0] >= 0) ::close(fds[0]);
    fds[0] = -1;
  }
  std::array<int, 2> fds = {};
};

}  // namespace

TEST_SUITE("tools/output_stream") {
  TEST_CASE("a slow reader of a pipe gets everything, and keeps nobody waiting meanwhile") {
    boost::asio::io_context io;
    Pipe pipe;
    bool written = false;
    std::vector<std::byte> content(5 << 20);
    for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<std::byte>(i * 7);
    OutputStream output(io, pipe.fds[1]);
    output.write(content, [&](const boost::system::error_code& error) { written = !error; });
    io.poll();
    CHECK(!written);

    std::vector<std::byte> arrived;
    std::vector<std::byte> buffer(100'000);
    while (arrived.size() < content.size()) {
      const auto size = ::read(pipe.fds[0], buffer.data(), buffer.size());
      REQUIRE(size > 0);
      arrived.insert(arrived.end(), buffer.begin(), buffer.begin() + size);
      io.poll();
    }
    io.poll();
    CHECK(written);
    CHECK(arrived == content);
  }

  TEST_CASE("a reader that goes is noticed, with nothing to write too") {
    std::signal(SIGPIPE, SIG_IGN);
    boost::asio::io_context io;
    Pipe pipe;
    OutputStream output(io, pipe.fds[1]);
    int closed = 0;
    output.watch([&] { ++closed; });
    io.poll();
    CHECK(closed == 0);
    pipe.close_reader();
    io.run_for(std::chrono::seconds(5));
    CHECK(closed == 1);

    boost::system::error_code failure;
    const std::vector<std::byte> bytes(10);
    output.write(bytes, [&](const boost::system::error_code& error) { failure = error; });
    io.restart();
    io.poll();
    CHECK(failure.value() == EPIPE);
  }

  TEST_CASE("the descriptor is left as it was found") {
    boost::asio::io_context io;
    Pipe pipe;
    {
      OutputStream output(io, pipe.fds[1]);
      CHECK((fcntl(pipe.fds[1], F_GETFL) & O_NONBLOCK) != 0);
    }
    CHECK((fcntl(pipe.fds[1], F_GETFL) & O_NONBLOCK) == 0);
  }

  TEST_CASE("a file is written to as it is") {
    boost::asio::io_context io;
    const int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    REQUIRE(fd >= 0);
    bool written = false;
    const std::vector<std::byte> bytes(100'000, std::byte{5});
    {
      OutputStream output(io, fd);
      output.watch([] {});
      output.write(bytes, [&](const boost::system::error_code& error) { written = !error; });
      CHECK(!written);
      io.run();
    }
    CHECK(written);
    CHECK(lseek(fd, 0, SEEK_END) == 100'000);
    ::close(fd);
  }
}
