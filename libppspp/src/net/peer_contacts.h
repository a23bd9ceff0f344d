// The peers that the user named for one swarm: looked up, contacted, and tried again when they
// cannot be reached or go.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "ppspp/swarm_url.h"
#include "ppspp/transport_address.h"

namespace ppspp {

class PeerContacts {
 public:
  using Contact = std::function<void(const TransportAddress&)>;
  using Clock = std::chrono::steady_clock;

  static constexpr std::size_t kMaxPeers = 1'000;
  // Between two attempts: doubled with each, and the least again after a minute's connection.
  static constexpr Clock::duration kMinPause = std::chrono::seconds(2);
  static constexpr Clock::duration kMaxPause = std::chrono::seconds(60);

  PeerContacts(boost::asio::io_context& io, Contact contact);
  ~PeerContacts();
  PeerContacts(const PeerContacts&) = delete;
  PeerContacts& operator=(const PeerContacts&) = delete;

  void add(const HostPort& peer);
  void joined(const TransportAddress& address);
  void lost(const TransportAddress& address);  // it left, or could not be reached

 private:
  struct Peer {
    HostPort name;
    std::vector<TransportAddress> addresses;  // as last looked up
    Clock::duration pause = kMinPause;
    Clock::time_point joined_at = Clock::time_point::min();
    Clock::time_point retry_at = Clock::time_point::max();
  };
  using Results = boost::asio::ip::udp::resolver::results_type;

  void attempt(Peer& peer);
  void look_up(Peer& peer);
  void looked_up(Peer& peer, const Results& results);
  void retry_later(Peer& peer);
  void arm_timer();
  void on_timer();
  Peer* find(const TransportAddress& address);

  Contact contact_;
  std::list<Peer> peers_;  // their addresses are kept by look-ups under way
  boost::asio::ip::udp::resolver resolver_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ppspp
