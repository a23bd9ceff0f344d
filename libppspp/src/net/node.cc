// The public handles: thin faces of ActiveNode and ActiveSwarm.
#include <fmt/format.h>

#include <utility>

#include "net/active_node.h"
#include "net/clock.h"
#include "net/service_finder.h"
#include "ppspp/ppspp.h"

namespace ppspp {
namespace {

// Sending gains more by a thread of its own than receiving, as the hashes are what a receiver waits
// for.
UdpOptions with_lanes(unsigned threads) {
  UdpOptions udp;
  udp.send_lane = threads >= 2;
  udp.receive_lane = threads >= 3;
  return udp;
}

}  // namespace

ContentReader::ContentReader(std::unique_ptr<ActiveReader> reader) : reader_(std::move(reader)) {}
ContentReader::~ContentReader() = default;

ContentReader::executor_type ContentReader::get_executor() const noexcept {
  return reader_->swarm().io().get_executor();
}

Result<void> ContentReader::seek(std::uint64_t offset) {
  return reader_->seek(offset);
}

std::uint64_t ContentReader::position() const {
  return reader_->position();
}

void ContentReader::start_read(asio::mutable_buffer buffer, ReadDone done) {
  reader_->start_read(buffer, std::move(done));
}

const SwarmUrl& Swarm::url() const {
  return swarm_->url();
}
bool Swarm::left() const {
  return swarm_->left();
}
SwarmStatus Swarm::status() const {
  return swarm_->status();
}
std::vector<ChannelStatus> Swarm::channels() const {
  return swarm_->channels();
}
ContentReader& Swarm::reader() {
  return swarm_->reader();
}
std::shared_ptr<ContentReader> Swarm::open_reader(const ReaderOptions& options) {
  return swarm_->open_reader(options);
}
std::size_t Swarm::readers() const {
  return swarm_->reader_count();
}
void Swarm::set_limits(const SwarmLimits& limits) {
  swarm_->set_limits(limits);
}
SwarmLimits Swarm::limits() const {
  return swarm_->limits();
}
bool Swarm::sleeping() const {
  return swarm_->sleeping();
}
std::optional<FileStamp> Swarm::file_stamp() const {
  return swarm_->file_stamp();
}
std::vector<std::uint8_t> Swarm::availability(std::size_t buckets) const {
  return swarm_->availability(buckets);
}
std::vector<TrackerStatus> Swarm::trackers() const {
  return swarm_->trackers();
}
void Swarm::add_peer(const TransportAddress& peer, PeerSource source) {
  swarm_->add_peer(peer, source);
}
Result<void> Swarm::add_peer(std::string_view peer) {
  return swarm_->add_peer(peer);
}
void Swarm::on_first_byte(std::function<void()> handler) {
  swarm_->on_first_byte(std::move(handler));
}
void Swarm::on_complete(std::function<void()> handler) {
  swarm_->on_complete(std::move(handler));
}
void Swarm::on_error(std::function<void(const Error&)> handler) {
  swarm_->on_error(std::move(handler));
}
void Swarm::leave() {
  swarm_->leave();
}

Result<Node> Node::open(asio::io_context& io, const NodeOptions& options) {
  if (options.discovery.local && options.discovery.local_means == LocalMeans::dns_sd &&
      !ServiceFinder::is_built_in()) {
    return fail(Errc::invalid_argument, "ppspp was built without DNS-SD (libavahi-client)");
  }
  if (options.threads > kMaxThreads) {
    return fail(Errc::invalid_argument,
                fmt::format("{} threads are too many: at most {}", options.threads, kMaxThreads));
  }
  const UdpOptions udp = with_lanes(ActiveNode::threads_to_use(options.threads));
  auto port = options.sockets.empty() ? UdpPort::open(io, options.listen, udp)
                                      : UdpPort::adopt(io, options.sockets, udp);
  if (!port) return tl::unexpected(port.error());
  auto node = std::make_shared<ActiveNode>(io, *std::move(port), options);
  const auto configured = node->trackers().configure(options.trackers, options.tracker_ca);
  if (!configured) return tl::unexpected(configured.error());
  return Node(std::move(node));
}

Node::Node(std::shared_ptr<ActiveNode> node) : node_(std::move(node)) {}
Node::~Node() = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(Node&&) noexcept = default;

std::vector<TransportAddress> Node::local_addresses() const {
  return node_->driver().port().local_addresses();
}

const EndpointCounters& Node::counters() const {
  return node_->driver().endpoint().counters();
}

void Node::set_limits(std::optional<std::uint64_t> upload, std::optional<std::uint64_t> download) {
  node_->set_limits(upload, download);
}

void Node::set_peer_limits(const RateLimits& limits) {
  node_->driver().endpoint().set_peer_limits(limits, read_clocks());
  node_->driver().kick();
}
void Node::set_address_rules(AddressRules rules) {
  node_->driver().endpoint().set_address_rules(std::move(rules), read_clocks());
  node_->driver().kick();
}
void Node::ban(const Network& network, std::optional<Microseconds> duration) {
  node_->driver().endpoint().ban(network, duration, read_clocks());
  node_->driver().kick();
}
bool Node::unban(const Network& network) {
  return node_->driver().endpoint().unban(network);
}
std::vector<Ban> Node::bans() const {
  return node_->driver().endpoint().bans(read_clocks());
}
NodeStatistics Node::statistics() const {
  return node_->statistics();
}
std::vector<TrackerStatus> Node::trackers() const {
  return node_->trackers().status();
}
std::optional<Swarm> Node::find(const SwarmId& id) const {
  return node_->find(id);
}
std::vector<Swarm> Node::awake() const {
  return node_->awake();
}
Result<Swarm> Node::host(const HostedFile& file) {
  return node_->host(file);
}

void Swarm::on_skipped(std::function<void(const event::Skipped&)> handler) {
  swarm_->on_skipped(std::move(handler));
}
void Swarm::on_delivered(std::function<void()> handler) {
  swarm_->on_delivered(std::move(handler));
}

Result<void> LiveFeed::append(asio::const_buffer content) {
  return swarm_->append(content);
}
void LiveFeed::end() {
  swarm_->end_feed();
}
void LiveFeed::on_delivered(std::function<void()> handler) {
  swarm_->on_delivered(std::move(handler));
}

Result<LiveFeed> Node::feed(SigningKey key, const FeedOptions& options) {
  return node_->feed(std::move(key), options);
}

Result<Swarm> Node::join(const SwarmUrl& url, const JoinOptions& options) {
  return node_->join(url, options);
}

asio::io_context::executor_type Node::executor() const {
  return node_->io().get_executor();
}

void Node::start_seed(std::filesystem::path file, SeedOptions options, SeedDone done) {
  node_->seed(std::move(file), std::move(options), std::move(done));
}

void Node::start_seed_recording(const LiveFeed& feed, SeedDone done) {
  node_->seed_recording(*feed.swarm_, std::move(done));
}

}  // namespace ppspp
