// One random swarm from its seed: faults for a while, with the safety checks on all the time; then
// none, and everybody must get everything; then all leave, and nothing may be left.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/checker.h"
#include "sim/content.h"
#include "sim/enemies.h"
#include "sim/run_options.h"
#include "sim/sim_store.h"
#include "sim/trace.h"
#include "sim/tracker.h"
#include "sim/world.h"

namespace ppspp::sim {

struct RunResult {
  int code = 0;  // 0, kWrongResult or kNoProgress
  std::string text;
  std::uint64_t digest = 0;  // of all that was sent, and when
  std::uint64_t datagrams = 0;
  double seconds = 0;               // of virtual time
  std::uint64_t certificates = 0;   // that peers were told
  std::int64_t most_allocated = 0;  // octets, of one node for one channel, by World::allocated()
};

class SwarmRun final : public Observer {
 public:
  explicit SwarmRun(const RunOptions& options);

  // Writes all that is sent to a file; null: no more. It outlives the run.
  void set_pcap(PcapFile* pcap) { pcap_ = pcap; }
  // Prints all that is sent.
  void set_text(bool text) { text_ = text; }
  RunResult run();

  void on_send(NodeId from, const TransportAddress& to,
               std::span<const std::byte> datagram) override;
  void on_receive(NodeId to, const TransportAddress& from,
                  std::span<const std::byte> datagram) override;
  void on_event(NodeId node, const Event& event) override;
  void after_turn(NodeId node) override;

 private:
  struct Membership {
    std::size_t swarm = 0;
    bool source = false;  // seeds it from the start, or publishes it
    SwarmHandle handle;
    std::shared_ptr<SimDisk> disk;
    SimStore* store = nullptr;  // the endpoint's; null while the node is away
    bool loading = false;       // store_ready() is on its way
    PickPolicy policy = PickPolicy::rarest_first;
    std::uint64_t certified_until = 0;  // seconds of the authority; 0: it has no certificate
    std::uint64_t signed_at_once = 0;   // of a source, in its run before; 0: not known
  };
  struct Node {
    std::vector<Membership> memberships;
    bool up = true;
    std::int64_t channels = 0;  // when its memory was last looked at
    std::uint64_t spins = 0;    // turns since `spins_since`
    SimTime spins_since = 0;
  };

  // swarm_run.cc
  void fail(int code, const std::string& text);
  void check_memory(NodeId node);
  NodeOptions draw_node(bool is_public);
  void build();
  void add_enemies();
  void join(NodeId node, Membership& membership);
  void certify_member(NodeId node, Membership& membership);
  const SimDisk* disk(NodeId node, std::size_t swarm) const;
  void run_feed(std::size_t swarm);
  void append(std::size_t swarm, std::uint64_t octets);
  void ask_tracker(NodeId node);
  void keep_asking(NodeId node);
  void stop_faults();
  void follow_feeds();
  void end_feeds();
  void wait_for_all();
  bool has_all(NodeId node, const Membership& membership) const;
  bool everybody_has_all() const;
  std::string who_lacks() const;
  void check_followers();
  void leave_all();

  // swarm_chaos.cc
  void chaos();
  void part();
  bool may_go(NodeId node);
  void skip_numbers();
  void note_signed_at_once();
  void crash(NodeId node);
  void damage(SimDisk& disk);
  void leave(NodeId node);
  void come_back(NodeId node);

  RunOptions options_;
  World world_;
  std::vector<std::unique_ptr<Content>> contents_;
  Checker checker_;
  std::unique_ptr<Enemies> enemies_;  // null: there are none
  StoreVerdicts verdicts_;
  Tracker tracker_;
  TraceDigest digest_;
  PcapFile* pcap_ = nullptr;
  bool text_ = false;
  std::vector<Node> nodes_;
  std::vector<std::uint64_t> fed_;  // of each feed
  unsigned restarts_ = 0;           // of the source of a feed
  bool faults_ = true;
  bool feeding_ = true;
  bool leaving_ = false;
  std::uint64_t turns_ = 0;
  std::int64_t most_allocated_ = 0;
  Failure failure_;
};

}  // namespace ppspp::sim
