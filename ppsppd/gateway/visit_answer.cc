// The answers with static content.
#include <deque>
#include <random>
#include <utility>

#include "gateway/answers.h"
#include "gateway/byte_ranges.h"
#include "gateway/content_types.h"
#include "gateway/pages.h"
#include "gateway/static_body.h"
#include "gateway/visit.h"

namespace ppspp::daemon {
namespace {

// Must not be in the content by accident; to foresee it would gain nothing, since whoever makes the
// content can lead a client astray in simpler ways.
std::string new_boundary() {
  std::random_device random;
  std::string boundary;
  for (int i = 0; i < 20; ++i) boundary += static_cast<char>('0' + random() % 10);
  return boundary;
}

std::string etag_of(const SwarmId& id) {
  return "\"" + id.to_hex() + "\"";
}

}  // namespace

void Visit::answer(const KnownContents::Known& known) {
  if (known.bundle) return answer_from_bundle(*known.bundle);
  const std::string name(place_->name().empty() ? content_->name : place_->name());
  const auto length = content_->swarm.url().metadata.content_length;
  answer_piece({0, length.value_or(0), std::string(content_type(name)), name});
}

void Visit::answer_from_bundle(const OpenedBundle& bundle) {
  const GatewayOptions& options = state().options;
  const std::string path = place_->path();
  if (const BundleFile* file = bundle.index.find(path)) return answer_file(bundle, *file);
  const bool directory = place_->names.size() == 1 ? place_->name().empty() : path.ends_with('/');
  if (directory) {
    if (const BundleFile* file = bundle.index.find(path + "index.html")) {
      return answer_file(bundle, *file);
    }
    if (path.empty() || bundle.index.has_directory(path.substr(0, path.size() - 1))) {
      done_ = true;
      return answer_page(options, *exchange_, directory_page(bundle.index, path));
    }
    return refuse(404, "There is no such directory in this bundle.");
  }
  const bool bundle_itself = place_->names.empty();
  if (bundle_itself || bundle.index.has_directory(path)) {
    done_ = true;
    return redirect(options, *exchange_, place_->with_slash());
  }
  if (path == content_->name) {  // as the page with all swarms names it
    place_->names.clear();
    done_ = true;
    return redirect(options, *exchange_, place_->with_slash());
  }
  refuse(404, "There is no such file in this bundle.");
}

void Visit::answer_file(const OpenedBundle& bundle, const BundleFile& file) {
  const std::string type = file.type.empty() ? std::string(content_type(file.name)) : file.type;
  const std::size_t slash = file.name.rfind('/');
  const std::string name = slash == std::string::npos ? file.name : file.name.substr(slash + 1);
  answer_piece({bundle.content_offset + file.offset, file.length, type, name});
}

http::Headers Visit::content_headers(const Piece& piece) {
  http::Headers headers = cors_headers(state().options, exchange_->request());
  headers.emplace_back("ETag", etag_of(content_->swarm.url().metadata.id));
  headers.emplace_back("Cache-Control", "public, max-age=31536000, immutable");
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  if (place_->download) {
    const std::string name =
        piece.name.empty() ? content_->swarm.url().metadata.id.to_hex() : piece.name;
    headers.emplace_back("Content-Disposition", attachment(name));
  }
  return headers;
}

void Visit::answer_piece(const Piece& piece) {
  const http::Request& request = exchange_->request();
  const std::string etag = etag_of(content_->swarm.url().metadata.id);
  if (fails_if_match(request.header("if-match"), etag)) {
    return refuse(412, "The content is another one.");
  }
  http::Headers headers = content_headers(piece);
  if (!holds_if_none_match(request.header("if-none-match"), etag)) {
    done_ = true;
    return exchange_->respond(304, headers, {});
  }
  headers.emplace_back("Accept-Ranges", "bytes");
  answer_ranges(piece, std::move(headers));
}

void Visit::answer_ranges(const Piece& piece, http::Headers headers) {
  const http::Request& request = exchange_->request();
  const std::string etag = etag_of(content_->swarm.url().metadata.id);
  ByteRanges ranges;
  if (holds_if_range(request.header("if-range"), etag)) {
    ranges = parse_ranges(request.header("range"), piece.length);
  }
  if (ranges.kind == ByteRanges::Kind::unsatisfiable) {
    done_ = true;
    headers = cors_headers(state().options, request);
    headers.emplace_back("Content-Range", unsatisfied_range(piece.length));
    headers.emplace_back("Content-Type", "text/plain");
    return exchange_->respond(416, headers, "None of these ranges is in the content.\n");
  }
  if (ranges.kind == ByteRanges::Kind::none) {
    headers.emplace_back("Content-Type", piece.type);
    return send(200, headers, piece.length, {{{}, piece.offset, piece.length}});
  }
  if (ranges.ranges.size() == 1) {
    const ByteRange& range = ranges.ranges.front();
    headers.emplace_back("Content-Type", piece.type);
    headers.emplace_back("Content-Range", content_range(range, piece.length));
    return send(206, headers, range.length, {{{}, piece.offset + range.offset, range.length}});
  }
  const Multipart multipart{new_boundary(), piece.type};
  std::deque<BodyPart> parts;
  for (const ByteRange& range : ranges.ranges) {
    parts.push_back(
        {multipart.head(range, piece.length), piece.offset + range.offset, range.length});
  }
  parts.push_back({multipart.tail(), 0, 0});
  headers.emplace_back("Content-Type", multipart.content_type());
  send(206, headers, multipart.size(ranges.ranges, piece.length), std::move(parts));
}

void Visit::send(int status, const http::Headers& headers, std::uint64_t length,
                 std::deque<BodyPart> parts) {
  done_ = true;
  exchange_->begin(status, headers, length);
  if (exchange_->request().method == "HEAD") return exchange_->finish();
  std::make_shared<StaticBody>(shared_state(), std::move(*slot_), exchange_, content_->swarm,
                               std::move(parts))
      ->start();
}

}  // namespace ppspp::daemon
