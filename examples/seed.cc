// Seeds a file, and prints the URL of the swarm that it makes: seed FILE
#include <boost/asio.hpp>
#include <filesystem>
#include <iostream>
#include <ppspp/ppspp.h>

namespace {

ppspp::Result<void> seed(const std::filesystem::path& file) {
  boost::asio::io_context io;
  auto node = ppspp::Node::open(io);
  if (!node) return tl::unexpected(node.error());
  ppspp::Result<void> result;
  node->async_seed(file, {}, [&](ppspp::Result<ppspp::Swarm> swarm) {
    if (swarm) {
      std::cout << swarm->url().to_string() << std::endl;
    } else {
      result = tl::unexpected(swarm.error());
    }
  });
  io.run();  // seeds until the process is told to stop
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: seed FILE\n";
    return 2;
  }
  if (const auto seeded = seed(argv[1]); !seeded) {
    std::cerr << "seed: " << seeded.error().context << '\n';
    return 1;
  }
}
