// Hosted files: thousands of swarms that sleep, and cost next to nothing, until somebody wants one.
#include <boost/system/errc.hpp>
#include <utility>

#include "base/log.h"
#include "files/file_handle.h"
#include "files/kept_tree.h"
#include "net/active_node.h"
#include "net/active_swarm.h"
#include "net/clock.h"

namespace ppspp {
namespace {

// A tree of so many octets is looked through before anything is served, in some milliseconds; a
// larger one meanwhile.
constexpr std::uint64_t kSmallTree = std::uint64_t{1} << 20;

Result<std::unique_ptr<FileChunkStore>> open_hosted(const std::string& file,
                                                    const std::string& tree,
                                                    const SwarmMetadata& metadata,
                                                    const std::optional<FileStamp>& stamp,
                                                    StoreReady ready) {
  auto store = FileChunkStore::host(file, tree, metadata, stamp, std::move(ready));
  if (!store || (*store)->tree_nodes().size() > kSmallTree) return store;
  if (is_whole_tree((*store)->tree_nodes(), metadata, *metadata.content_length)) return store;
  return tl::unexpected(damaged_tree(tree));
}

}  // namespace

void ActiveSwarm::host(const HostedFile& file) {
  hosted_ = std::make_unique<Hosted>();
  hosted_->file = file.file.string();
  hosted_->tree = file.tree.string();
  hosted_->stamp = file.stamp;
  complete_ = true;
  node_->driver().endpoint().await(url_.metadata.id);
  node_->note_hosted(*this);
  node_->driver().kick();
}

void ActiveSwarm::wake() {
  if (!sleeping() || std::exchange(hosted_->waking, true)) return;
  const auto store = std::make_shared<std::optional<Result<std::unique_ptr<FileChunkStore>>>>();
  node_->background().run(
      [store, file = hosted_->file, tree = hosted_->tree, stamp = hosted_->stamp,
       metadata = url_.metadata, ready = store_ready_poster()] {
        store->emplace(open_hosted(file, tree, metadata, stamp, ready));
      },
      [self = shared_from_this(), store] { self->awake(std::move(**store)); },
      Background::Lane::quick);
}

void ActiveSwarm::awake(Result<std::unique_ptr<FileChunkStore>> store) {
  hosted_->waking = false;
  if (left()) return;
  if (!store && lacks_descriptors()) return sleep_on(store.error());
  if (!store) return fail_with(store.error());
  SwarmContent content;
  content.state = SwarmContent::State::complete;
  content.length = *url_.metadata.content_length;
  hosted_->used_at = std::chrono::steady_clock::now();
  if (const auto joined = join(*std::move(store), content); !joined) {
    return fail_with(joined.error());
  }
  node_->note_awake(*this);
  check_tree();
}

// Nothing is wrong with the file: whoever asks again may find it awake.
void ActiveSwarm::sleep_on(const Error& error) {
  log(LogLevel::warning, "{}: raise the limit of open files", error.context);
  for (ActiveReader* reader : readers_) {
    reader->reading().abort(
        boost::system::errc::make_error_code(boost::system::errc::too_many_files_open));
  }
  node_->driver().endpoint().stop_awaiting(url_.metadata.id);  // the handshake that was kept
  node_->driver().endpoint().await(url_.metadata.id);
}

// With a mapping of its own, since the store may go meanwhile.
void ActiveSwarm::check_tree() {
  if (std::exchange(hosted_->tree_checked, true) || file_->tree_nodes().size() <= kSmallTree)
    return;
  const auto whole = std::make_shared<bool>(true);
  node_->background().run(
      [whole, tree = hosted_->tree, metadata = url_.metadata,
       cancel = &node_->background().cancelled()] {
        const auto nodes = open_kept_tree(tree, metadata, *metadata.content_length);
        if (!nodes) return;  // it was taken away; what we have is mapped
        *whole = is_whole_tree(nodes->memory(), metadata, *metadata.content_length, cancel);
      },
      [self = shared_from_this(), whole] {
        if (!*whole && !self->left()) self->fail_with(damaged_tree(self->hosted_->tree));
      });
}

bool ActiveSwarm::sleep_if_idle(std::chrono::steady_clock::time_point now,
                                std::chrono::milliseconds after) {
  const bool used = reader_count() > 0 || !channels().empty();
  if (used) hosted_->used_at = now;
  if (now - hosted_->used_at < after) return false;
  sleep();
  return true;
}

void ActiveSwarm::sleep() {
  Endpoint& endpoint = node_->driver().endpoint();
  const SwarmStatus counts = status();
  hosted_->uploaded_bytes = counts.uploaded_bytes;
  hosted_->chunks_retransmitted = counts.chunks_retransmitted;
  hosted_->chunks_rotten = counts.chunks_rotten;
  hosted_->peers_seen = counts.peers_seen;
  const SwarmHandle handle = std::exchange(handle_, SwarmHandle{});
  node_->note_sleeps(*this, handle);
  close_store(endpoint.leave(handle, read_clocks()));
  contacts_.reset();
  endpoint.await(url_.metadata.id);
  node_->driver().kick();
}

void ActiveSwarm::add_times_before(SwarmStatus& status) const {
  status.content_length = url_.metadata.content_length;
  if (!joined()) status.verified_bytes = *status.content_length;
  status.uploaded_bytes += hosted_->uploaded_bytes;
  status.chunks_retransmitted += hosted_->chunks_retransmitted;
  status.chunks_rotten += hosted_->chunks_rotten;
  status.peers_seen += hosted_->peers_seen;
}

}  // namespace ppspp
