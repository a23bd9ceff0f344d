// The channels of an endpoint, by ID: the first thing that is looked for with each datagram. IDs
// are random numbers of ours (RFC 7574, 12.1), so they are their own hash, and nobody can choose
// them so that they collide.
//
// Open addressing with places of 16 octets, at most half of them taken: one look finds a channel
// most of the time, or that there is none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "wire/message.h"

namespace ppspp {

// What is in the table does not move.
template <typename T>
class ChannelTable {
 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool contains(ChannelId id) const { return find(id) != nullptr; }

  T* find(ChannelId id) { return places_.empty() ? nullptr : places_[place_of(id)].item.get(); }
  const T* find(ChannelId id) const {
    return places_.empty() ? nullptr : places_[place_of(id)].item.get();
  }

  // A new one; not if there is one.
  T& add(ChannelId id) {
    if (2 * (size_ + 1) > places_.size()) grow();
    Place& place = places_[place_of(id)];
    PPSPP_ASSERT(place.item == nullptr);
    place = {id, std::make_unique<T>()};
    ++size_;
    return *place.item;
  }

  void remove(ChannelId id) {
    if (!contains(id)) return;
    std::size_t hole = place_of(id);
    const std::unique_ptr<T> removed = std::move(places_[hole].item);
    --size_;
    // Those that follow without a gap may have been kept from their own place by this one.
    for (std::size_t i = next(hole); places_[i].item != nullptr; i = next(i)) {
      const std::size_t wanted = first_place(places_[i].id);
      if (((i - wanted) & mask()) < ((i - hole) & mask())) continue;
      places_[hole] = std::move(places_[i]);
      hole = i;
    }
  }

  // In an order that nothing must depend on.
  template <typename F>
  void for_each(const F& f) const {
    for (const Place& place : places_) {
      if (place.item != nullptr) f(place.id, *place.item);
    }
  }

 private:
  struct Place {
    ChannelId id;
    std::unique_ptr<T> item;  // none: nobody stands here
  };

  std::size_t mask() const { return places_.size() - 1; }
  std::size_t next(std::size_t place) const { return (place + 1) & mask(); }
  std::size_t first_place(ChannelId id) const { return id.value & mask(); }
  // Where it stands, or would stand.
  std::size_t place_of(ChannelId id) const {
    std::size_t place = first_place(id);
    while (places_[place].item != nullptr && places_[place].id != id) place = next(place);
    return place;
  }
  void grow() {
    std::vector<Place> before(places_.empty() ? 8 : places_.size() * 2);
    before.swap(places_);
    for (Place& place : before) {
      if (place.item != nullptr) places_[place_of(place.id)] = std::move(place);
    }
  }

  std::vector<Place> places_;
  std::size_t size_ = 0;
};

}  // namespace ppspp
