// The event loop that Avahi's client library asks for, with Asio: all its calls come in the
// io_context's thread.
#pragma once

#include <avahi-common/watch.h>

#include <boost/asio/io_context.hpp>

namespace ppspp {

class AsioAvahiPoll {
 public:
  explicit AsioAvahiPoll(boost::asio::io_context& io);
  AsioAvahiPoll(const AsioAvahiPoll&) = delete;
  AsioAvahiPoll& operator=(const AsioAvahiPoll&) = delete;

  // All watches and timeouts that it made must be freed before this is destroyed, as
  // avahi_client_free() does. Then the io_context has nothing to do for it any more.
  const AvahiPoll* api() const { return &api_; }
  boost::asio::io_context& io() { return io_; }

 private:
  boost::asio::io_context& io_;
  AvahiPoll api_ = {};
};

}  // namespace ppspp
