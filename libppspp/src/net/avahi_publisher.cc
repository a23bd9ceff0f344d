#include "net/avahi_publisher.h"

#include <avahi-common/error.h>
#include <avahi-common/strlst.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"

namespace ppspp {
namespace {

AvahiProtocol protocol_of(const LocalLink& link) {
  return link.address.is_v4() ? AVAHI_PROTO_INET : AVAHI_PROTO_INET6;
}

AvahiAddress to_avahi(const TransportAddress& address) {
  AvahiAddress result = {};
  if (address.is_v4()) {
    result.proto = AVAHI_PROTO_INET;
    result.data.ipv4.address = big_endian(address.v4_address());
  } else {
    result.proto = AVAHI_PROTO_INET6;
    std::memcpy(result.data.ipv6.address, address.bytes().data(), address.bytes().size());
  }
  return result;
}

}  // namespace

bool avahi_is_gone(AvahiClient* client) {
  const int error = avahi_client_errno(client);
  return error == AVAHI_ERR_DBUS_ERROR || error == AVAHI_ERR_DISCONNECTED ||
         error == AVAHI_ERR_NO_DAEMON || error == AVAHI_ERR_TIMEOUT;
}

AvahiPublisher::AvahiPublisher(std::uint64_t instance, std::function<void()> on_change)
    : instance_(instance), on_change_(std::move(on_change)) {}

void AvahiPublisher::set_links(const std::vector<LocalLink>& links) {
  auto chosen = service_links(links);
  if (chosen == links_) return;
  links_ = std::move(chosen);
  links_changed_ = true;
  on_change_();
}

AvahiProgress AvahiPublisher::update(AvahiClient* client, const std::vector<SwarmId>& wanted,
                                     Pace& pace, TimePoint now) {
  if (std::exchange(links_changed_, false) || host_.state == AVAHI_ENTRY_GROUP_COLLISION) {
    const unsigned attempt = host_.attempt;
    const bool collision = host_.state == AVAHI_ENTRY_GROUP_COLLISION;
    free_all();
    host_.attempt = collision ? attempt + 1 : 1;
  }
  if (links_.empty() || host_.attempt > ServiceName::kMaxAttempt) return AvahiProgress::all;
  if (host_.group == nullptr && !name_host(client)) return AvahiProgress::failed;
  const std::unordered_set<SwarmId> keep(wanted.begin(), wanted.end());
  for (auto service = services_.begin(); service != services_.end();) {
    const bool kept = keep.contains(service->first);
    if (!kept && !pace.take(now)) return AvahiProgress::more;
    if (!kept && !give_back(*service->second) && avahi_is_gone(client)) {
      return AvahiProgress::failed;
    }
    service = kept ? std::next(service) : services_.erase(service);
  }
  for (const SwarmId& swarm : wanted) {
    auto& service = services_[swarm];
    if (service == nullptr) service = std::make_unique<Group>();
    if (!may_try(*service)) continue;
    if (!pace.take(now)) return AvahiProgress::more;
    if (!publish(*service, swarm, client)) return AvahiProgress::failed;
  }
  return AvahiProgress::all;
}

std::size_t AvahiPublisher::published() const {
  return static_cast<std::size_t>(std::count_if(
      services_.begin(), services_.end(),
      [](const auto& service) { return service.second->state == AVAHI_ENTRY_GROUP_ESTABLISHED; }));
}

// --- Entry groups

void AvahiPublisher::on_state(AvahiEntryGroup*, AvahiEntryGroupState state, void* user) {
  auto& group = *static_cast<Group*>(user);
  group.state = state;
  if (state == AVAHI_ENTRY_GROUP_COLLISION || state == AVAHI_ENTRY_GROUP_FAILURE) {
    group.owner->on_change_();
  }
}

bool AvahiPublisher::begin(Group& group, AvahiClient* client) {
  group.owner = this;
  group.state = AVAHI_ENTRY_GROUP_UNCOMMITED;
  group.group = avahi_entry_group_new(client, on_state, &group);
  return group.group != nullptr;
}

// False: Avahi did not say that it is done.
bool AvahiPublisher::give_back(Group& group) {
  const bool done = group.group == nullptr || avahi_entry_group_free(group.group) == AVAHI_OK;
  group.group = nullptr;
  group.state = AVAHI_ENTRY_GROUP_UNCOMMITED;
  return done;
}

// False: it is there, or was tried enough. Somebody may want to take our names away from us.
bool AvahiPublisher::may_try(const Group& group) {
  if (group.in_vain || group.state == AVAHI_ENTRY_GROUP_FAILURE) return false;
  if (group.state != AVAHI_ENTRY_GROUP_COLLISION) return group.group == nullptr;
  return group.attempt < ServiceName::kMaxAttempt;
}

void AvahiPublisher::free_all() {
  for (auto& service : services_) give_back(*service.second);
  services_.clear();
  give_back(host_);
  host_ = Group{};
}

void AvahiPublisher::forget() {
  services_.clear();
  host_ = Group{};
}

// --- What they say

std::string AvahiPublisher::host(AvahiClient* client) const {
  const char* const domain = avahi_client_get_domain_name(client);
  return write_service_host(instance_, host_.attempt) + "." +
         (domain != nullptr ? domain : "local");
}

// False: there is nobody to answer. What Avahi does not want is not asked for again.
bool AvahiPublisher::name_host(AvahiClient* client) {
  if (!begin(host_, client)) return !avahi_is_gone(client);
  const std::string name = host(client);
  for (const LocalLink& link : links_) {
    const AvahiAddress address = to_avahi(link.address);
    const int error = avahi_entry_group_add_address(
        host_.group, static_cast<AvahiIfIndex>(link.interface), protocol_of(link),
        AVAHI_PUBLISH_NO_REVERSE, name.c_str(), &address);
    if (error != AVAHI_OK) log(LogLevel::debug, "Avahi: {}: {}", name, avahi_strerror(error));
    if (error != AVAHI_OK && avahi_is_gone(client)) return false;
  }
  return avahi_entry_group_commit(host_.group) == AVAHI_OK || !avahi_is_gone(client);
}

bool AvahiPublisher::publish(Group& group, const SwarmId& swarm, AvahiClient* client) {
  if (group.state == AVAHI_ENTRY_GROUP_COLLISION) ++group.attempt;
  if (!give_back(group) && avahi_is_gone(client)) return false;
  bool added = false;
  if (begin(group, client)) {
    for (const LocalLink& link : links_) {
      const bool done = add_service(group, swarm, link);
      if (!done && avahi_is_gone(client)) return false;
      added = added || done;
    }
  }
  if (added && avahi_entry_group_commit(group.group) == AVAHI_OK) return true;
  log(LogLevel::debug, "Avahi: a service is not published: {}",
      avahi_strerror(avahi_client_errno(client)));
  group.in_vain = true;
  return !avahi_is_gone(client);
}

bool AvahiPublisher::add_service(Group& group, const SwarmId& swarm, const LocalLink& link) {
  const LocalTag tag = secrets_.tag(swarm);
  const LocalProof proof = secrets_.service_proof(swarm, instance_, link.address);
  const std::string name = write_service_name({instance_, tag, group.attempt});
  const auto interface = static_cast<AvahiIfIndex>(link.interface);
  constexpr auto kNoFlags = static_cast<AvahiPublishFlags>(0);
  AvahiStringList* const text = avahi_string_list_add_pair_arbitrary(
      nullptr, kServiceProofKey, reinterpret_cast<const std::uint8_t*>(proof.data()), proof.size());
  int error = avahi_entry_group_add_service_strlst(
      group.group, interface, protocol_of(link), kNoFlags, name.c_str(), kServiceType, nullptr,
      host(avahi_entry_group_get_client(group.group)).c_str(), link.address.port(), text);
  avahi_string_list_free(text);
  if (error == AVAHI_OK) {
    error = avahi_entry_group_add_service_subtype(group.group, interface, protocol_of(link),
                                                  kNoFlags, name.c_str(), kServiceType, nullptr,
                                                  write_service_subtype(tag).c_str());
  }
  return error == AVAHI_OK;
}

}  // namespace ppspp
