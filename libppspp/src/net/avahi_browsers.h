// What Avahi is asked of the swarms that others have (decision 49): a browser for each, and a
// resolver for each service that is new. Everything that others can make more of has a bound.
#pragma once

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/avahi_publisher.h"

namespace ppspp {

class AvahiBrowsers {
 public:
  static constexpr std::size_t kMaxSeen = 256;  // services of a swarm
  static constexpr std::size_t kMaxResolving = 16;
  static constexpr std::size_t kMaxWaiting = 1'024;

  using Sink = std::function<void(const LocalDiscovery::Service&)>;

  // Both are called by Avahi, and must only take note.
  AvahiBrowsers(std::uint64_t instance, Sink on_found, std::function<void()> on_change);
  AvahiBrowsers(const AvahiBrowsers&) = delete;
  AvahiBrowsers& operator=(const AvahiBrowsers&) = delete;

  AvahiProgress update(AvahiClient* client, const std::vector<SwarmId>& wanted, Pace& pace,
                       TimePoint now);
  // Those that are there are looked up again.
  void ask_again(const SwarmId& swarm, TimePoint now);
  void free_all();  // while the client lives
  void forget();    // freeing the client has freed all

 private:
  struct Key {  // a service
    AvahiIfIndex interface = 0;
    AvahiProtocol protocol = 0;
    std::string name;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Browser {
    AvahiBrowsers* owner = nullptr;
    SwarmId swarm;
    LocalTag tag = {};
    AvahiServiceBrowser* browser = nullptr;  // the client's
    bool failed = false;
    std::map<Key, TimePoint> seen;  // when they were looked up
  };
  struct Resolution {
    AvahiBrowsers* owner = nullptr;
    SwarmId swarm;
    std::uint64_t instance = 0;
    AvahiServiceResolver* resolver = nullptr;  // the client's
    bool done = false;
  };

  static void on_service(AvahiServiceBrowser* browser, AvahiIfIndex interface,
                         AvahiProtocol protocol, AvahiBrowserEvent event, const char* name,
                         const char* type, const char* domain, AvahiLookupResultFlags flags,
                         void* user);
  static void on_resolved(AvahiServiceResolver* resolver, AvahiIfIndex interface,
                          AvahiProtocol protocol, AvahiResolverEvent event, const char* name,
                          const char* type, const char* domain, const char* host,
                          const AvahiAddress* address, std::uint16_t port, AvahiStringList* text,
                          AvahiLookupResultFlags flags, void* user);
  void note_service(Browser& browser, const Key& key);
  void look_up(const SwarmId& swarm, const Key& key);
  bool browse(Browser& browser, AvahiClient* client);
  bool resolve_next(AvahiClient* client, TimePoint now);

  std::uint64_t instance_;
  Sink on_found_;
  std::function<void()> on_change_;
  LocalSecrets secrets_;
  std::map<SwarmId, std::unique_ptr<Browser>> browsers_;
  std::deque<std::pair<SwarmId, Key>> waiting_;
  std::list<Resolution> resolving_;
};

}  // namespace ppspp
