#include "gateway/gateway.h"

#include <utility>
#include <vector>

#include "gateway/answers.h"
#include "gateway/gateway_state.h"
#include "gateway/host_names.h"
#include "gateway/pages.h"
#include "gateway/visit.h"

namespace ppspp::daemon {
namespace {

constexpr std::size_t kMaxListed = 10'000;

}  // namespace

Gateway::Gateway(boost::asio::io_context& io, ContentSource& source, GatewayOptions options)
    : state_(std::make_shared<GatewayState>(io, source, std::move(options))) {}

Gateway::~Gateway() {
  std::vector<std::weak_ptr<Activity>> activities;
  for (Activity* activity : state_->activities) activities.push_back(activity->weak_from_this());
  for (const auto& weak : activities) {
    if (const auto activity = weak.lock()) activity->stop();
  }
  state_->source = nullptr;
}

void Gateway::handle(std::shared_ptr<http::Exchange> exchange) {
  const http::Request& request = exchange->request();
  if (const auto host = request.header("host"); !is_our_name(host, state_->options.hosts)) {
    return refuse(state_->options, *exchange, 421,
                  "This server does not answer for that name: ask for its address, or have the "
                  "name listed in its configuration (hosts in [gateway]).");
  }
  if (request.method == "OPTIONS") return answer_options(state_->options, *exchange);
  if (request.method != "GET" && request.method != "HEAD") {
    return refuse(state_->options, *exchange, 405, "This server only gives.");
  }
  if (request.path == "/") {
    return answer_page(state_->options, *exchange, swarms_page(state_->source->list(kMaxListed)));
  }
  std::make_shared<Visit>(state_, std::move(exchange))->start();
}

void Gateway::set_options(GatewayOptions options) {
  state_->options = std::move(options);
}
std::size_t Gateway::readers() const {
  return state_->readers;
}
std::uint64_t Gateway::bytes_sent() const {
  return state_->sent;
}

}  // namespace ppspp::daemon
