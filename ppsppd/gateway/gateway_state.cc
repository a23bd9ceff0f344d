#include "gateway/gateway_state.h"

namespace ppspp::daemon {

Activity::Activity(std::shared_ptr<GatewayState> state) : state_(std::move(state)) {
  state_->activities.insert(this);
}

Activity::~Activity() {
  state_->activities.erase(this);
}

const KnownContents::Known* KnownContents::find(const SwarmId& id) {
  const auto place = places_.find(id);
  if (place == places_.end()) return nullptr;
  order_.splice(order_.begin(), order_, place->second);
  return &order_.front().second;
}

void KnownContents::add(const SwarmId& id, Known known) {
  if (find(id) != nullptr) return;
  weight_ += weight(known);
  order_.emplace_front(id, std::move(known));
  places_[id] = order_.begin();
  while (weight_ > kCapacity) {
    weight_ -= weight(order_.back().second);
    places_.erase(order_.back().first);
    order_.pop_back();
  }
}

ReaderSlot::ReaderSlot(std::shared_ptr<GatewayState> state, SwarmId id)
    : state_(std::move(state)), id_(std::move(id)) {
  ++state_->readers;
  if (state_->source != nullptr) state_->source->note_readers(id_, 1);
}

ReaderSlot::~ReaderSlot() {
  if (!state_) return;
  --state_->readers;
  if (state_->source != nullptr) state_->source->note_readers(id_, -1);
}

}  // namespace ppspp::daemon
