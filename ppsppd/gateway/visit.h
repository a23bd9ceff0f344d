// A request for content, from its URL to the beginning of its answer.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/gateway_state.h"
#include "gateway/place.h"

namespace ppspp::daemon {

struct BodyPart;

class Visit final : public Activity {
 public:
  Visit(std::shared_ptr<GatewayState> state, std::shared_ptr<http::Exchange> exchange);
  void start();
  void stop() override;

 private:
  // What of the content answers.
  struct Piece {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::string type;
    std::string name;
  };

  std::shared_ptr<Visit> self() { return std::static_pointer_cast<Visit>(shared_from_this()); }
  void refuse(int status, const std::string& reason);
  void open();
  // Whether it is a bundle; also waits for the length.
  void identify();
  void read_more(std::size_t wanted);
  void took(error_code error, std::size_t size, std::size_t wanted);
  void identified(std::shared_ptr<const OpenedBundle> bundle);
  void look_at_header();
  void look_at_index();

  void answer(const KnownContents::Known& known);
  void answer_file(const OpenedBundle& bundle, const BundleFile& file);
  void answer_from_bundle(const OpenedBundle& bundle);
  void answer_piece(const Piece& piece);
  void answer_ranges(const Piece& piece, http::Headers headers);
  void send(int status, const http::Headers& headers, std::uint64_t length,
            std::deque<BodyPart> parts);
  http::Headers content_headers(const Piece& piece);

  std::shared_ptr<http::Exchange> exchange_;
  std::optional<Place> place_;
  std::optional<Content> content_;
  std::optional<ReaderSlot> slot_;
  std::shared_ptr<ContentReader> reader_;
  std::string head_;  // the beginning of the content
  std::vector<std::byte> buffer_;
  boost::asio::steady_timer patience_;
  bool done_ = false;
};

}  // namespace ppspp::daemon
