// ppspp.h: join swarms, read their content, seed files and publish live feeds (RFC 7574).
//
// A Node is one UDP port with any number of swarms. Nothing blocks and nothing is locked: use a
// Node, and what it hands out, only from the thread that runs its io_context, which outlives it.
// Handles are weak: to drop one changes nothing, and after leave(), or once the Node is gone,
// operations do nothing or say that the swarm was left. Handlers are called from the io_context,
// never from within a function of this library, and may destroy anything.
#pragma once

#include <atomic>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ppspp/address_rules.h"
#include "ppspp/detail/completion.h"
#include "ppspp/endpoint.h"
#include "ppspp/file_stamp.h"
#include "ppspp/key_file.h"
#include "ppspp/local_means.h"
#include "ppspp/node_statistics.h"
#include "ppspp/result.h"
#include "ppspp/swarm_url.h"
#include "ppspp/thread_count.h"
#include "ppspp/tracker_status.h"
#include "ppspp/transport_address.h"

namespace ppspp {

namespace asio = boost::asio;
using boost::system::error_code;

class ActiveNode;
class ActiveReader;
class ActiveSwarm;

// A namespace of its own, which nobody needs to write: the protocol's core has a Swarm as well, and
// to the linker the two must not look alike.
inline namespace node {

// How peers are found besides those that are named.
struct DiscoveryOptions {
  // On the networks that this host is on.
  bool local = true;
  LocalMeans local_means = LocalMeans::any;
  // By other peers (RFC 7574, section 3.10): in private networks, and elsewhere with certificates
  // where the swarm's URL names an authority.
  bool pex = true;
  // Bare addresses are told to and believed of peers on the Internet, too, who may lie.
  bool pex_on_internet = false;
};

struct NodeOptions {
  // At most one address of each IP version; [::] alone means both. Empty: [::]:6778.
  std::vector<TransportAddress> listen;
  std::optional<std::uint64_t> upload_limit;    // octets per second
  std::optional<std::uint64_t> download_limit;  // octets per second
  std::size_t max_channels = 200;               // over all swarms
  std::size_t max_channels_per_swarm = 0;       // 0: max_channels is the only limit
  std::size_t max_half_open = EndpointOptions{}.max_half_open;
  std::uint64_t max_queued_chunks_per_peer = EndpointOptions{}.max_queued_chunks_per_peer;
  RateLimits per_peer;  // of each channel, where its swarm says nothing else
  AddressRules rules;   // whom we talk to
  DiscoveryOptions discovery;
  // Bound UDP sockets that a service manager hands over, at most one of each IP version, instead of
  // `listen`. They are the node's from the call of open() on, also if that fails.
  std::vector<int> sockets;
  // URLs of trackers (RFC 7846) to which all swarms are announced, besides those of their URLs.
  std::vector<std::string> trackers = {};
  // A PEM file of certificates that trackers with https may have, besides what the system trusts.
  std::filesystem::path tracker_ca = {};
  // A hosted file that nobody asked for so long sleeps again.
  std::chrono::milliseconds sleep_after = std::chrono::minutes(1);
  // How many threads move content, that of the io_context included: 1: everything in that one (the
  // hashing of whole files has one of its own); from 2 on, much is sent on a thread of its own,
  // from 3 on received too; 0: 1 on less than four processors, else half of them, at most 4, and
  // all of them hash files. Handlers run in the io_context with any number. At most kMaxThreads.
  unsigned threads = 0;
};

// Octets done and octets in all, a few times a second.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct JoinOptions {
  // A download goes on where it stopped. Empty: into a temporary file without a name, for a reader.
  std::filesystem::path output;
  bool force = false;  // `output` may be overwritten though it is not this swarm's
  PickPolicy policy = PickPolicy::rarest_first;
  bool allow_unprotected = false;  // integrity `none` with peers outside private networks
  Progress check_progress;         // while an interrupted download is checked
  // For a live swarm. Its content goes to the reader, never to a file: `output` stays empty.
  LiveSettings live = {};
  SwarmLimits limits = {};
  // Static content with an `output`: when it is complete, its hash tree is kept in this file, so
  // that Node::host can serve it later without hashing it again. Written whole or not at all,
  // before on_complete; what was there is replaced. A tree that cannot be written is a warning in
  // the log.
  std::filesystem::path keep_tree = {};
};

// How a live feed is published.
struct FeedOptions {
  // How to cut, hash and sign it; the ID is the key's. Without chunks_per_signature it is chosen
  // from the rate of the input: one signature for about 60 ms.
  SwarmMetadata metadata;
  std::string display_name;
  LiveSourceSettings live = {};
  // Keep the whole feed in this file (and then discard_window is kKeepAll, first_chunk 0). Empty:
  // the window only, in memory.
  std::filesystem::path record;
  bool force = false;  // `record` may be overwritten
  // Where the numbers of the chunks are kept beyond this run, so that the feed can go on later
  // (key_file.h); live.first_chunk is its first(). Absent: this key is used once.
  std::shared_ptr<FeedNumbers> numbers;
  SwarmLimits limits = {};
  std::vector<std::string> trackers = {};  // as in SwarmUrl
};

struct SeedOptions {
  SwarmMetadata metadata;    // how to cut and hash; ID and length are found out
  std::string display_name;  // empty: the file's name
  bool allow_unprotected = false;
  Progress progress;
  SwarmLimits limits = {};
  std::filesystem::path keep_tree = {};    // as in JoinOptions; an error if it cannot be written
  std::vector<std::string> trackers = {};  // as in SwarmUrl
  // Set it, from any thread, to give up the hashing: the error is then Errc::left. The node sets it
  // when it goes.
  std::shared_ptr<std::atomic<bool>> cancel = {};
};

// A file that was hashed before, with the tree that was kept then (keep_tree).
struct HostedFile {
  SwarmUrl url;  // with content_length
  std::filesystem::path file;
  std::filesystem::path tree;
  // Swarm::file_stamp() of then. Absent, or not that of the file any more: each chunk is compared
  // with its hash before it first leaves.
  std::optional<FileStamp> stamp;
  bool allow_unprotected = false;
  SwarmLimits limits;
};

struct ReaderOptions {
  std::uint64_t offset = 0;  // where it begins; static content
  // So many octets ahead of the reader are fetched before the rest of the content.
  std::uint64_t read_ahead = std::uint64_t{8} << 20;
};

// The verified content in order. Models AsyncReadStream, so that asio::async_read, callbacks,
// futures and co_await all work on it. Ends with asio::error::eof; a read that is under way when
// the swarm is left, or begins later, ends with asio::error::operation_aborted. One read at a time.
//
// Of a live swarm it gives what was verified from the tune-in point on, and steps over what was
// given up: octets before position() - size of the last read and after those of the read before it.
// It ends when the feed does. A read never spans such a gap.
class ContentReader {
 public:
  using executor_type = asio::io_context::executor_type;

  explicit ContentReader(std::unique_ptr<ActiveReader> reader);
  ~ContentReader();  // a read that is under way ends with asio::error::operation_aborted
  ContentReader(const ContentReader&) = delete;
  ContentReader& operator=(const ContentReader&) = delete;

  executor_type get_executor() const noexcept;

  template <typename MutableBuffers, typename Token>
  auto async_read_some(const MutableBuffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        [this](auto handler, asio::mutable_buffer buffer) {
          start_read(buffer, ReadDone(std::move(handler), get_executor()));
        },
        token, first_of(buffers));
  }

  // The next read begins at this octet; chunk picking follows.
  Result<void> seek(std::uint64_t offset);
  std::uint64_t position() const;

 private:
  using ReadDone = detail::Completion<error_code, std::size_t>;

  template <typename MutableBuffers>
  static asio::mutable_buffer first_of(const MutableBuffers& buffers) {
    for (auto b = asio::buffer_sequence_begin(buffers); b != asio::buffer_sequence_end(buffers);
         ++b) {
      if (asio::mutable_buffer(*b).size() > 0) return *b;
    }
    return {};
  }

  void start_read(asio::mutable_buffer buffer, ReadDone done);

  std::unique_ptr<ActiveReader> reader_;
};

class Swarm {
 public:
  explicit Swarm(std::shared_ptr<ActiveSwarm> swarm) : swarm_(std::move(swarm)) {}

  const SwarmUrl& url() const;  // with the length, once it is known
  bool left() const;
  SwarmStatus status() const;  // after leaving: as it was then
  std::vector<ChannelStatus> channels() const;
  // Lives as long as any handle of the swarm.
  ContentReader& reader();
  // Another reader, each with a position and a window of its own; all share one download. What a
  // reader is about to read is asked for first, of several readers in turns, then what lies
  // read_ahead ahead of them, then what the policy says. Gone when the last reference goes, at any
  // time. Of a live swarm it begins with what is played now.
  std::shared_ptr<ContentReader> open_reader(const ReaderOptions& options = {});
  std::size_t readers() const;  // that are open, and reader() while it reads

  void set_limits(const SwarmLimits& limits);
  SwarmLimits limits() const;
  // A hosted file that nobody wants at the moment: it costs a little memory only.
  bool sleeping() const;
  // Of content in a file that is complete: what tells whether it is still the one that was hashed.
  std::optional<FileStamp> file_stamp() const;
  // How much of each of so many equal parts of the content is here: 0 nothing to 255 all.
  std::vector<std::uint8_t> availability(std::size_t buckets) const;

  // Its trackers, once it was announced to them, and how it goes with each.
  std::vector<TrackerStatus> trackers() const;

  void add_peer(const TransportAddress& peer, PeerSource source = PeerSource::user);
  // "host:port". The name is looked up in the background, again and again as long as that fails; a
  // peer that cannot be reached, or goes, is tried again later.
  Result<void> add_peer(std::string_view host_and_port);

  // The first octet can be read.
  void on_first_byte(std::function<void()> handler);
  // Live: chunks were given up, because they came too late or not at all; the reader goes on behind
  // them.
  void on_skipped(std::function<void(const event::Skipped&)> handler);
  // Live: the feed is over, and nobody who is connected needs anything more of us (at the latest
  // ten seconds after the end).
  void on_delivered(std::function<void()> handler);
  // The content is complete, and on disk if it has a file. At once if it is already. Live: the feed
  // has ended, and the reader can come to its end.
  void on_complete(std::function<void()> handler);
  // The swarm cannot go on (the file cannot be opened or written, ...), and has been left.
  void on_error(std::function<void(const Error&)> handler);

  // Closes every channel with a HANDSHAKE, tells the trackers, and brings what was verified to the
  // disk. The io_context has something to do until then; a tracker that does not answer is waited
  // for 2 s, and none longer than 10 s.
  void leave();

 private:
  std::shared_ptr<ActiveSwarm> swarm_;
};

// The source of a live swarm: cuts, signs and serves what is appended.
class LiveFeed {
 public:
  explicit LiveFeed(std::shared_ptr<ActiveSwarm> swarm) : swarm_(std::move(swarm)) {}

  Swarm swarm() const { return Swarm(swarm_); }
  // More of the content, which is copied. Errors: the disk of a recording, no chunk numbers left,
  // the feed was ended or left.
  Result<void> append(asio::const_buffer content);
  // The feed is over. What is left is signed; peers learn of the end, and take what they miss.
  void end();
  // After end(): every peer has everything, or ten seconds have passed.
  void on_delivered(std::function<void()> handler);

 private:
  friend class Node;
  std::shared_ptr<ActiveSwarm> swarm_;
};

// With no swarm left, a Node gives the io_context nothing to do, so that run() returns.
class Node {
 public:
  static Result<Node> open(asio::io_context& io, const NodeOptions& options = {});
  ~Node();  // leaves every swarm, and waits until files are in order
  Node(Node&&) noexcept;
  Node& operator=(Node&&) noexcept;

  std::vector<TransportAddress> local_addresses() const;
  const EndpointCounters& counters() const;
  void set_limits(std::optional<std::uint64_t> upload, std::optional<std::uint64_t> download);
  void set_peer_limits(const RateLimits& limits);  // of each channel

  // Whom we talk to. Channels that are forbidden now are closed.
  void set_address_rules(AddressRules rules);
  void ban(const Network& network, std::optional<Microseconds> duration = std::nullopt);
  bool unban(const Network& network);
  std::vector<Ban> bans() const;

  NodeStatistics statistics() const;            // as long as there are channels to be looked at
  std::vector<TrackerStatus> trackers() const;  // of all swarms
  std::optional<Swarm> find(const SwarmId& id) const;
  // Those that take part at the moment, in no order: neither asleep nor still being opened. Costs
  // as much as there are such, however many sleep.
  std::vector<Swarm> awake() const;

  // Begins a download, or tunes in to a live swarm, whose content its reader gives. The peers that
  // the URL names are contacted.
  Result<Swarm> join(const SwarmUrl& url, const JoinOptions& options = {});

  // Serves a file that was hashed before, with the tree that was kept then. Nothing is opened or
  // read now: the swarm sleeps until a peer or a reader wants it, and again when nobody did for
  // NodeOptions::sleep_after. Its status adds up over its sleeps. on_error, when it is to wake: the
  // file is not there, has another length, or the tree is not that of the swarm.
  Result<Swarm> host(const HostedFile& file);

  // Publishes a live feed. The peers that find it are served from now on.
  Result<LiveFeed> feed(SigningKey key, const FeedOptions& options);
  // The recording of a feed that has ended, as the static swarm that it is: no chunk is hashed
  // again (6.1.2.1). The feed goes on serving those who have not got all of it until it is left.
  // Completes with a Result<Swarm>.
  template <typename Token>
  auto async_seed_recording(const LiveFeed& feed, Token&& token) {
    return asio::async_initiate<Token, void(Result<Swarm>)>(
        [this](auto handler, LiveFeed ended) {
          start_seed_recording(ended, SeedDone(std::move(handler), executor()));
        },
        token, feed);
  }

  // Hashes the file in the background, on all cores, then seeds it: the swarm ID is the root hash.
  // Completes with a Result<Swarm>.
  template <typename Token>
  auto async_seed(std::filesystem::path file, SeedOptions options, Token&& token) {
    return asio::async_initiate<Token, void(Result<Swarm>)>(
        [this](auto handler, std::filesystem::path path, SeedOptions how) {
          start_seed(std::move(path), std::move(how), SeedDone(std::move(handler), executor()));
        },
        token, std::move(file), std::move(options));
  }

 private:
  using SeedDone = detail::Completion<Result<Swarm>>;

  explicit Node(std::shared_ptr<ActiveNode> node);
  asio::io_context::executor_type executor() const;
  void start_seed(std::filesystem::path file, SeedOptions options, SeedDone done);
  void start_seed_recording(const LiveFeed& feed, SeedDone done);

  std::shared_ptr<ActiveNode> node_;
};

}  // namespace node
}  // namespace ppspp
