#include "service.h"

#include <utility>

#include "service_impl.h"

namespace ppspp::daemon {

Service::Service(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Service::~Service() = default;

void Service::add(control::AddRequest request, Done<SwarmInfo> done) {
  impl_->add(std::move(request), std::move(done));
}

void Service::remove(std::string ref, bool delete_content, Done<void> done) {
  impl_->remove(ref, delete_content, std::move(done));
}

void Service::pause(std::string ref, Done<SwarmInfo> done) {
  impl_->pause(ref, std::move(done));
}

void Service::resume(std::string ref, Done<SwarmInfo> done) {
  impl_->resume(ref, std::move(done));
}

void Service::change(std::string ref, control::ChangeRequest change, Done<SwarmInfo> done) {
  impl_->change(ref, std::move(change), std::move(done));
}

void Service::add_peer(std::string ref, std::string address, Done<void> done) {
  impl_->add_peer(ref, address, std::move(done));
}

Result<Service::SwarmInfo> Service::info(const std::string& ref) const {
  return impl_->info(ref);
}

control::SwarmPage Service::list(const control::SwarmQuery& query) const {
  return impl_->list(query);
}

Result<std::vector<control::PeerInfo>> Service::peers(const std::string& ref) const {
  return impl_->peers(ref);
}

Result<control::Availability> Service::availability(const std::string& ref,
                                                    std::size_t buckets) const {
  return impl_->availability(ref, buckets);
}

control::GlobalLimits Service::limits() const {
  return impl_->limits();
}

void Service::set_limits(control::LimitsChange change, Done<control::GlobalLimits> done) {
  impl_->set_limits(change, std::move(done));
}

std::vector<control::BanInfo> Service::bans() const {
  return impl_->bans();
}

void Service::ban(control::BanRequest request, Done<control::BanInfo> done) {
  impl_->ban(request, std::move(done));
}

void Service::unban(std::string network, Done<void> done) {
  impl_->unban(network, std::move(done));
}

void Service::accounts(control::AccountQuery query, Done<control::AccountPage> done) const {
  impl_->accounts(std::move(query), std::move(done));
}

control::DaemonInfo Service::daemon_info() const {
  return impl_->daemon_info();
}

Snapshot Service::snapshot() const {
  return impl_->snapshot();
}

void Service::set_gateway_address(std::string url) {
  impl_->set_gateway_address(std::move(url));
}

unsigned Service::subscribe(std::function<void(const control::Event&)> handler) {
  return impl_->events().subscribe(std::move(handler));
}

void Service::unsubscribe(unsigned subscription) {
  impl_->events().unsubscribe(subscription);
}

void Service::reload(const Config& config) {
  impl_->reload(config);
}

void Service::stop(std::function<void()> done) {
  impl_->stop(std::move(done));
}

Result<Content> Service::open(const SwarmUrl& url) {
  return impl_->open(url);
}

void Service::note_readers(const SwarmId& id, int change) {
  impl_->note_readers(id, change);
}

std::vector<Listed> Service::list(std::size_t limit) const {
  return impl_->listed(limit);
}

}  // namespace ppspp::daemon
