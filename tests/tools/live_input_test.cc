#include "live_input.h"
#include "support/temporary_directory.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

using namespace ppspp;
using namespace ppspp::tools;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

// Runs an input and keeps what it tells.
struct Listener {
  explicit Listener(Result<std::unique_ptr<LiveInput>> opened) {
    CAPTURE((opened ? std::string("opened") : opened.error().context));
    REQUIRE(opened);
    input = *std::move(opened);
    input->start({[this](std::span<const std::byte> bytes) {
                    for (const std::byte b : bytes) text += static_cast<char>(b);
                    sizes.push_back(bytes.size());
                    last = Clock::now();
                    if (stop_at && text.size() >= *stop_at) input->stop();
                  },
                  [this] { ++ends; }, [this](const Error& e) { error = e.context; }});
  }

  std::unique_ptr<LiveInput> input;
  std::string text;
  std::vector<std::size_t> sizes;
  std::optional<std::size_t> stop_at;
  Clock::time_point last;
  int ends = 0;
  std::string error;
};

struct Pipe {
  Pipe() { REQUIRE(pipe(fds.data()) == 0); }
  ~Pipe() {
    close_writer();
    ::close(fds[0]);
  }
  void write(std::string_view text) {
    REQUIRE(::write(fds[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void close_writer() {
    if (fds[1] >= 0) ::close(fds[1]);
    fds[1] = -1;
  }
  std::array<int, 2> fds = {};
};

// Sends datagrams to a port of this host.
struct Sender {
  explicit Sender(std::uint16_t port) {
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  ~Sender() { ::close(fd); }
  void send(std::string_view text) const {
    REQUIRE(sendto(fd, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&address),
                   sizeof address) == static_cast<ssize_t>(text.size()));
  }
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address = {};
};

std::uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

InputName name_of(const std::string& text) {
  const auto name = parse_input(text);
  CAPTURE(text);
  REQUIRE(name);
  return *name;
}

void run_until(boost::asio::io_context& io, const std::function<bool()>& done) {
  const auto deadline = Clock::now() + 10s;
  while (!done() && Clock::now() < deadline) io.run_for(10ms), io.restart();
  CHECK(done());
}

}  // namespace

TEST_SUITE("tools/live_input") {
  TEST_CASE("inputs are named by - and by URLs, and a plain path is a file") {
    CHECK(name_of("-").kind == InputName::Kind::standard_input);
    CHECK(name_of("film.ts").path == "film.ts");
    CHECK(name_of("file:film.ts").path == "film.ts");
    CHECK(name_of("file:///srv/film.ts").path == "/srv/film.ts");
    CHECK(name_of("./-").path == "./-");
    CHECK(name_of("udp://192.0.2.1:5000").address == *TransportAddress::parse("192.0.2.1:5000"));
    CHECK(!name_of("udp://192.0.2.1:5000").is_multicast());
    CHECK(name_of("udp://@239.1.2.3:5000").is_multicast());
    CHECK(name_of("udp://[ff15::1]:5000").is_multicast());
    CHECK(!name_of("udp://[2001:db8::1]:5000").is_multicast());
  }

  TEST_CASE("the interface of a group has a name or a number") {
    CHECK(name_of("udp://239.1.2.3:5000").interface == 0);
    CHECK(name_of("udp://[ff02::1%7]:5000").interface == 7);
    CHECK(name_of("udp://239.1.2.3%lo:5000").interface == 1);
    CHECK(name_of("udp://[ff15::1%lo]:5000").interface == 1);
    CHECK(parse_input("udp://239.1.2.3%nosuch0:5000").error().context.find("nosuch0") !=
          std::string::npos);
  }

  TEST_CASE("what is not a UDP address is refused with an example") {
    for (const auto* text :
         {"udp://", "udp://host:5000", "udp://127.0.0.1", "udp://127.0.0.1:0", "udp://::1:5000",
          "udp://[::1]", "udp://127.0.0.1:99999", "udp://127.0.0.1%:5", "udp://%lo"}) {
      CAPTURE(text);
      const auto name = parse_input(text);
      REQUIRE(!name);
      CHECK(name.error().code == Errc::invalid_argument);
    }
    CHECK(!parse_input("file:"));
    CHECK(!parse_input(""));
  }

  TEST_CASE("a pipe is read as it comes, waits when nothing comes, and ends with its writer") {
    boost::asio::io_context io;
    Pipe pipe;
    Listener listener(open_input(io, pipe.fds[0], "standard input", {}));
    io.run_for(50ms);
    CHECK(listener.text.empty());
    CHECK(listener.ends == 0);
    pipe.write("one ");
    run_until(io, [&] { return listener.text == "one "; });
    pipe.write("two");
    pipe.close_writer();
    run_until(io, [&] { return listener.ends == 1; });
    CHECK(listener.text == "one two");
    CHECK(listener.error.empty());
  }

  TEST_CASE("an input that is stopped says nothing more, also from within its handler") {
    boost::asio::io_context io;
    Pipe pipe;
    Listener listener(open_input(io, pipe.fds[0], "standard input", {}));
    listener.stop_at = 3;
    pipe.write("one");
    run_until(io, [&] { return listener.text.size() == 3; });
    pipe.write("two");
    pipe.close_writer();
    io.restart();
    io.run_for(100ms);
    CHECK(listener.text == "one");
    CHECK(listener.ends == 0);
    CHECK(io.stopped());  // nothing is waited for
  }

  // As the daemon does when a feed is removed in the turn in which its input became ready.
  TEST_CASE("an input may be destroyed while its turn is already due") {
    boost::asio::io_context io;
    const test::TemporaryDirectory directory;
    const auto path = directory / "film";
    std::ofstream(path) << std::string(1 << 20, 'x');
    Pipe pipe;
    const std::uint16_t port = free_port();
    std::vector<std::unique_ptr<Listener>> listeners;
    Pipe order;  // is ready first
    boost::asio::posix::stream_descriptor first(io, ::dup(order.fds[0]));
    first.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [&](const boost::system::error_code&) {
                       for (const auto& listener : listeners) listener->input.reset();
                     });
    listeners.push_back(
        std::make_unique<Listener>(open_input(io, pipe.fds[0], "standard input", {})));
    listeners.push_back(std::make_unique<Listener>(
        open_input(io, name_of("udp://127.0.0.1:" + std::to_string(port)), {})));
    listeners.push_back(
        std::make_unique<Listener>(open_input(io, name_of(path.string()), 1'000'000)));
    std::this_thread::sleep_for(50ms);
    order.write("remove it");
    pipe.write("late");
    Sender(port).send("late");
    io.run_for(100ms);
    for (const auto& listener : listeners) CHECK(listener->text.empty());
  }

  TEST_CASE("a named pipe may be opened before its writer") {
    boost::asio::io_context io;
    const test::TemporaryDirectory directory;
    const auto path = directory / "feed";
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    Listener listener(open_input(io, name_of("file:" + path.string()), {}));
    io.run_for(50ms);
    CHECK(listener.ends == 0);
    {
      std::ofstream writer(path);
      writer << "content";
    }
    run_until(io, [&] { return listener.ends == 1; });
    CHECK(listener.text == "content");
  }

  TEST_CASE("a device that is always ready is read as well") {
    boost::asio::io_context io;
    Listener null(open_input(io, name_of("/dev/null"), {}));
    Listener zero(open_input(io, name_of("/dev/zero"), {}));
    zero.stop_at = 100'000;
    io.run_for(10s);
    CHECK(null.ends == 1);
    CHECK(null.text.empty());
    CHECK(zero.text.size() >= 100'000);
    CHECK(io.stopped());
  }

  TEST_CASE("a file comes at its pace and is complete") {
    boost::asio::io_context io;
    const test::TemporaryDirectory directory;
    const auto path = directory / "film";
    std::string content(50'000, 'x');
    for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7);
    std::ofstream(path) << content;
    const auto start = Clock::now();
    Listener listener(open_input(io, name_of(path.string()), 100'000));
    io.run();
    CHECK(listener.text == content);
    CHECK(listener.ends == 1);
    // Never too fast; how slow it is depends on what else the machine does.
    CHECK(listener.last - start >= 490ms);
    CHECK(listener.last - start < 5s);
    CHECK(listener.sizes.size() >= 5);
    CHECK(listener.sizes.size() <= 26);
  }

  TEST_CASE("a pace beyond what one turn reads is kept all the same") {
    boost::asio::io_context io;
    const test::TemporaryDirectory directory;
    const auto path = directory / "film";
    std::ofstream(path) << std::string(20 << 20, 'x');
    const auto start = Clock::now();
    Listener listener(open_input(io, name_of(path.string()), 100 << 20));
    io.run();
    CHECK(listener.text.size() == std::size_t{20} << 20);
    CHECK(listener.last - start >= 190ms);
    CHECK(*std::max_element(listener.sizes.begin(), listener.sizes.end()) <= 1 << 20);
  }

  TEST_CASE("a file needs a pace, and nothing else takes one") {
    boost::asio::io_context io;
    const test::TemporaryDirectory directory;
    const auto path = directory / "film";
    std::ofstream(path) << "x";
    const auto refused = [](const Result<std::unique_ptr<LiveInput>>& input,
                            const std::string& words) {
      REQUIRE(!input);
      CAPTURE(input.error().context);
      CHECK(input.error().code == Errc::invalid_argument);
      CHECK(input.error().context.find(words) != std::string::npos);
    };
    refused(open_input(io, name_of(path.string()), {}), "--pace RATE");
    Pipe pipe;
    refused(open_input(io, pipe.fds[0], "standard input", 1'000), "--pace is for files");
    refused(open_input(io, name_of("udp://127.0.0.1:5000"), 1'000), "--pace is for files");
    refused(open_input(io, name_of(directory.path().string()), 1'000), "is a directory");
    const int redirected = ::open(path.c_str(), O_RDONLY);
    refused(open_input(io, redirected, "standard input", {}), "--pace RATE");
    ::close(redirected);
  }

  TEST_CASE("a terminal is refused with a hint, a file that is not there by its name") {
    boost::asio::io_context io;
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    REQUIRE(terminal >= 0);
    const auto input = open_input(io, terminal, "standard input", {});
    ::close(terminal);
    REQUIRE(!input);
    CHECK(input.error().context.find("ppspp-seed --live -") != std::string::npos);
    const auto missing = open_input(io, name_of("/no/such/film"), 1'000);
    REQUIRE(!missing);
    CHECK(missing.error().code == Errc::not_found);
    CHECK(missing.error().context.find("/no/such/film") != std::string::npos);
  }

  TEST_CASE("datagrams of every sender become one feed, in order and whole") {
    boost::asio::io_context io;
    const std::uint16_t port = free_port();
    Listener listener(open_input(io, name_of("udp://127.0.0.1:" + std::to_string(port)), {}));
    const Sender one(port);
    const Sender other(port);
    one.send("a packet, ");
    other.send("");
    other.send("another, ");
    one.send(std::string(65'000, 'x'));
    run_until(io, [&] { return listener.text.size() == 19 + 65'000; });
    CHECK(listener.text.starts_with("a packet, another, xxx"));
    CHECK(listener.ends == 0);
    CHECK(listener.input->datagrams_lost() == 0);
  }

  TEST_CASE("what the system drops is counted") {
    boost::asio::io_context io;
    const std::uint16_t port = free_port();
    Listener listener(open_input(io, name_of("udp://127.0.0.1:" + std::to_string(port)), {}));
    const Sender sender(port);
    const std::string datagram(1'316, 'x');
    const std::size_t sent = 40'000;  // more than 8 MiB of buffer can hold
    for (std::size_t i = 0; i < sent; ++i) sender.send(datagram);
    const auto received = [&] { return listener.text.size() / datagram.size(); };
    std::size_t before = 0;
    do {  // until nothing is left, however slow this build is
      before = received();
      io.run_for(200ms);
      io.restart();
    } while (received() > before);
    sender.send(datagram);  // it brings the count
    run_until(io, [&] { return received() > before; });
    CHECK(listener.input->datagrams_lost() > 0);
    CHECK(received() + listener.input->datagrams_lost() == sent + 1);
  }

  TEST_CASE("a group is joined, on the interface that is named") {
    boost::asio::io_context io;
    const std::uint16_t port = free_port();
    const auto input = open_input(io, name_of("udp://239.255.7.57%lo:" + std::to_string(port)), {});
    REQUIRE(input);
    std::ifstream joined("/proc/net/igmp");
    const std::string table{std::istreambuf_iterator<char>(joined), {}};
    CHECK(table.find("3907FFEF") != std::string::npos);  // little-endian
    // Others of this host may follow it as well.
    CHECK(open_input(io, name_of("udp://239.255.7.57%lo:" + std::to_string(port)), {}));

    Listener listener(open_input(io, name_of("udp://239.255.7.57%lo:" + std::to_string(port)), {}));
    Sender sender(port);
    sender.address.sin_addr.s_addr = htonl(0xefff0739);
    ip_mreqn device = {};
    device.imr_ifindex = 1;
    REQUIRE(setsockopt(sender.fd, IPPROTO_IP, IP_MULTICAST_IF, &device, sizeof device) == 0);
    sender.send("to the group");
    run_until(io, [&] { return listener.text == "to the group"; });
  }

  TEST_CASE("a port that is taken is an error in one line") {
    boost::asio::io_context io;
    const std::uint16_t port = free_port();
    const auto name = name_of("udp://127.0.0.1:" + std::to_string(port));
    const auto first = open_input(io, name, {});
    REQUIRE(first);
    const auto second = open_input(io, name, {});
    REQUIRE(!second);
    CHECK(second.error().code == Errc::io);
    CHECK(second.error().context.find("cannot receive from udp://127.0.0.1:") == 0);
  }
}
