// The server as its clients see it: real sockets on the loopback interface.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>

#include "base/log.h"
#include "http/client.h"
#include "support/seed.h"
#include "support/temporary_directory.h"

namespace ppspp::http {
namespace {

using std::chrono::seconds;

void echo(const std::shared_ptr<Exchange>& exchange) {
  const Request& request = exchange->request();
  exchange->respond(200, {{"Content-Type", "text/plain"}},
                    request.method + " " + request.path + " " + request.body);
}

const std::string kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

// Log lines, from the server's thread.
class Lines {
 public:
  Lines() {
    set_log_sink(LogLevel::info, [this](LogLevel, std::string_view line) {
      const std::lock_guard lock(mutex_);
      text_ += std::string(line) + "\n";
    });
  }
  ~Lines() { set_log_sink(LogLevel::error, nullptr); }
  bool contain(std::string_view text) {
    const std::lock_guard lock(mutex_);
    return text_.find(text) != std::string::npos;
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

TEST_CASE("requests on one connection are answered in order, also when they come together") {
  Host host(echo);
  Client client(host.port());
  std::string all;
  for (int i = 0; i < 50; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  REQUIRE(client.send(all));
  for (int i = 0; i < 50; ++i) {
    const std::string end = "GET /" + std::to_string(i) + " ";
    const std::string answer = client.read_until(end);
    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(answer.find("\r\nContent-Length: " + std::to_string(end.size()) + "\r\n") !=
          std::string::npos);
  }
}

TEST_CASE("requests that come while others are answered are not mixed up with them") {
  Host host(echo);
  Client client(host.port());
  std::mt19937_64 random(test::seed());
  constexpr int kRequests = 3000;
  std::string all;
  for (int i = 0; i < kRequests; ++i) {
    const std::string padding(random() % 300, 'x');
    all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\nX: " + padding + "\r\n\r\n";
  }
  std::thread sender([&] {
    for (std::string_view rest = all; !rest.empty();) {
      const std::size_t size = std::min<std::size_t>(rest.size(), 1 + random() % 600);
      client.send(rest.substr(0, size));
      rest.remove_prefix(size);
    }
  });
  int wrong = 0;
  for (int i = 0; i < kRequests; ++i) {
    const std::string end = "GET /" + std::to_string(i) + " ";
    const std::string answer = client.read_until(end);
    const bool right =
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(end) && answer.size() < 300;
    if (!right) ++wrong;
  }
  sender.join();
  CHECK(wrong == 0);
}

TEST_CASE("a header may have 16 KiB, in one piece or in many") {
  Host host(echo);
  Client client(host.port());
  for (const std::size_t step : {100'000UL, 1000UL}) {
    const std::string padding = std::string(4000, 'x') + "\r\nX: ";
    std::string all = "GET /a HTTP/1.1\r\nHost: x\r\nX: " + padding + padding + padding + padding;
    all += "end\r\n\r\n";
    for (std::size_t at = 0; at < all.size(); at += step) {
      REQUIRE(client.send(std::string_view(all).substr(at, step)));
    }
    CHECK(client.read_until("GET /a ").starts_with("HTTP/1.1 200 OK\r\n"));
  }
}

TEST_CASE("HEAD has the header of GET and no body") {
  Host host(echo);
  Client client(host.port());
  REQUIRE(client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + kGet));
  const std::string head = client.read_until("\r\n\r\n");
  CHECK(head.find("Content-Length: 8\r\n") != std::string::npos);
  CHECK(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 OK"));
}

TEST_CASE("a body is sent behind 100 (Continue)") {
  Host host(echo);
  Client client(host.port());
  REQUIRE(client.send(
      "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
  CHECK(client.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  REQUIRE(client.send("body"));
  CHECK(client.read_until("POST /a body").starts_with("HTTP/1.1 200 OK"));
}

TEST_CASE("a refused request is answered, whatever comes behind it, and the connection closed") {
  Host host(echo);
  Client client(host.port());
  REQUIRE(client.send("nonsense\r\n\r\n" + std::string(100'000, 'x')));
  const std::string answer = client.read_all();
  CHECK(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"));
  CHECK(answer.find("Connection: close") != std::string::npos);
  CHECK(!client.timed_out());
  CHECK(Client(host.port()).send(kGet));
}

TEST_CASE("half a request is answered with 408, and silence with nothing") {
  ServerOptions options;
  options.request_timeout = seconds(1);
  Host host(echo, options);
  Client half(host.port());
  Client silent(host.port());
  REQUIRE(half.send("GET / HTTP/1.1\r\nHos"));
  CHECK(half.read_all().starts_with("HTTP/1.1 408 "));
  CHECK(silent.read_all().empty());
  CHECK(!silent.timed_out());
  CHECK(host.becomes([&] { return host.server().connections() == 0; }));
}

TEST_CASE("a connection that nobody uses is closed") {
  ServerOptions options;
  options.idle_timeout = seconds(1);
  Host host(echo, options);
  Client client(host.port());
  REQUIRE(client.send(kGet));
  CHECK(client.read_all().ends_with("GET /a "));
  CHECK(!client.timed_out());
}

TEST_CASE("at the limit, connections that wait make way, and busy ones do not") {
  ServerOptions options;
  options.max_connections = 2;
  std::vector<std::shared_ptr<Exchange>> kept;
  Host host(
      [&](const std::shared_ptr<Exchange>& exchange) {
        if (exchange->request().path == "/keep") {
          kept.push_back(exchange);
        } else {
          echo(exchange);
        }
      },
      options);
  Client first(host.port());
  Client second(host.port());
  REQUIRE(first.send(kGet));
  first.read_until("GET /a ");
  REQUIRE(second.send("GET /keep HTTP/1.1\r\nHost: x\r\n\r\n"));
  REQUIRE(host.becomes([&] { return kept.size() == 1; }));
  Client third(host.port());
  REQUIRE(third.send("GET /keep HTTP/1.1\r\nHost: x\r\n\r\n"));
  REQUIRE(host.becomes([&] { return kept.size() == 2; }));
  CHECK(first.read_all().empty());
  Client fourth(host.port());
  CHECK(fourth.read_all().starts_with("HTTP/1.1 503 "));
  host.run([&] { kept.clear(); });  // without an answer
  CHECK(second.read_until("failed.").starts_with("HTTP/1.1 500 "));
}

// Writes blocks until it may stop or cannot go on.
struct Writer : std::enable_shared_from_this<Writer> {
  explicit Writer(std::shared_ptr<Exchange> e) : exchange(std::move(e)) {}
  void write() {
    exchange->write(block, [self = shared_from_this()](bool ok) {
      if (ok) ++self->written;
      if (!ok) self->failed = true;
      if (ok && self->written < self->wanted) return self->write();
      if (ok) self->exchange->finish();
      self->exchange.reset();
    });
  }
  std::shared_ptr<Exchange> exchange;
  std::vector<std::byte> block = std::vector<std::byte>(100'000, std::byte{'x'});
  std::size_t wanted = ~std::size_t{0};
  std::size_t written = 0;
  bool failed = false;
};

TEST_CASE("a reader that takes nothing is dropped with a log line") {
  Lines lines;
  ServerOptions options;
  options.write_timeout = seconds(1);
  std::shared_ptr<Writer> writer;
  Host host(
      [&](const std::shared_ptr<Exchange>& exchange) {
        exchange->begin(200, {}, std::nullopt);
        writer = std::make_shared<Writer>(exchange);
        writer->write();
      },
      options);
  Client client(host.port(), 4096);
  REQUIRE(client.send(kGet));
  REQUIRE(host.becomes([&] { return writer && writer->failed; }));
  CHECK(host.run([&] { return writer->written; }) < 200);
  CHECK(lines.contain("takes nothing"));
  CHECK(host.becomes([&] { return host.server().connections() == 0; }));
  host.run([&] { writer.reset(); });
}

TEST_CASE("a body is chunked, has its length, or ends with the connection, as the client can") {
  Host host([](const std::shared_ptr<Exchange>& exchange) {
    const bool known = exchange->request().path == "/known";
    exchange->begin(200, {}, known ? std::optional<std::uint64_t>(200'000) : std::nullopt);
    const auto writer = std::make_shared<Writer>(exchange);
    writer->wanted = 2;
    writer->write();
  });
  const std::string body(100'000, 'x');
  {
    Client client(host.port());
    REQUIRE(client.send(kGet + "GET /known HTTP/1.1\r\nHost: x\r\n\r\n"));
    CHECK(client.read_until("\r\n\r\n").find("Transfer-Encoding: chunked\r\n") !=
          std::string::npos);
    const std::string chunk = "186a0\r\n" + body + "\r\n";
    CHECK(client.read_some(2 * chunk.size() + 5) == chunk + chunk + "0\r\n\r\n");
    CHECK(client.read_until("\r\n\r\n").find("Content-Length: 200000\r\n") != std::string::npos);
    CHECK(client.read_some(200'000) == body + body);
  }
  Client old(host.port());
  REQUIRE(old.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  CHECK(old.read_until("\r\n\r\n").find("chunked") == std::string::npos);
  CHECK(old.read_all() == body + body);
}

TEST_CASE("a body that cannot be completed is not taken for whole") {
  Host host([](const std::shared_ptr<Exchange>& exchange) {
    static const std::vector<std::byte> some(10, std::byte{'x'});
    exchange->begin(200, {}, 20);
    exchange->write(some, [exchange](bool) {
      if (exchange->request().path == "/a") {
        exchange->abort();
      } else if (exchange->request().path == "/b") {
        exchange->finish();  // too early
      }                      // else it is forgotten
    });
  });
  for (const char* path : {"/a", "/b", "/c"}) {
    Client client(host.port());
    REQUIRE(client.send(std::string("GET ") + path + " HTTP/1.1\r\nHost: x\r\n\r\n"));
    CHECK(client.read_until("\r\n\r\n").find("Content-Length: 20\r\n") != std::string::npos);
    CHECK(client.read_all() == std::string(10, 'x'));
    CHECK(!client.timed_out());
  }
}

TEST_CASE("a client that goes while it waits is noticed, and what is answered then does nothing") {
  std::shared_ptr<Exchange> kept;
  bool gone = false;
  Host host([&](const std::shared_ptr<Exchange>& exchange) {
    kept = exchange;
    exchange->on_gone([&] { gone = true; });
  });
  {
    Client client(host.port());
    REQUIRE(client.send(kGet + "GET /more"));
    REQUIRE(host.becomes([&] { return kept != nullptr; }));
  }
  CHECK(host.becomes([&] { return gone; }));
  host.run([&] {
    kept->respond(200, {}, "late");
    kept.reset();
  });
  CHECK(host.becomes([&] { return host.server().connections() == 0; }));
}

TEST_CASE("a client that has said its last may still listen") {
  Host host(echo);
  Client client(host.port());
  REQUIRE(client.send(kGet));
  client.end();
  CHECK(client.read_all().ends_with("GET /a "));
}

TEST_CASE("an exchange that outlives its server does nothing") {
  std::shared_ptr<Exchange> kept;
  bool told = false;
  bool written = false;
  Host host([&](const std::shared_ptr<Exchange>& exchange) {
    kept = exchange;
    exchange->on_gone([&] { told = true; });
  });
  Client client(host.port());
  REQUIRE(client.send(kGet));
  REQUIRE(host.becomes([&] { return kept != nullptr; }));
  host.run([&] {
    host.server().stop();
    kept->begin(200, {}, 5);
    kept->write(std::as_bytes(std::span("hello", 5)), [&](bool ok) { written = !ok; });
  });
  CHECK(host.becomes([&] { return told && written; }));
  CHECK(client.read_all().empty());
  host.run([&] { kept.reset(); });
}

TEST_CASE("a Unix socket has its mode, replaces what is stale, and leaves nothing behind") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "s";
  {
    Host host(echo);
    REQUIRE(host.run([&] { return host.server().listen_unix(path, 0660, ""); }));
    struct stat status = {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0660);
    CHECK(host.server().addresses().back() == path);
    Client client(path);
    REQUIRE(client.send(kGet));
    CHECK(client.read_until("GET /a ").starts_with("HTTP/1.1 200"));
    Host other(echo);
    const auto second = other.run([&] { return other.server().listen_unix(path, 0660, ""); });
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Errc::exists);
    CHECK(second.error().context.find("in use") != std::string::npos);
  }
  CHECK(!std::filesystem::exists(path));
  const int stale = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
  REQUIRE(::bind(stale, static_cast<const sockaddr*>(static_cast<const void*>(&address)),
                 sizeof(address)) == 0);
  ::close(stale);
  Host host(echo);
  CHECK(host.run([&] { return host.server().listen_unix(path, 0600, ""); }));
  CHECK(Client(path).connected());
}

TEST_CASE("what is in a Unix socket's way stays, and a group that is none is named") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "file";
  std::ofstream(path) << "mine";
  Host host(echo);
  const auto in_the_way = host.run([&] { return host.server().listen_unix(path, 0660, ""); });
  REQUIRE_FALSE(in_the_way);
  CHECK(in_the_way.error().code == Errc::exists);
  CHECK(std::filesystem::file_size(path) == 4);
  const std::string other = directory / "s";
  const auto group =
      host.run([&] { return host.server().listen_unix(other, 0660, "no-such-group-here"); });
  REQUIRE_FALSE(group);
  CHECK(group.error().context.find("no-such-group-here") != std::string::npos);
  CHECK(!std::filesystem::exists(other));
  const auto nowhere =
      host.run([&] { return host.server().listen_unix(directory / "no/s", 0660, ""); });
  REQUIRE_FALSE(nowhere);
  const auto longer = host.run(
      [&] { return host.server().listen_unix(directory / std::string(200, 'x'), 0660, ""); });
  REQUIRE_FALSE(longer);
}

TEST_CASE("a listening socket that was handed over is used, and nothing else is") {
  Host host(echo);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_FALSE(host.run([&] { return host.server().adopt(fd); }));
  CHECK_FALSE(host.run([&] { return host.server().adopt(-1); }));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = static_cast<sockaddr*>(static_cast<void*>(&address));
  REQUIRE(::bind(fd, generic, size) == 0);
  REQUIRE(::listen(fd, 5) == 0);
  REQUIRE(::getsockname(fd, generic, &size) == 0);
  REQUIRE(host.run([&] { return host.server().adopt(fd); }));
  Client client(ntohs(address.sin_port));
  REQUIRE(client.send(kGet));
  CHECK(client.read_until("GET /a ").starts_with("HTTP/1.1 200"));
}

TEST_CASE("a port in use is an error that names it") {
  Host host(echo);
  Host other(echo);
  const boost::asio::ip::tcp::endpoint taken(boost::asio::ip::address_v4::loopback(), host.port());
  const auto listened = other.run([&] { return other.server().listen(taken); });
  REQUIRE_FALSE(listened);
  CHECK(listened.error().code == Errc::exists);
  CHECK(listened.error().context.find("127.0.0.1:" + std::to_string(host.port())) !=
        std::string::npos);
}

}  // namespace
}  // namespace ppspp::http
