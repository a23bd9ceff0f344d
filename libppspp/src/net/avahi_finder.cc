// DNS-SD by Avahi, which is asked over D-Bus: its library waits for the answer to each call, which
// takes it a fraction of a millisecond. A daemon that is not there, comes or goes is no trouble;
// one that hangs costs the 25 s after which a call is given up, once in ten minutes.
#include <avahi-client/client.h>
#include <avahi-common/error.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <utility>

#include "base/log.h"
#include "net/avahi_browsers.h"
#include "net/avahi_poll.h"
#include "net/avahi_publisher.h"
#include "net/clock.h"
#include "net/service_finder.h"

namespace ppspp {
namespace {

namespace asio = boost::asio;

// Services and browsers that come and go: each causes a few datagrams to everybody.
constexpr Microseconds kEachChange{250'000};
constexpr std::int64_t kChangesAtOnce = 16;
// Between two tries to reach the message bus, and Avahi where it failed.
constexpr auto kTryAgain = std::chrono::seconds(2);
constexpr auto kTryAgainLatest = std::chrono::minutes(10);
// A call that takes so long has been given up: it is not soon tried again.
constexpr auto kHangs = std::chrono::seconds(5);
constexpr auto kWorks = std::chrono::minutes(1);  // so long, and the next failure is the first

class AvahiFinder final : public ServiceFinder {
 public:
  AvahiFinder(asio::io_context& io, std::uint64_t instance, Handlers handlers);
  ~AvahiFinder() override;

  void set_links(const std::vector<LocalLink>& links) override { publisher_.set_links(links); }
  void set_part(const SwarmId& swarm, Part part) override;
  void ask_again(const SwarmId& swarm) override { browsers_.ask_again(swarm, now()); }
  void note_used(const SwarmId& swarm) override;
  void remove(const SwarmId& swarm) override;
  std::size_t published() const override { return publisher_.published(); }

 private:
  static TimePoint now() { return read_clocks().monotonic; }
  static void on_client(AvahiClient* client, AvahiClientState state, void* user);
  void connect();
  void disconnect();
  void try_again();
  void kick();
  void turn();
  void update();
  void tell(bool running);
  void arm(TimePoint at);

  asio::io_context& io_;
  Handlers handlers_;
  AsioAvahiPoll poll_;
  AvahiClient* client_ = nullptr;
  AvahiClientState state_ = AVAHI_CLIENT_CONNECTING;
  bool lost_ = false;  // what the client has had until now means nothing any more
  bool told_ = false;
  ServiceChoice choice_;
  AvahiPublisher publisher_;
  AvahiBrowsers browsers_;
  Pace pace_{kEachChange, kChangesAtOnce};
  asio::steady_timer timer_;
  std::chrono::steady_clock::duration pause_ = kTryAgain;
  std::chrono::steady_clock::time_point connected_at_, called_at_;
  bool kicked_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for handlers under way
};

AvahiFinder::AvahiFinder(asio::io_context& io, std::uint64_t instance, Handlers handlers)
    : io_(io),
      handlers_(std::move(handlers)),
      poll_(io),
      publisher_(instance, [this] { kick(); }),
      browsers_(
          instance, [this](const auto& service) { handlers_.on_found(service); },
          [this] { kick(); }),
      timer_(io) {
  connect();
}

AvahiFinder::~AvahiFinder() {
  *alive_ = false;
  disconnect();
}

void AvahiFinder::set_part(const SwarmId& swarm, Part part) {
  if (choice_.set_part(swarm, part)) kick();
}

void AvahiFinder::note_used(const SwarmId& swarm) {
  if (choice_.note_used(swarm)) kick();
}

void AvahiFinder::remove(const SwarmId& swarm) {
  if (choice_.remove(swarm)) kick();
}

// --- The client

void AvahiFinder::connect() {
  int error = AVAHI_OK;
  state_ = AVAHI_CLIENT_CONNECTING;
  lost_ = false;
  connected_at_ = called_at_ = std::chrono::steady_clock::now();
  client_ = avahi_client_new(poll_.api(), AVAHI_CLIENT_NO_FAIL, on_client, this, &error);
  if (client_ != nullptr) return kick();
  log(LogLevel::debug, "Avahi: {}", avahi_strerror(error));
  try_again();
}

// The connection to the bus goes first, so that nothing waits for an answer here.
void AvahiFinder::disconnect() {
  if (client_ != nullptr) avahi_client_free(client_);
  client_ = nullptr;
  publisher_.forget();
  browsers_.forget();
}

void AvahiFinder::try_again() {
  disconnect();
  tell(false);
  const auto at = std::chrono::steady_clock::now();
  if (at - connected_at_ > kWorks) pause_ = kTryAgain;
  if (at - called_at_ > kHangs) {
    log(LogLevel::warning, "Avahi does not answer, and is left alone for a while");
    pause_ = kTryAgainLatest;
  }
  timer_.expires_after(pause_);
  pause_ = std::min<std::chrono::steady_clock::duration>(pause_ * 2, kTryAgainLatest);
  timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
    if (*alive && !error && client_ == nullptr) connect();
  });
}

// The first call comes before `client_` is set.
void AvahiFinder::on_client(AvahiClient*, AvahiClientState state, void* user) {
  auto& finder = *static_cast<AvahiFinder*>(user);
  finder.state_ = state;
  if (state == AVAHI_CLIENT_CONNECTING) finder.lost_ = true;
  finder.kick();
}

void AvahiFinder::tell(bool running) {
  if (std::exchange(told_, running) != running) handlers_.on_running(running);
}

// --- What is to be done. Avahi's callbacks only take note: what they are called for must live.

void AvahiFinder::kick() {
  if (std::exchange(kicked_, true)) return;
  asio::post(io_, [this, alive = alive_] {
    if (!*alive) return;
    kicked_ = false;
    turn();
  });
}

void AvahiFinder::turn() {
  if (client_ == nullptr) return;
  if (state_ == AVAHI_CLIENT_FAILURE) {
    called_at_ = std::chrono::steady_clock::now();
    return try_again();
  }
  if (std::exchange(lost_, false)) {
    publisher_.free_all();
    browsers_.free_all();
  }
  tell(state_ == AVAHI_CLIENT_S_RUNNING);
  // While the system looks for another host name, nothing of ours is wrong: it is only waited for.
  if (state_ == AVAHI_CLIENT_S_RUNNING) update();
}

void AvahiFinder::update() {
  called_at_ = std::chrono::steady_clock::now();
  const auto searched = browsers_.update(client_, choice_.browsed(), pace_, now());
  const auto published = searched == AvahiProgress::failed
                             ? searched
                             : publisher_.update(client_, choice_.published(), pace_, now());
  if (published == AvahiProgress::failed) return try_again();
  if (searched == AvahiProgress::more || published == AvahiProgress::more) arm(pace_.next(now()));
}

void AvahiFinder::arm(TimePoint at) {
  timer_.expires_at(std::chrono::steady_clock::time_point(at.time_since_epoch()));
  timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
    if (*alive && !error) turn();
  });
}

}  // namespace

std::unique_ptr<ServiceFinder> ServiceFinder::open(asio::io_context& io, std::uint64_t instance,
                                                   Handlers handlers) {
  return std::make_unique<AvahiFinder>(io, instance, std::move(handlers));
}

bool ServiceFinder::is_built_in() {
  return true;
}

}  // namespace ppspp
