// Writes the content of a swarm to standard output as it is verified: play 'ppspp:...' | mpv -
#include <array>
#include <boost/asio.hpp>
#include <iostream>
#include <ppspp/ppspp.h>

namespace {

struct Player {
  ppspp::Swarm swarm;
  std::ostream& out;
  std::array<char, 64 * 1024> buffer = {};

  void read() {
    swarm.reader().async_read_some(
        boost::asio::buffer(buffer), [this](ppspp::error_code error, std::size_t size) {
          out.write(buffer.data(), static_cast<std::streamsize>(size));
          if (error || !out) {
            swarm.leave();
          } else {
            read();
          }
        });
  }
};

ppspp::Result<void> play(std::string_view address) {
  auto url = ppspp::SwarmUrl::parse(address);
  if (!url) return tl::unexpected(url.error());
  boost::asio::io_context io;
  ppspp::NodeOptions options;
  options.listen = {ppspp::TransportAddress{}};  // any port, both IP versions
  auto node = ppspp::Node::open(io, options);
  if (!node) return tl::unexpected(node.error());
  auto swarm = node->join(*url);
  if (!swarm) return tl::unexpected(swarm.error());
  Player player{*swarm, std::cout};
  player.read();
  io.run();  // until the player has left the swarm
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: play URL\n";
    return 2;
  }
  if (const auto played = play(argv[1]); !played) {
    std::cerr << "play: " << played.error().context << '\n';
    return 1;
  }
}
