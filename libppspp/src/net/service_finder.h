// DNS-SD on the networks of this host, by the system's own responder (decision 49).
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "discovery/local_discovery.h"

namespace ppspp {

class ServiceFinder {
 public:
  using Part = LocalDiscovery::Part;
  struct Handlers {
    // Not proved yet. The finder must not be destroyed by it.
    std::function<void(const LocalDiscovery::Service&)> on_found;
    std::function<void(bool)> on_running;  // whether there is a responder, when that changes
  };

  // Null where ppspp was built without. Never fails else: what is not there yet is waited for.
  // `instance` names us to others.
  static std::unique_ptr<ServiceFinder> open(boost::asio::io_context& io, std::uint64_t instance,
                                             Handlers handlers);
  static bool is_built_in();
  virtual ~ServiceFinder() = default;

  virtual void set_links(const std::vector<LocalLink>& links) = 0;
  virtual void set_part(const SwarmId& swarm, Part part) = 0;
  virtual void note_used(const SwarmId& swarm) = 0;  // of one that sleeps
  virtual void ask_again(const SwarmId& swarm) = 0;
  virtual void remove(const SwarmId& swarm) = 0;
  virtual std::size_t published() const = 0;  // services, now

 protected:
  ServiceFinder() = default;
  ServiceFinder(const ServiceFinder&) = delete;
  ServiceFinder& operator=(const ServiceFinder&) = delete;
};

}  // namespace ppspp
