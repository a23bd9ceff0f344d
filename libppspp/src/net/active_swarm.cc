#include "net/active_swarm.h"

#include <fmt/format.h>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/log.h"
#include "base/overloaded.h"
#include "files/kept_tree.h"
#include "net/active_node.h"
#include "net/clock.h"

namespace ppspp {
namespace {

// Opens a download; a file in its way that turns out to be the whole content is seeded instead.
Result<OpenedDownload> open_or_recognise(const std::filesystem::path& path,
                                         const SwarmMetadata& metadata,
                                         const DownloadOptions& options) {
  auto opened = FileChunkStore::open_download(path, metadata, options);
  if (opened || opened.error().code != Errc::exists) return opened;
  auto found = verify_complete_file(path, metadata, options.check);
  if (!found || !*found) return opened;
  OpenedDownload download;
  download.state = OpenedDownload::State::complete;
  download.length = (*found)->length;
  download.store = FileChunkStore::seed(*std::move(*found), options.ready);
  return download;
}

// Before the download's own record goes, so that at any moment there is one or the other.
void keep_tree_of(const FileChunkStore& store, const std::filesystem::path& path,
                  const SwarmMetadata& metadata) {
  if (path.empty() || metadata.integrity != IntegrityMethod::merkle) return;
  const auto stamp = store.settled_stamp();
  const auto kept = stamp ? keep_tree(path, metadata, store.length(), *stamp, store.tree_nodes())
                          : Result<void>(tl::unexpected(stamp.error()));
  if (!kept) log(LogLevel::warning, "{}", kept.error().context);
}

}  // namespace

ActiveSwarm::ActiveSwarm(ActiveNode& node, SwarmUrl url, const JoinSettings& settings)
    : io_(node.io()),
      node_(&node),
      url_(std::move(url)),
      settings_(settings),
      live_(url_.metadata.live ? std::make_unique<Live>(io_) : nullptr) {}

ActiveSwarm::~ActiveSwarm() = default;

// --- How it begins

void ActiveSwarm::open(const JoinOptions& options) {
  if (url_.metadata.live) {
    const auto followed = options.output.empty()
                              ? follow()
                              : fail(Errc::invalid_argument, "a live feed goes to a reader only");
    if (!followed) fail_with(followed.error());
    return;
  }
  if (!options.output.empty()) {
    keep_tree_ = options.keep_tree;
    return open_file(options);
  }
  if (const auto opened = open_temporary(); !opened) fail_with(opened.error());
}

Result<void> ActiveSwarm::open_temporary() {
  auto store = FileChunkStore::temporary(temporary_directory(), store_ready_poster());
  if (!store) return tl::unexpected(store.error());
  return join(*std::move(store), {});
}

// The check of an interrupted download may take long, hence a thread.
void ActiveSwarm::open_file(const JoinOptions& options) {
  DownloadOptions how;
  how.force = options.force;
  how.ready = store_ready_poster();
  how.check.threads = node_->threads();
  opening_ = std::make_shared<std::atomic<bool>>(false);
  how.check.cancel = opening_.get();
  how.check.progress = node_->progress_poster(options.check_progress);
  const auto result = std::make_shared<std::optional<Result<OpenedDownload>>>();
  node_->background().run(
      [result, how = std::move(how), path = options.output, metadata = url_.metadata,
       cancel = opening_] { result->emplace(open_or_recognise(path, metadata, how)); },
      [self = shared_from_this(), result] { self->opened(std::move(**result)); });
}

void ActiveSwarm::opened(Result<OpenedDownload> download) {
  opening_.reset();
  if (left()) return;
  if (!download) return fail_with(download.error());
  SwarmContent content;
  switch (download->state) {
    case OpenedDownload::State::unknown:
      break;
    case OpenedDownload::State::partial:
      content.state = SwarmContent::State::partial;
      break;
    case OpenedDownload::State::complete:
      content.state = SwarmContent::State::complete;
      break;
  }
  content.length = download->length;
  content.verified = download->verified;
  if (const auto joined = join(std::move(download->store), content); !joined) {
    return fail_with(joined.error());
  }
  if (content.state == SwarmContent::State::complete) on_content_complete();
}

Result<void> ActiveSwarm::seed(HashedFile&& file) {
  SwarmContent content;
  content.state = SwarmContent::State::complete;
  content.length = file.length;
  auto joined = join(FileChunkStore::seed(std::move(file), store_ready_poster()), content);
  complete_ = joined.has_value();
  if (complete_) node_->note_complete(*this);
  return joined;
}

Result<void> ActiveSwarm::join(std::unique_ptr<FileChunkStore> store, const SwarmContent& content) {
  FileChunkStore* const kept = store.get();
  kept->count_in(node_->store_counters());
  const auto handle = node_->driver().endpoint().join(url_.metadata, std::move(store), content,
                                                      settings_, read_clocks());
  if (!handle) return tl::unexpected(handle.error());
  handle_ = *handle;
  const bool complete = content.state == SwarmContent::State::complete;
  node_->note_joined(*this, hosted_    ? LocalFinder::Part::sleeps
                            : complete ? LocalFinder::Part::complete
                                       : LocalFinder::Part::misses);
  store_ = file_ = kept;
  if (content.length > 0) on_length(content.length);
  begin();
  return {};
}

void ActiveSwarm::begin() {
  if (hosted_ == nullptr) contact_peers_of_url();
  announce_first_byte();
  proceed_reading();
  node_->driver().kick();
}

void ActiveSwarm::contact_peers_of_url() {
  for (const std::string& peer : url_.peers) {
    if (const auto name = HostPort::parse(peer)) contacts().add(*name);
  }
}

PeerContacts& ActiveSwarm::contacts() {
  if (contacts_ == nullptr) {
    contacts_ = std::make_unique<PeerContacts>(
        io_, [this](const TransportAddress& peer) { add_peer(peer, PeerSource::user); });
  }
  return *contacts_;
}

StoreReady ActiveSwarm::store_ready_poster() {
  return [&background = node_->background(), self = weak_from_this()] {
    background.post([self] {
      if (const auto swarm = self.lock()) swarm->on_store_ready();
    });
  };
}

// --- What the endpoint and the store say

void ActiveSwarm::on_event(const Event& event) {
  std::visit(overloaded{
                 [this](const event::SizeKnown& e) { on_length(e.content_length); },
                 [this](const event::ChunksVerified& e) {
                   if (live_ && live_->numbers) reserve_numbers(e.chunks.end);
                   announce_first_byte();
                   proceed_reading();
                 },
                 [this](const event::Complete&) { on_content_complete(); },
                 [this](const event::PeerJoined& e) {
                   if (contacts_) contacts_->joined(e.peer);
                 },
                 [this](const event::PeerLeft& e) {
                   if (contacts_) contacts_->lost(e.peer);
                 },
                 [this](const event::StoreFailed&) { on_store_failed(); },
                 [this](const event::PeerUnreachable& e) {
                   if (contacts_) contacts_->lost(e.peer);
                 },
                 [this](const event::TunedIn& e) { tune_readers_in(e.chunk); },
                 [this](const event::Skipped& e) { announce_skipped(e); },
                 [this](const event::FeedEnded&) { on_feed_ended(); },
                 [](const event::Wanted&) {},  // the node's
             },
             event.what);
}

void ActiveSwarm::on_store_ready() {
  if (!joined()) return;
  node_->driver().endpoint().store_ready(handle_, read_clocks());
  proceed_reading();
  node_->driver().kick();
}

void ActiveSwarm::on_length(std::uint64_t length) {
  url_.metadata.content_length = length;
  proceed_reading();
}

void ActiveSwarm::on_content_complete() {
  if (complete_ || syncing_) return;
  proceed_reading();
  // The disk is waited for on a thread, and only what is left to do then is done here.
  syncing_ = std::make_shared<std::latch>(1);
  node_->background().run(
      [store = file_, done = syncing_, tree = keep_tree_, metadata = url_.metadata] {
        if (const auto synced = store->sync(); !synced) {
          log(LogLevel::debug, "{}", synced.error().context);  // complete() will say it again
        }
        keep_tree_of(*store, tree, metadata);
        done->count_down();
      },
      [self = shared_from_this()] {
        if (self->joined()) self->finish_file();
      });
}

void ActiveSwarm::finish_file() {
  if (const auto finished = file_->complete(); !finished) return fail_with(finished.error());
  complete_ = true;
  node_->note_complete(*this);
  announce_complete();
}

void ActiveSwarm::announce_complete() {
  asio::post(io_, [self = shared_from_this()] {
    if (self->on_complete_ && !self->left()) std::exchange(self->on_complete_, nullptr)();
  });
}

void ActiveSwarm::fail_with(const Error& error) {
  if (error.code == Errc::content_changed) content_changed_ = true;
  asio::post(io_, [self = shared_from_this(), error] {
    if (self->left()) return;
    const auto handler = std::exchange(self->on_error_, nullptr);
    self->leave();
    if (handler) handler(error);
  });
}

// --- What the user asks for

SwarmStatus ActiveSwarm::status() const {
  if (last_status_) {
    SwarmStatus status = *last_status_;
    status.content_changed |= content_changed_;
    return status;
  }
  SwarmStatus status;
  if (joined()) status = node_->driver().endpoint().status(handle_).value_or(status);
  if (hosted_) add_times_before(status);
  status.complete = complete_;
  status.content_changed |= content_changed_ || status.chunks_rotten > 0;
  return status;
}

std::vector<ChannelStatus> ActiveSwarm::channels() const {
  if (!joined()) return {};
  return node_->driver().endpoint().channels(handle_, read_clocks());
}

std::vector<TrackerStatus> ActiveSwarm::trackers() const {
  if (left()) return {};
  return node_->trackers().status(url_.metadata.id);
}

void ActiveSwarm::add_peer(const TransportAddress& peer, PeerSource source) {
  if (left()) return;
  if (!joined()) {  // the file is still being opened
    if (source == PeerSource::user) url_.peers.push_back(peer.to_string());
    return;  // whoever finds peers finds them again
  }
  node_->driver().endpoint().add_peer(handle_, peer, read_clocks(), source);
  node_->driver().kick();
}

Result<void> ActiveSwarm::add_peer(std::string_view host_and_port) {
  const auto name = HostPort::parse(host_and_port);
  if (!name) return tl::unexpected(name.error());
  if (left()) return fail(Errc::left, "the swarm was left");
  if (joined()) {
    contacts().add(*name);
  } else {
    url_.peers.emplace_back(host_and_port);
  }
  return {};
}

void ActiveSwarm::on_first_byte(std::function<void()> handler) {
  on_first_byte_ = std::move(handler);
  announce_first_byte();
}

void ActiveSwarm::on_complete(std::function<void()> handler) {
  on_complete_ = std::move(handler);
  if (complete_) announce_complete();
}

void ActiveSwarm::on_error(std::function<void(const Error&)> handler) {
  on_error_ = std::move(handler);
}

void ActiveSwarm::set_limits(const SwarmLimits& limits) {
  settings_.limits = limits;
  if (!joined()) return;
  node_->driver().endpoint().set_swarm_limits(handle_, limits, read_clocks());
  node_->driver().kick();
}

std::optional<FileStamp> ActiveSwarm::file_stamp() const {
  if (joined()) return file_ != nullptr && complete_ ? file_->stamp() : std::nullopt;
  return hosted_ ? hosted_->stamp : std::nullopt;
}

std::vector<std::uint8_t> ActiveSwarm::availability(std::size_t buckets) const {
  if (joined()) return node_->driver().endpoint().availability(handle_, buckets);
  return std::vector<std::uint8_t>(buckets, complete_ ? 255 : 0);
}

void ActiveSwarm::leave() {
  if (left()) return;
  const auto self = shared_from_this();  // the node lets go of us below
  last_status_ = std::make_unique<SwarmStatus>(status());
  last_status_->channels = 0;
  contacts_.reset();
  if (opening_) *opening_ = true;
  if (live_) live_->delivery.cancel();
  for (ActiveReader* reader : readers_) {
    reader->reading().abort(asio::error::operation_aborted);
  }
  if (hosted_) node_->driver().endpoint().stop_awaiting(url_.metadata.id);
  const SwarmHandle handle = std::exchange(handle_, SwarmHandle{});
  if (handle.value != 0) {
    close_store(node_->driver().endpoint().leave(handle, read_clocks()));
  }
  std::exchange(node_, nullptr)->forget(*this, handle);
}

// On a thread, since the disk is waited for: a download that is not complete can be resumed.
void ActiveSwarm::close_store(std::unique_ptr<ChunkStore> store) {
  store_ = nullptr;
  const bool is_file = std::exchange(file_, nullptr) != nullptr;
  if (std::exchange(recording_, nullptr) != nullptr && syncing_) {
    // A thread is at it.
    const auto kept = std::make_shared<std::unique_ptr<ChunkStore>>(std::move(store));
    return node_->background().run([kept, syncing = syncing_] { syncing->wait(); }, [kept] {});
  }
  if (complete_ || !is_file) return;  // nothing to write, and the store goes here
  const auto file = std::make_shared<std::unique_ptr<FileChunkStore>>(
      static_cast<FileChunkStore*>(store.release()));
  node_->background().run(
      [file, syncing = syncing_] {
        if (syncing) syncing->wait();
        if (const auto closed = (*file)->close_clean(); !closed) {
          log(LogLevel::warning, "{}", closed.error().context);
        }
        file->reset();
      },
      [] {});
}

}  // namespace ppspp
