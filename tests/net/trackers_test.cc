// Trackers over real sockets: a server of raw octets on loopback, in the same io_context.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "net/interface_addresses.h"
#include "net/tracker_http.h"
#include "net/trackers.h"
#include "tracker/codec.h"

namespace ppspp {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using tracker::Failure;

std::string http(std::string_view body, std::string_view fields = "", int status = 200) {
  return fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), fields,
                     body);
}

// Answers each request with what `answer` makes of its body; an empty answer: the connection is
// closed; "?": nothing is sent.
class Server {
 public:
  using Answer = std::function<std::string(const std::string& body)>;

  Server(asio::io_context& io, Answer answer)
      : acceptor_(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        answer_(std::move(answer)) {
    accept();
  }

  std::string url() const {
    return fmt::format("http://127.0.0.1:{}/t", acceptor_.local_endpoint().port());
  }
  std::size_t connections() const { return accepted_; }
  std::size_t requests() const { return requests_; }
  void set_delay(std::chrono::milliseconds delay) { delay_ = delay; }
  void stop() {
    error_code ignored;
    acceptor_.close(ignored);
    drop_connections();
  }
  void drop_connections() {
    error_code ignored;
    for (const auto& weak : connections_) {
      if (const auto connection = weak.lock()) connection->socket.close(ignored);
    }
  }

 private:
  struct Connection {
    explicit Connection(tcp::socket accepted) : socket(std::move(accepted)) {}
    tcp::socket socket;
    asio::streambuf in{1 << 20};
    std::string out;
  };
  using Shared = std::shared_ptr<Connection>;

  void accept() {
    acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
      if (error) return;
      ++accepted_;
      const auto connection = std::make_shared<Connection>(std::move(socket));
      connections_.push_back(connection);
      read(connection);
      accept();
    });
  }

  void read(const Shared& connection) {
    asio::async_read_until(connection->socket, connection->in, "\r\n\r\n",
                           [this, connection](const error_code& error, std::size_t size) {
                             if (!error) read_body(connection, size);
                           });
  }

  void read_body(const Shared& connection, std::size_t header) {
    const std::string text(asio::buffers_begin(connection->in.data()),
                           asio::buffers_end(connection->in.data()));
    const auto field = text.find("Content-Length: ");
    const std::size_t length = std::stoul(text.substr(field + 16));
    connection->in.consume(header);
    const std::size_t more = length - std::min(length, connection->in.size());
    asio::async_read(connection->socket, connection->in, asio::transfer_exactly(more),
                     [this, connection, length](const error_code& error, std::size_t) {
                       if (error) return;
                       const auto begin = asio::buffers_begin(connection->in.data());
                       const std::string body(begin, begin + static_cast<std::ptrdiff_t>(length));
                       connection->in.consume(length);
                       ++requests_;
                       respond(connection, answer_(body));
                     });
  }

  void respond(const Shared& connection, std::string answer) {
    if (answer == "?") return held_.push_back(connection);
    if (delay_.count() == 0) return send(connection, std::move(answer));
    const auto timer = std::make_shared<asio::steady_timer>(acceptor_.get_executor(), delay_);
    timer->async_wait(
        [this, timer, connection, answer](const error_code&) { send(connection, answer); });
  }

  void send(const Shared& connection, std::string answer) {
    connection->out = std::move(answer);
    asio::async_write(connection->socket, asio::buffer(connection->out),
                      [this, connection](const error_code& error, std::size_t) {
                        error_code ignored;
                        if (connection->out.empty()) connection->socket.close(ignored);
                        if (!error && !connection->out.empty()) read(connection);
                      });
  }

  tcp::acceptor acceptor_;
  Answer answer_;
  std::list<std::weak_ptr<Connection>> connections_;
  std::list<Shared> held_;  // that wait for an answer for ever
  std::size_t accepted_ = 0;
  std::size_t requests_ = 0;
  std::chrono::milliseconds delay_{0};
};

// Until it is true, or ten seconds have passed.
bool run_until(asio::io_context& io, const std::function<bool()>& reached) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!reached() && std::chrono::steady_clock::now() < end) {
    io.restart();
    io.run_one_for(std::chrono::milliseconds(50));
  }
  return reached();
}

struct Client {
  asio::io_context io;
  Server server;
  TrackerHttp http;

  explicit Client(Server::Answer answer, Microseconds timeout = std::chrono::seconds(10))
      : server(io, std::move(answer)),
        http(io, tracker::Url::parse(server.url()).value(), nullptr, timeout) {}

  TrackerHttp::Outcome post(std::string body) {
    std::optional<TrackerHttp::Outcome> outcome;
    http.post(std::move(body),
              [&](TrackerHttp::Outcome done) { outcome.emplace(std::move(done)); });
    REQUIRE(run_until(io, [&] { return outcome.has_value(); }));
    return *std::move(outcome);
  }
};

TEST_SUITE("net/trackers") {
  TEST_CASE("requests share one connection, and get their answers") {
    Client client([](const std::string& body) { return http("re: " + body); });
    for (const char* text : {"one", "two", "three"}) {
      const auto outcome = client.post(text);
      REQUIRE(outcome);
      CHECK(outcome->status == 200);
      CHECK(outcome->body == fmt::format("re: {}", text));
    }
    CHECK(client.server.connections() == 1);
    CHECK(client.http.remote()->is_loopback());
  }

  TEST_CASE("a kept connection that the tracker has closed is replaced without a word") {
    Client client([](const std::string&) { return http("here"); });
    REQUIRE(client.post("one"));
    client.server.drop_connections();
    REQUIRE(client.post("two"));
    CHECK(client.server.connections() == 2);
  }

  TEST_CASE("a tracker that wants to close after each answer is heeded") {
    Client client([](const std::string&) { return http("x", "Connection: close\r\n"); });
    REQUIRE(client.post("one"));
    REQUIRE(client.post("two"));
    CHECK(client.server.connections() == 2);
  }

  TEST_CASE("Retry-After in seconds is told; as a date it is not") {
    Client client([](const std::string& body) {
      return http("", fmt::format("Retry-After: {}\r\n", body), 503);
    });
    CHECK(client.post("17")->retry_after == Microseconds(17'000'000));
    CHECK(client.post("17")->status == 503);
    CHECK(!client.post("Wed, 21 Oct 2026 07:28:00 GMT")->retry_after);
  }

  TEST_CASE("redirects are not followed") {
    Client client(
        [](const std::string&) { return http("", "Location: http://127.0.0.1:1/\r\n", 302); });
    CHECK(client.post("one")->status == 302);
    CHECK(client.server.requests() == 1);
  }

  TEST_CASE("what is no HTTP, too long, or cut off is a failure of its kind") {
    const auto failure = [](std::string answer) {
      Client client([answer](const std::string&) { return answer; });
      const auto outcome = client.post("one");
      REQUIRE(!outcome);
      CHECK(!outcome.error().problem.empty());
      return outcome.error().failure;
    };
    CHECK(failure("SSH-2.0-OpenSSH_9.2\r\n\r\n") == Failure::bad_response);
    CHECK(failure("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n") ==
          Failure::bad_response);
    CHECK(failure("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n") ==
          Failure::bad_response);
    CHECK(failure("") == Failure::unreachable);
  }

  TEST_CASE("a tracker that says nothing, or goes on for ever, is given up in time") {
    for (const char* answer : {"?", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"}) {
      Client client([answer](const std::string&) { return answer; },
                    std::chrono::milliseconds(200));
      const auto outcome = client.post("one");
      REQUIRE(!outcome);
      CHECK(outcome.error().failure == Failure::timed_out);
    }
  }

  TEST_CASE("nobody there is told at once, and nothing is left behind") {
    Client client([](const std::string&) { return http(""); });
    client.server.stop();
    const auto outcome = client.post("one");
    REQUIRE(!outcome);
    CHECK(outcome.error().failure == Failure::unreachable);
    client.io.restart();
    CHECK(run_until(client.io, [&] { return client.io.stopped(); }));
  }

  TEST_CASE("a file without certificates is an error that names it") {
    const auto trust = TrackerTrust::load("/nonexistent/ca.pem");
    REQUIRE(!trust);
    CHECK(trust.error().context.starts_with("/nonexistent/ca.pem has no certificates"));
  }
}

// A tracker that keeps who is in which swarm, and gives one peer.
struct Tracker {
  explicit Tracker(asio::io_context& io)
      : server(io, [this](const std::string& body) { return http(answer(body)); }) {}

  std::string answer(const std::string& body) {
    const auto request = tracker::read_request(body);
    if (!request) return to_json(to_response(request.error()));
    tracker::Response response{.transaction_id = request->transaction_id};
    if (const auto* connect = std::get_if<tracker::Connect>(&request->data)) {
      addresses = connect->addresses;
      for (const auto& action : connect->actions) {
        if (action.action == tracker::Action::join) members[action.swarm_id] = action.mode;
        if (action.action == tracker::Action::leave) members.erase(action.swarm_id);
        response.results.push_back(
            {.swarm_id = action.swarm_id,
             .peers = {{{"other", {.address = TransportAddress::v4(0x7f000001, 7)}},
                        {"public", {.address = TransportAddress::v4(0x08080808, 8)}},
                        {"none", {.address = TransportAddress::v4(0, 9)}}}}});
      }
    }
    return to_json(response);
  }

  std::map<std::string, tracker::PeerMode> members;
  std::vector<tracker::PeerAddress> addresses;
  Server server;
};

struct NodeSide {
  asio::io_context io;
  std::map<std::string, std::size_t> found;  // addresses, by swarm
  std::unique_ptr<Trackers> trackers = std::make_unique<Trackers>(
      io,
      TrackerSink{.stats = [] { return std::vector<tracker::StreamStats>(); },
                  .addresses = [] { return std::vector{TransportAddress::v4(0x7f000001, 6778)}; },
                  .peers_found = [this](const SwarmId& id,
                                        const auto& peers) { found[id.to_hex()] += peers.size(); },
                  .certificates_issued = [](const SwarmId&, const auto&) {}});
};

const SwarmId kOne = SwarmId::from_hex(std::string(40, 'a')).value();
const SwarmId kTwo = SwarmId::from_hex(std::string(40, 'b')).value();

TEST_SUITE("net/trackers of a node") {
  TEST_CASE("a swarm is announced to all its trackers; that one is down does not matter") {
    NodeSide node;
    Tracker first(node.io);
    Tracker second(node.io);
    Tracker down(node.io);
    down.server.stop();
    const std::string gone = "http://127.0.0.1:1/";
    REQUIRE(node.trackers->configure({first.server.url()}, ""));
    node.trackers->announce(kOne, {gone, "nonsense", second.server.url(), first.server.url()}, {});
    node.trackers->announce(kTwo, {}, {.mode = tracker::PeerMode::seeder});
    CHECK(run_until(node.io, [&] {
      return first.members.size() == 2 && second.members.size() == 1 &&
             node.found[kOne.to_hex()] == 4;
    }));
    CHECK(first.server.connections() == 1);
    CHECK(first.addresses.at(0).address.port() == 6778);
    CHECK(node.trackers->status().size() == 3);
    CHECK(node.trackers->status(kTwo).size() == 1);
    CHECK(run_until(node.io,
                    [&] { return node.trackers->status(kOne)[1].counters.failures[0] > 0; }));
    CHECK(node.trackers->status(kOne)[1].state == TrackerState::failing);
    CHECK(node.trackers->status(kOne)[0].knows_swarm);
    CHECK(node.trackers->counters().connects >= 3);
  }

  TEST_CASE("when the last swarm was left the trackers are told, even if all else is gone") {
    NodeSide node;
    Tracker tracker(node.io);
    node.trackers->announce(kOne, {tracker.server.url()}, {});
    REQUIRE(run_until(node.io, [&] { return tracker.members.size() == 1; }));
    node.trackers->leave(kOne);
    node.trackers->close();
    node.trackers.reset();
    CHECK(run_until(node.io, [&] { return tracker.members.empty(); }));
    tracker.server.stop();
    CHECK(run_until(node.io, [&] { return node.io.stopped(); }));
  }

  TEST_CASE("a tracker that does not answer holds up the end for a bounded time") {
    NodeSide node;
    bool silent = false;
    Tracker answers(node.io);
    Server server(node.io, [&](const std::string& body) {
      return silent ? "?" : http(answers.answer(body));
    });
    node.trackers->announce(kOne, {server.url()}, {});
    REQUIRE(run_until(node.io, [&] { return answers.members.size() == 1; }));
    silent = true;
    node.trackers->close();
    node.trackers.reset();
    REQUIRE(run_until(node.io, [&] { return server.requests() == 2; }));
    answers.server.stop();
    server.stop();
    CHECK(run_until(node.io, [&] { return node.io.stopped(); }));
  }

  TEST_CASE("a slow tracker that answers is told all, however long that is for one answer") {
    NodeSide node;
    Tracker tracker(node.io);
    std::vector<SwarmId> ids;
    for (unsigned i = 0; i < 350; ++i) {
      ids.push_back(SwarmId::from_hex(fmt::format("{:040x}", i + 1)).value());
      node.trackers->announce(ids.back(), {tracker.server.url()},
                              {.mode = tracker::PeerMode::seeder});
    }
    REQUIRE(run_until(node.io, [&] { return tracker.members.size() == ids.size(); }));
    tracker.server.set_delay(std::chrono::milliseconds(700));  // four requests: 2.8 s
    node.trackers->close();
    node.trackers.reset();
    CHECK(run_until(node.io, [&] { return tracker.members.empty(); }));
    tracker.server.stop();
    CHECK(run_until(node.io, [&] { return node.io.stopped(); }));
  }

  TEST_CASE("trackers for all must be URLs") {
    NodeSide node;
    CHECK(!node.trackers->configure({"tracker"}, ""));
    CHECK(!node.trackers->configure({"http://t/"}, "/nonexistent"));
  }

  TEST_CASE("an unspecified address stands for those of the interfaces, with its port") {
    const auto some = reachable_addresses({TransportAddress::v4(0, 1234)});
    CHECK(!some.empty());
    CHECK(some.size() <= kMaxInterfaceAddresses);
    for (const auto& address : some) {
      CHECK(address.port() == 1234);
      CHECK(address.is_v4());
      CHECK(!address.is_unspecified());
    }
    const auto one = TransportAddress::v4(0x7f000001, 1);
    CHECK(reachable_addresses({one}) == std::vector{one});
  }
}

}  // namespace
}  // namespace ppspp
