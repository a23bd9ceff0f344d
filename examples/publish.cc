// Publishes standard input as a live feed, and prints its URL: encoder | publish
//
// The key is made for this run. Viewers tune in with the URL and this host's address.
#include <unistd.h>

#include <array>
#include <boost/asio.hpp>
#include <iostream>
#include <ppspp/ppspp.h>

namespace {

struct Publisher {
  ppspp::LiveFeed feed;
  boost::asio::posix::stream_descriptor input;
  std::array<char, 64 * 1024> buffer = {};

  void read() {
    input.async_read_some(
        boost::asio::buffer(buffer), [this](ppspp::error_code error, std::size_t size) {
          if (error) return end();
          if (const auto appended = feed.append(boost::asio::buffer(buffer, size)); !appended) {
            std::cerr << "publish: " << appended.error().context << '\n';
            return end();
          }
          read();
        });
  }

  // Viewers take what they miss before we go.
  void end() {
    feed.on_delivered([this] { feed.swarm().leave(); });
    feed.end();
  }
};

ppspp::Result<void> publish() {
  auto key = ppspp::SigningKey::generate(ppspp::SignatureAlgorithm::ecdsap256sha256);
  if (!key) return tl::unexpected(key.error());
  boost::asio::io_context io;
  auto node = ppspp::Node::open(io);
  if (!node) return tl::unexpected(node.error());
  ppspp::FeedOptions options;
  options.metadata.live = true;
  options.metadata.integrity = ppspp::IntegrityMethod::unified_merkle;
  auto feed = node->feed(*std::move(key), options);
  if (!feed) return tl::unexpected(feed.error());
  std::cout << feed->swarm().url().to_string() << std::endl;
  Publisher publisher{*feed, boost::asio::posix::stream_descriptor(io, dup(STDIN_FILENO))};
  publisher.read();
  io.run();  // until the feed has ended, and the viewers have it
  return {};
}

}  // namespace

int main() {
  if (const auto published = publish(); !published) {
    std::cerr << "publish: " << published.error().context << '\n';
    return 1;
  }
}
