// A gateway over a Node, as a program, so that tests can measure both sides. One thread.
//
//   gateway_host [--seed FILE]... [--bundle DIR OUTPUT]... [--feed NAME] [options]
//
// Prints "http HOST:PORT", "udp HOST:PORT", and a line "swarm URL" for each of what it serves. What
// is not served here is joined on demand. A feed is what comes in on standard input.
// GET /stats: what was sent, received and is being read, as JSON. Ends with SIGTERM.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/signal_set.hpp>
#include <iostream>
#include <map>
#include <optional>

#include "base/log.h"
#include "gateway/bundle.h"
#include "gateway/gateway.h"

namespace ppspp::daemon {
namespace {

struct Options {
  std::vector<std::string> files;
  std::vector<std::string> bundles;
  std::string feed;
  std::uint32_t chunk_size = 1024;
  std::uint64_t upload_limit = 0;
  int write_timeout = 30;
  int wait = 30;
  GatewayOptions gateway;
};

class Host final : public ContentSource {
 public:
  Host(boost::asio::io_context& io, const Options& options)
      : io_(io), options_(options), input_(io), signals_(io, SIGTERM, SIGINT) {}

  Result<void> start();

  Result<Content> open(const SwarmUrl& url) override;
  void note_readers(const SwarmId& id, int change) override { readers_[id] += change; }
  std::vector<Listed> list(std::size_t limit) const override;

 private:
  void seed(const std::filesystem::path& file);
  void add(const Swarm& swarm);
  Result<void> feed();
  void read_feed();
  void answer_stats(http::Exchange& exchange) const;

  boost::asio::io_context& io_;
  const Options& options_;
  std::optional<Node> node_;
  std::map<SwarmId, Swarm> swarms_;
  std::map<SwarmId, int> readers_;
  std::optional<Gateway> gateway_;
  std::optional<http::Server> server_;
  std::optional<LiveFeed> feed_;
  boost::asio::posix::stream_descriptor input_;
  std::vector<std::byte> input_buffer_ = std::vector<std::byte>(65536);
  boost::asio::signal_set signals_;
};

void say(const std::string& line) {
  std::cout << line << std::endl;
}

Result<void> Host::start() {
  NodeOptions node;
  node.listen = {*TransportAddress::parse("127.0.0.1:0")};
  node.discovery.local = false;
  if (options_.upload_limit > 0) node.upload_limit = options_.upload_limit;
  auto opened = Node::open(io_, node);
  if (!opened) return tl::unexpected(opened.error());
  node_.emplace(std::move(*opened));
  gateway_.emplace(io_, *this, options_.gateway);
  http::ServerOptions server;
  server.write_timeout = std::chrono::seconds(options_.write_timeout);
  server.name = "gateway";
  server_.emplace(io_, server, [this](const std::shared_ptr<http::Exchange>& exchange) {
    if (exchange->request().path == "/stats") return answer_stats(*exchange);
    gateway_->handle(exchange);
  });
  const boost::asio::ip::tcp::endpoint any(boost::asio::ip::address_v4::loopback(), 0);
  if (auto listened = server_->listen(any); !listened) return listened;
  say("http " + server_->addresses().front());
  say("udp " + node_->local_addresses().front().to_string());
  for (const auto& file : options_.files) seed(file);
  for (std::size_t i = 0; i + 1 < options_.bundles.size(); i += 2) {
    auto built = build_bundle(options_.bundles[i], options_.bundles[i + 1],
                              {.alignment = options_.chunk_size});
    if (!built) return tl::unexpected(built.error());
    seed(options_.bundles[i + 1]);
  }
  signals_.async_wait([this](error_code error, int) {
    if (error) return;
    gateway_.reset();
    server_.reset();
    input_.close();
    node_.reset();
    io_.stop();
  });
  return options_.feed.empty() ? Result<void>() : feed();
}

void Host::seed(const std::filesystem::path& file) {
  SeedOptions options;
  options.metadata.chunk_size = options_.chunk_size;
  node_->async_seed(file, options, [this, file](Result<Swarm> swarm) {
    if (!swarm) {
      std::cerr << file << ": " << swarm.error().context << std::endl;
      return;
    }
    add(*swarm);
  });
}

void Host::add(const Swarm& swarm) {
  swarms_.insert_or_assign(swarm.url().metadata.id, swarm);
  say("swarm " + swarm.url().to_string());
}

Result<void> Host::feed() {
  auto key = SigningKey::generate(SignatureAlgorithm::ed25519);
  if (!key) return tl::unexpected(key.error());
  FeedOptions options;
  options.display_name = options_.feed;
  options.metadata.chunk_size = options_.chunk_size;
  auto feed = node_->feed(std::move(*key), options);
  if (!feed) return tl::unexpected(feed.error());
  feed_.emplace(std::move(*feed));
  add(feed_->swarm());
  input_.assign(::dup(STDIN_FILENO));
  read_feed();
  return {};
}

void Host::read_feed() {
  input_.async_read_some(
      boost::asio::buffer(input_buffer_), [this](error_code error, std::size_t size) {
        if (error) return feed_->end();
        if (auto done = feed_->append(boost::asio::buffer(input_buffer_.data(), size)); !done) {
          std::cerr << done.error().context << std::endl;
          return;
        }
        read_feed();
      });
}

Result<Content> Host::open(const SwarmUrl& url) {
  const auto found = swarms_.find(url.metadata.id);
  if (found != swarms_.end() && !found->second.left()) {
    return Content{found->second, found->second.url().display_name};
  }
  if (url.peers.empty()) return fail(Errc::not_found, "no such swarm is served here");
  JoinOptions options;
  options.policy = PickPolicy::on_demand;
  auto joined = node_->join(url, options);
  if (!joined) return tl::unexpected(joined.error());
  swarms_.insert_or_assign(url.metadata.id, *joined);
  return Content{*joined, url.display_name};
}

std::vector<Listed> Host::list(std::size_t limit) const {
  std::vector<Listed> all;
  for (const auto& [id, swarm] : swarms_) {
    if (all.size() == limit) break;
    const auto& url = swarm.url();
    all.push_back({id, url.display_name, url.metadata.content_length, url.metadata.live});
  }
  return all;
}

void Host::answer_stats(http::Exchange& exchange) const {
  std::uint64_t uploaded = 0;
  std::uint64_t again = 0;  // of that, because it was taken for lost
  std::uint64_t downloaded = 0;
  std::uint64_t verified = 0;
  for (const auto& [id, swarm] : swarms_) {
    const auto status = swarm.status();
    uploaded += status.uploaded_bytes;
    again += status.chunks_retransmitted * swarm.url().metadata.chunk_size;
    downloaded += status.downloaded_bytes;
    verified += status.verified_bytes;
  }
  int readers = 0;
  for (const auto& [id, count] : readers_) readers += count;
  exchange.respond(
      200, {{"Content-Type", "application/json"}},
      "{\"uploaded\":" + std::to_string(uploaded) + ",\"again\":" + std::to_string(again) +
          ",\"downloaded\":" + std::to_string(downloaded) +
          ",\"verified\":" + std::to_string(verified) + ",\"readers\":" + std::to_string(readers) +
          ",\"connections\":" + std::to_string(server_->connections()) + "}");
}

int run(int argc, char** argv) {
  CLI::App app("A gateway over a Node, for tests");
  Options options;
  app.add_option("--seed", options.files);
  app.add_option("--bundle", options.bundles)->expected(2, 20);
  app.add_option("--feed", options.feed);
  app.add_option("--chunk-size", options.chunk_size);
  app.add_option("--upload-limit", options.upload_limit);
  app.add_option("--write-timeout", options.write_timeout);
  app.add_option("--wait", options.wait);
  app.add_option("--cors", options.gateway.cors);
  app.add_option("--hosts", options.gateway.hosts);
  app.add_option("--max-readers", options.gateway.max_readers);
  app.add_option("--read-ahead", options.gateway.read_ahead);
  std::uint64_t max_rate = 0;
  app.add_option("--max-rate", max_rate);
  CLI11_PARSE(app, argc, argv);
  options.gateway.wait = std::chrono::seconds(options.wait);
  if (max_rate > 0) options.gateway.max_rate = max_rate;
  set_log_sink(LogLevel::info,
               [](LogLevel, std::string_view line) { std::cerr << line << std::endl; });
  boost::asio::io_context io;
  Host host(io, options);
  if (const auto started = host.start(); !started) {
    std::cerr << "gateway_host: " << started.error().context << std::endl;
    return 1;
  }
  io.run();
  return 0;
}

}  // namespace
}  // namespace ppspp::daemon

int main(int argc, char** argv) {
  return ppspp::daemon::run(argc, argv);
}
