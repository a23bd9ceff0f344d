#include "net/avahi_browsers.h"

#include <avahi-common/error.h>
#include <avahi-common/strlst.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"

namespace ppspp {
namespace {

TransportAddress from_avahi(const AvahiAddress& address, std::uint16_t port,
                            AvahiIfIndex interface) {
  if (address.proto == AVAHI_PROTO_INET) {
    return TransportAddress::v4(big_endian(address.data.ipv4.address), port);
  }
  std::array<std::uint8_t, 16> bytes;
  std::memcpy(bytes.data(), address.data.ipv6.address, bytes.size());
  const bool link_local = bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
  return TransportAddress::v6(bytes, port, link_local ? static_cast<std::uint32_t>(interface) : 0);
}

// Of the first strings only, as there may be any number.
std::optional<LocalProof> find_proof(AvahiStringList* text) {
  for (int i = 0; text != nullptr && i < 16; ++i, text = avahi_string_list_get_next(text)) {
    const std::span octets(avahi_string_list_get_text(text), avahi_string_list_get_size(text));
    if (const auto proof = read_service_text(std::as_bytes(octets))) return proof;
  }
  return std::nullopt;
}

}  // namespace

AvahiBrowsers::AvahiBrowsers(std::uint64_t instance, Sink on_found, std::function<void()> on_change)
    : instance_(instance), on_found_(std::move(on_found)), on_change_(std::move(on_change)) {}

AvahiProgress AvahiBrowsers::update(AvahiClient* client, const std::vector<SwarmId>& wanted,
                                    Pace& pace, TimePoint now) {
  const std::unordered_set<SwarmId> keep(wanted.begin(), wanted.end());
  bool gone = false;  // what is left is freed with the client
  std::erase_if(browsers_, [&](auto& entry) {
    Browser& browser = *entry.second;
    const bool kept = keep.contains(entry.first) && !browser.failed;
    if (!kept && !gone && browser.browser != nullptr) {
      gone = avahi_service_browser_free(browser.browser) != AVAHI_OK && avahi_is_gone(client);
    }
    return !kept;
  });
  std::erase_if(resolving_, [&](const Resolution& resolution) {
    if (resolution.done && !gone) {
      gone = avahi_service_resolver_free(resolution.resolver) != AVAHI_OK && avahi_is_gone(client);
    }
    return resolution.done;
  });
  if (gone) return AvahiProgress::failed;
  while (!waiting_.empty() && resolving_.size() < kMaxResolving) {
    if (!resolve_next(client, now)) return AvahiProgress::failed;
  }
  for (const SwarmId& swarm : wanted) {
    if (browsers_.contains(swarm)) continue;
    if (!pace.take(now)) return AvahiProgress::more;
    auto& browser = *(browsers_[swarm] = std::make_unique<Browser>());
    browser.owner = this;
    browser.swarm = swarm;
    browser.tag = secrets_.tag(swarm);
    if (!browse(browser, client)) return AvahiProgress::failed;
  }
  return AvahiProgress::all;
}

void AvahiBrowsers::free_all() {
  for (auto& [swarm, browser] : browsers_) {
    if (browser->browser != nullptr) avahi_service_browser_free(browser->browser);
  }
  for (Resolution& resolution : resolving_) avahi_service_resolver_free(resolution.resolver);
  forget();
}

void AvahiBrowsers::forget() {
  browsers_.clear();
  resolving_.clear();
  waiting_.clear();
}

// --- Browsers

// False: there is nobody to answer.
bool AvahiBrowsers::browse(Browser& browser, AvahiClient* client) {
  browser.browser = avahi_service_browser_new(client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC,
                                              write_service_subtype(browser.tag).c_str(), nullptr,
                                              AVAHI_LOOKUP_USE_MULTICAST, on_service, &browser);
  if (browser.browser != nullptr) return true;
  log(LogLevel::debug, "Avahi: a swarm is not looked for: {}",
      avahi_strerror(avahi_client_errno(client)));
  return !avahi_is_gone(client);
}

void AvahiBrowsers::on_service(AvahiServiceBrowser*, AvahiIfIndex interface, AvahiProtocol protocol,
                               AvahiBrowserEvent event, const char* name, const char*, const char*,
                               AvahiLookupResultFlags, void* user) {
  auto& browser = *static_cast<Browser*>(user);
  if (event == AVAHI_BROWSER_NEW && name != nullptr) {
    browser.owner->note_service(browser, {interface, protocol, name});
  } else if (event == AVAHI_BROWSER_REMOVE && name != nullptr) {
    browser.seen.erase({interface, protocol, name});
  } else if (event == AVAHI_BROWSER_FAILURE) {
    browser.failed = true;
    browser.owner->on_change_();
  }
}

void AvahiBrowsers::note_service(Browser& browser, const Key& key) {
  const auto name = read_service_name(key.name);
  if (!name || name->tag != browser.tag || name->instance == instance_) return;
  if (browser.seen.size() >= kMaxSeen) return;
  if (browser.seen.try_emplace(key, TimePoint::min()).second) look_up(browser.swarm, key);
}

void AvahiBrowsers::ask_again(const SwarmId& swarm, TimePoint now) {
  const auto browser = browsers_.find(swarm);
  if (browser == browsers_.end()) return;
  for (auto& [key, at] : browser->second->seen) {
    if (at != TimePoint::min() && now - at >= LocalDiscovery::kFoundAgain) {
      at = TimePoint::min();
      look_up(swarm, key);
    }
  }
}

void AvahiBrowsers::look_up(const SwarmId& swarm, const Key& key) {
  if (waiting_.size() >= kMaxWaiting) return;
  waiting_.emplace_back(swarm, key);
  on_change_();
}

// --- Resolvers

// False: there is nobody to answer.
bool AvahiBrowsers::resolve_next(AvahiClient* client, TimePoint now) {
  const auto [swarm, key] = std::move(waiting_.front());
  waiting_.pop_front();
  const auto browser = browsers_.find(swarm);
  if (browser == browsers_.end()) return true;
  const auto seen = browser->second->seen.find(key);
  const auto name = read_service_name(key.name);
  if (seen == browser->second->seen.end() || !name) return true;  // it is gone
  seen->second = now;
  Resolution& resolution = resolving_.emplace_back(Resolution{this, swarm, name->instance});
  resolution.resolver = avahi_service_resolver_new(
      client, key.interface, key.protocol, key.name.c_str(), kServiceType, nullptr, key.protocol,
      AVAHI_LOOKUP_USE_MULTICAST, on_resolved, &resolution);
  if (resolution.resolver != nullptr) return true;
  resolving_.pop_back();
  return !avahi_is_gone(client);
}

void AvahiBrowsers::on_resolved(AvahiServiceResolver*, AvahiIfIndex interface, AvahiProtocol,
                                AvahiResolverEvent event, const char*, const char*, const char*,
                                const char*, const AvahiAddress* address, std::uint16_t port,
                                AvahiStringList* text, AvahiLookupResultFlags, void* user) {
  auto& resolution = *static_cast<Resolution*>(user);
  if (std::exchange(resolution.done, true)) return;
  resolution.owner->on_change_();
  if (event != AVAHI_RESOLVER_FOUND || address == nullptr) return;
  const auto proof = find_proof(text);
  if (!proof) return;
  resolution.owner->on_found_({resolution.swarm, resolution.instance, *proof,
                               from_avahi(*address, port, interface),
                               static_cast<std::uint32_t>(interface)});
}

}  // namespace ppspp
