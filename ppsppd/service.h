// The swarms of the daemon, and everything that the control API, the gateway and the metrics ask of
// them. One thread: that of the io_context, from which every handler is called as well.
//
// What changes the state is done when it is on the disk: a `Done` is called from the io_context
// after the catalogue has committed, and a crash at any moment loses nothing that was told so.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config.h"
#include "control/control_types.h"
#include "gateway/content_source.h"
#include "ppspp/ppspp.h"

namespace ppspp::daemon {

// For metrics. Totals are of all time, swarms that were removed included.
struct Snapshot {
  NodeStatistics node;
  std::map<control::SwarmKind, std::map<control::SwarmState, std::size_t>> swarms;
  std::size_t sleeping = 0;
  std::size_t readers = 0;
  std::uint64_t uploaded = 0;  // content octets
  std::uint64_t downloaded = 0;
  std::uint64_t upload_rate = 0;  // octets per second, over the last seconds
  std::uint64_t download_rate = 0;
  std::uint64_t catalogue_commits = 0;
  std::uint64_t catalogue_failures = 0;  // transactions that the disk refused
  std::int64_t started_at = 0;           // seconds since 1970
};

class Service : public ContentSource {
 public:
  template <typename T>
  using Done = std::function<void(Result<T>)>;
  using SwarmInfo = control::SwarmInfo;

  // Opens the state directory and the port, and registers every swarm of the catalogue; nothing is
  // hashed. `udp_sockets` are bound sockets handed over instead of the configured addresses, owned
  // by the service from the call on. Errors: another daemon uses the state directory, it cannot be
  // written, the port is in use.
  static Result<std::unique_ptr<Service>> start(asio::io_context& io, const Config& config,
                                                std::vector<int> udp_sockets);
  ~Service() override;  // as stop(), but waits

  // --- Swarms. `ref` is the number, the ID, or a prefix of the ID of at least six digits that fits
  // one swarm only. Errors: not_found, invalid_argument, exists, not_supported, no_space.

  void add(control::AddRequest request, Done<SwarmInfo> done);
  // `delete_content` also deletes what the daemon itself has fetched; never a file that was there.
  void remove(std::string ref, bool delete_content, Done<void> done);
  void pause(std::string ref, Done<SwarmInfo> done);
  void resume(std::string ref, Done<SwarmInfo> done);  // also what has failed
  void change(std::string ref, control::ChangeRequest change, Done<SwarmInfo> done);
  void add_peer(std::string ref, std::string address, Done<void> done);  // HOST:PORT

  Result<SwarmInfo> info(const std::string& ref) const;
  control::SwarmPage list(const control::SwarmQuery& query) const;
  Result<std::vector<control::PeerInfo>> peers(const std::string& ref) const;
  Result<control::Availability> availability(const std::string& ref, std::size_t buckets) const;

  // --- The whole daemon.

  control::GlobalLimits limits() const;
  // What is set here is kept, and holds until the limits of the configuration are changed; while a
  // schedule entry is in force, its limits stand in their place.
  void set_limits(control::LimitsChange change, Done<control::GlobalLimits> done);
  std::vector<control::BanInfo> bans() const;
  void ban(control::BanRequest request, Done<control::BanInfo> done);
  void unban(std::string network, Done<void> done);
  void accounts(control::AccountQuery query, Done<control::AccountPage> done) const;
  control::DaemonInfo daemon_info() const;
  Snapshot snapshot() const;

  // The gateway's address for daemon_info(), told by who opens it; empty: none.
  void set_gateway_address(std::string url);

  // Called for every event, never from within a call of this class. `changed` comes at most twice a
  // second for one swarm.
  unsigned subscribe(std::function<void(const control::Event&)> handler);
  void unsubscribe(unsigned subscription);

  // Limits, schedule, access rules and gateway settings of a new configuration; no channel is
  // dropped but those that the access rules forbid. What needs a restart stays as it is.
  void reload(const Config& config);
  // Closes every swarm and writes the totals; then `done`, once. Nothing else may be asked then.
  void stop(std::function<void()> done);

  // --- ContentSource

  Result<Content> open(const SwarmUrl& url) override;
  void note_readers(const SwarmId& id, int change) override;
  std::vector<Listed> list(std::size_t limit) const override;

  class Impl;

 private:
  explicit Service(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppspp::daemon
