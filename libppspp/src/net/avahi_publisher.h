// The services that this host has at Avahi (decision 49): an entry group for each swarm, and one
// for the host name that they name.
#pragma once

#include <avahi-client/client.h>
#include <avahi-client/publish.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "discovery/dns_sd.h"
#include "discovery/pace.h"

namespace ppspp {

// How far something came; `failed` when Avahi does not answer.
enum class AvahiProgress : std::uint8_t { all, more, failed };

// Whether the last call failed since there is nobody to answer.
bool avahi_is_gone(AvahiClient* client);

class AvahiPublisher {
 public:
  // `on_change`: update() has something to do. It is called by Avahi, and must only take note.
  AvahiPublisher(std::uint64_t instance, std::function<void()> on_change);
  AvahiPublisher(const AvahiPublisher&) = delete;
  AvahiPublisher& operator=(const AvahiPublisher&) = delete;

  void set_links(const std::vector<LocalLink>& links);
  // Makes what is published what is wanted, as far as `pace` allows.
  AvahiProgress update(AvahiClient* client, const std::vector<SwarmId>& wanted, Pace& pace,
                       TimePoint now);
  void free_all();  // while the client lives
  void forget();    // freeing the client has freed all

  std::size_t published() const;

 private:
  struct Group {
    AvahiPublisher* owner = nullptr;
    AvahiEntryGroup* group = nullptr;  // the client's
    AvahiEntryGroupState state = AVAHI_ENTRY_GROUP_UNCOMMITED;
    unsigned attempt = 1;
    bool in_vain = false;  // Avahi does not want it
  };

  static void on_state(AvahiEntryGroup* group, AvahiEntryGroupState state, void* user);
  bool begin(Group& group, AvahiClient* client);
  static bool give_back(Group& group);
  static bool may_try(const Group& group);
  bool name_host(AvahiClient* client);
  bool publish(Group& group, const SwarmId& swarm, AvahiClient* client);
  bool add_service(Group& group, const SwarmId& swarm, const LocalLink& link);
  std::string host(AvahiClient* client) const;

  std::uint64_t instance_;
  std::function<void()> on_change_;
  LocalSecrets secrets_;
  std::vector<LocalLink> links_;
  bool links_changed_ = false;
  Group host_;
  std::map<SwarmId, std::unique_ptr<Group>> services_;
};

}  // namespace ppspp
