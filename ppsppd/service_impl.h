// What stands behind Service. The public class is its face; its functions are in service_*.cc, by
// topic.
#pragma once

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "catalogue.h"
#include "event_hub.h"
#include "file_watch.h"
#include "net/background.h"
#include "rate_average.h"
#include "service.h"
#include "state_directory.h"

namespace ppspp::daemon {

class LiveFeeder;
struct BundleSummary;

// Names of settings in the catalogue.
inline constexpr const char* kUploadedSetting = "uploaded";
inline constexpr const char* kDownloadedSetting = "downloaded";
inline constexpr const char* kLimitsSetting = "limits";

inline constexpr std::size_t kMostPeers = 100;  // of one swarm that were named to us

// One swarm of the daemon. Sleeping ones are many: nothing here has a timer or a descriptor.
struct SwarmEntry {
  SwarmRecord record;
  control::SwarmState state = control::SwarmState::paused;
  bool on_demand = false;                      // joined for the gateway: not in the catalogue
  bool removing = false;                       // its removal is on its way to the disk
  bool hashing = false;                        // it waits to be hashed, or is
  std::shared_ptr<std::atomic<bool>> give_up;  // set it to end the hashing
  bool hosted = false;                         // `swarm` is one that sleeps when nobody wants it
  bool length_known = true;                    // else it is looked at once it is
  std::optional<Swarm> swarm;
  std::unique_ptr<LiveFeeder> feeder;  // of a feed
  std::uint64_t life = 0;              // of `swarm`: handlers of an earlier one are not for us
  std::uint64_t hashed = 0;            // octets, while hashing
  std::string warning;                 // shown as its error, though it goes on
  std::size_t readers = 0;             // of the gateway
  std::size_t channels = 0;            // when it was measured last
  std::chrono::steady_clock::time_point idle_since;  // no channels, or no readers on demand
  // What status() said last: what is more by now has not been counted yet.
  Totals counted;
  RateAverage upload_rate, download_rate;
  // Its share of a day, as it will be written.
  std::string day;
  Totals of_day;
};

class Service::Impl {
 public:
  using Entry = SwarmEntry;
  using Number = std::uint64_t;

  Impl(asio::io_context& io, const Config& config, StateDirectory state,
       std::unique_ptr<Catalogue> catalogue, Node node);
  ~Impl();

  // --- service_start.cc
  void load(CatalogueContent content);
  void stop(std::function<void()> done);

  // --- service_add.cc
  void add(control::AddRequest request, Done<SwarmInfo> done);
  void remove(const std::string& ref, bool delete_content, Done<void> done);
  void pause(const std::string& ref, Done<SwarmInfo> done);
  void resume(const std::string& ref, Done<SwarmInfo> done);
  void change(const std::string& ref, control::ChangeRequest change, Done<SwarmInfo> done);
  void add_peer(const std::string& ref, const std::string& address, Done<void> done);

  // --- service_info.cc
  Result<SwarmInfo> info(const std::string& ref) const;
  SwarmInfo describe(const Entry& entry) const;
  std::string url_for_others(const SwarmRecord& record) const;
  control::SwarmPage list(const control::SwarmQuery& query) const;
  Result<std::vector<control::PeerInfo>> peers(const std::string& ref) const;
  Result<control::Availability> availability(const std::string& ref, std::size_t buckets) const;
  control::DaemonInfo daemon_info() const;
  Snapshot snapshot() const;

  // --- service_limits.cc
  control::GlobalLimits limits() const;
  void set_limits(const control::LimitsChange& change, Done<control::GlobalLimits> done);
  std::vector<control::BanInfo> bans() const;
  void ban(const control::BanRequest& request, Done<control::BanInfo> done);
  void unban(const std::string& network, Done<void> done);
  void reload(const Config& config);

  // --- service_demand.cc
  Result<Content> open(const SwarmUrl& url);
  void note_readers(const SwarmId& id, int change);
  std::vector<Listed> listed(std::size_t limit) const;

  void accounts(control::AccountQuery query, Done<control::AccountPage> done) {
    write_totals();  // those of the last seconds as well
    catalogue_->accounts(std::move(query), std::move(done));
  }
  EventHub& events() { return events_; }
  void set_gateway_address(std::string url) { gateway_ = std::move(url); }

 private:
  friend class LiveFeeder;

  // --- service_swarms.cc: how swarms begin and end, and what the node says of them
  Entry* find(Number number) const;
  Result<Entry*> resolve(const std::string& ref);
  Result<const Entry*> resolve(const std::string& ref) const;
  Entry* find_id(const std::string& id) const;
  Entry& insert(SwarmRecord record);  // into the tables, in state `paused`
  void erase(Number number);          // out of them
  void begin(Entry& entry);           // as its record says
  Result<void> begin_download(Entry& entry, bool force);
  std::filesystem::path content_path(const SwarmRecord& record) const;  // of what is hashed
  Result<void> begin_hosting(Entry& entry);
  Result<void> begin_following(Entry& entry);
  void began(Entry& entry, Swarm swarm, control::SwarmState state);
  void end(Entry& entry);  // leaves; the record stays
  void set_state(Entry& entry, control::SwarmState state);
  void set_id(Entry& entry, const SwarmUrl& url);
  void fail_entry(Entry& entry, const Error& error);
  void on_complete(Entry& entry);
  void host_when_idle(Entry& entry);
  void wait_for_opening(Entry& entry);
  // A handler for the swarm that the entry has now.
  template <typename... Args, typename Function>
  auto while_it_lives(const Entry& entry, Function function);

  // --- service_add.cc
  Result<Entry*> add_file(const control::AddRequest& request);
  Result<Entry*> add_url(const control::AddRequest& request);
  Result<Entry*> add_live(const control::AddRequest& request);
  Result<std::filesystem::path> output_for(const control::AddUrl& request, const SwarmUrl& url);
  void delete_files(const SwarmRecord& record, bool content_too);
  void save_change(Entry& entry, SwarmRecord before, Done<SwarmInfo> done);
  Result<Entry*> resolve_kept(const std::string& ref);  // not what is here for the gateway only
  template <typename T>
  void refuse(const Error& error, Done<T> done) {
    asio::post(io_, [done = std::move(done), error] { done(tl::unexpected(error)); });
  }

  // --- service_hash.cc
  void queue_hashing(Entry& entry);
  void stop_hashing(Entry& entry);
  void hash_next();
  void hashing_ended(const std::string& path);
  void hash(Entry& entry);
  void hash_file(Entry& entry);
  void bundle(Entry& entry);
  void take_bundle(Entry& entry, const Result<BundleSummary>& built);
  Result<SwarmUrl> how_to_hash(const Entry& entry) const;
  void hashed(Number number, std::uint64_t life, Result<Swarm> swarm);
  void take_hashed(Entry& entry, const SwarmUrl& url, const std::optional<FileStamp>& stamp);

  // --- service_start.cc
  Number take_number();
  Number take_passing_number();
  void save(Entry& entry, Catalogue::Done done = {});
  void remove_strays(const std::vector<SwarmRecord>& swarms);

  // --- service_totals.cc: once a second, what is awake
  void start_ticking();
  void tick();
  void measure(Entry& entry, std::chrono::steady_clock::time_point now);
  void count(Entry& entry, const SwarmStatus& status);
  Totals totals_now() const;
  TotalsUpdate totals_update(const Entry& entry) const;
  void write_totals();
  void tell_disk_trouble(const Error& error);
  void check_files();
  void file_seen(const FileWatch::Finding& finding);
  void warn(Entry& entry, std::string warning);
  void open_scheduled();

  // --- service_demand.cc
  Result<void> may_join_on_demand(const SwarmUrl& url) const;
  void drop_idle_on_demand(std::chrono::steady_clock::time_point now);

  // --- service_limits.cc
  Result<void> room_for_one_more() const;
  Result<void> room_in_memory(std::uint64_t window) const;  // for one more live swarm
  Result<void> room_on_disk(const std::filesystem::path& path, std::uint64_t octets) const;
  // For a download into the state directory, `but` those of one that is counted already.
  Result<void> room_in_state(std::uint64_t octets, const Entry* but = nullptr) const;
  bool is_in_state(const SwarmRecord& record) const;
  Result<void> room_for_download(const SwarmRecord& record,
                                 const std::optional<std::uint64_t>& length) const;
  void load_limits(const std::string& text);
  void load_bans(std::vector<BanRecord> bans);
  void apply_limits();
  void apply_ban(const BanRecord& ban);
  void drop_expired_bans();

  asio::io_context& io_;
  Config config_;
  StateDirectory state_;
  std::string content_prefix_;  // of paths of downloads that were given none
  std::unique_ptr<Catalogue> catalogue_;
  std::optional<Node> node_;
  EventHub events_;
  asio::steady_timer ticker_;
  std::int64_t started_at_ = 0;
  std::string gateway_;
  bool stopping_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  std::map<Number, std::unique_ptr<Entry>> entries_;
  std::map<std::string, Number> by_id_;              // hex, in order: for prefixes
  std::unordered_map<std::string, Number> by_path_;  // of content on the disk
  std::map<control::SwarmKind, std::map<control::SwarmState, std::size_t>> counts_;
  std::set<Number> on_demand_;
  std::multimap<std::int64_t, Number> openings_;  // when what is scheduled opens
  std::deque<Number> to_hash_;
  std::size_t hashing_ = 0;
  std::set<std::string> hashing_paths_;
  Number next_number_ = 1;
  Number reserved_ = 1;  // numbers below it are kept as used

  std::set<Number> awake_;    // that were measured last time
  std::set<Number> dirty_;    // totals that are not written yet
  std::set<Number> unsaved_;  // records that the disk refused: tried again with the totals
  Totals since_tick_;
  bool told_disk_trouble_ = false;
  std::vector<TotalsUpdate> finished_days_;
  Totals all_time_;
  RateAverage upload_rate_, download_rate_;
  std::chrono::steady_clock::time_point next_write_, next_check_;
  std::unique_ptr<FileWatch> watch_;
  Background background_;  // makes bundles

  std::optional<control::GlobalLimits> api_limits_;
  std::optional<control::GlobalLimits> applied_limits_;  // to the node
  std::map<std::string, BanRecord> bans_;
};

}  // namespace ppspp::daemon
