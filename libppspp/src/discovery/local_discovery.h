// Who else on this network is in a swarm of ours (decision 48): what is asked and answered when,
// and what is believed. Knows no sockets and no clock: datagrams and time come in, datagrams and
// addresses go out.
//
// Who joins a swarm asks, at once and then ever more rarely while something is missing; those who
// are in it answer after a random pause, unless enough others did. Everybody hears everything, so
// that one question serves all who look for the same. Swarms that sleep cost an entry in a table.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "discovery/local_messages.h"
#include "discovery/pace.h"
#include "ppspp/address_rules.h"
#include "ppspp/local_discovery_counters.h"
#include "ppspp/random_source.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"

namespace ppspp {

// A network that we are on: where we can be reached there, and who else can be.
struct LocalLink {
  std::uint32_t interface = 0;      // its number in the system
  TransportAddress address;         // with the port of PPSPP
  std::vector<Network> neighbours;  // the addresses of those who are on it, one of them ours
  friend bool operator==(const LocalLink&, const LocalLink&) = default;
};

class LocalDiscovery {
 public:
  enum class Part : std::uint8_t {
    sleeps,    // answers
    complete,  // answers those who miss something, and asks for them a few times
    misses,    // answers, and asks as long as it takes part
  };
  struct Found {
    SwarmId swarm;
    TransportAddress peer;
  };
  struct Transmit {
    LocalLink link;
    std::size_t size = 0;
  };

  // How often is asked.
  enum class Questions : std::uint8_t {
    usual,
    rare,  // another way to find peers is used as well, such as DNS-SD
    none,
  };
  // Somebody who says that a member of a swarm is reached at an address, by DNS-SD (decision 49).
  struct Service {
    SwarmId swarm;
    std::uint64_t instance = 0;
    LocalProof proof = {};
    TransportAddress peer;
    std::uint32_t interface = 0;  // on which it was heard
  };

  static constexpr std::size_t kMaxLinks = 32;
  // Between two questions for a swarm: doubled with each.
  static constexpr Microseconds kMinPause{1'000'000};
  static constexpr Microseconds kMaxPause{60'000'000};
  static constexpr int kRarer = 4;
  static constexpr Microseconds kPauseWhenFound{16'000'000};
  static constexpr unsigned kQuestionsOfComplete = 3;
  // Before an answer, so that not all come at once, and some can be left out (RFC 6762, section 6).
  static constexpr Microseconds kMinBackOff{20'000};
  static constexpr Microseconds kMaxBackOff{120'000};
  static constexpr unsigned kEnoughAnswers = 8;
  // So long after a question its answers are taken.
  static constexpr Microseconds kAnswerTime{3'000'000};
  static constexpr std::size_t kMaxPendingAnswers = 128;
  static constexpr std::size_t kMaxQuestions =
      256;                                        // that are remembered, ours and those of others
  static constexpr std::size_t kMaxSources = 64;  // whose questions are counted
  // Of one swarm, at a time. Further ones are found when those are forgotten.
  static constexpr std::size_t kMaxFoundPerSwarm = 64;
  static constexpr std::size_t kMaxFound = 1'024;  // that wait to be polled
  // A peer is found again after so long; by another address of its, after the latter.
  static constexpr Microseconds kFoundAgain{10'000'000};
  static constexpr Microseconds kFoundElsewhere{60'000'000};

  explicit LocalDiscovery(RandomSource& random);

  // Where we are now. Who takes part in a swarm asks anew where a link is new.
  void set_links(std::vector<LocalLink> links, TimePoint now);
  // Who takes part in a swarm asks anew where more is asked than before.
  void set_questions(Questions questions, TimePoint now);
  const std::vector<LocalLink>& links() const { return links_; }

  // Says how we take part in a swarm from now on.
  void set_part(const SwarmId& swarm, Part part, TimePoint now);
  void remove(const SwarmId& swarm);
  // Peers are wanted: asks soon, as if the swarm had just been joined, but not twice in kMinPause.
  void ask_again(const SwarmId& swarm, TimePoint now);

  // A datagram that came to the group on an interface, from a neighbour.
  void handle_datagram(std::span<const std::byte> datagram, const TransportAddress& from,
                       std::uint32_t interface, TimePoint now);
  void handle_service(const Service& service, TimePoint now);
  // Writes the next datagram that is due, for the group on one link. `out` has room for
  // LocalMessage::kMaxSize.
  std::optional<Transmit> poll_transmit(std::span<std::byte> out, TimePoint now);
  std::optional<Found> poll_found();
  TimePoint deadline() const;

  std::uint64_t instance() const { return instance_; }
  std::size_t swarms() const { return swarms_.size(); }
  const LocalDiscoveryCounters& counters() const { return counters_; }

 private:
  struct Neighbour {
    std::uint64_t instance = 0;
    TransportAddress address;
    TimePoint found_at;
  };
  struct Swarm {
    SwarmId id;
    Part part = Part::sleeps;
    TimePoint ask_at = kNever;
    TimePoint asked_at = TimePoint::min();
    Microseconds pause = kMinPause;
    unsigned asked = 0;
    std::vector<Neighbour> found;
  };
  using Swarms = std::map<LocalTag, Swarm>;  // in an order that does not depend on the machine
  struct Question {                          // that was asked, by us or by another
    LocalNonce nonce = {};
    std::uint32_t interface = 0;
    bool v4 = false;
    TimePoint at;
  };
  struct Wanted {
    LocalTag tag = {};
    unsigned answers = 0;  // of others, that were heard
  };
  struct PendingAnswer {
    TimePoint due;
    LocalLink link;
    LocalNonce nonce = {};
    std::vector<Wanted> swarms;
  };
  using Source = std::pair<std::array<std::uint8_t, 16>, std::uint32_t>;

  const LocalLink* link_to(const TransportAddress& from, std::uint32_t interface) const;
  void handle_query(const LocalMessage& query, const TransportAddress& from, const LocalLink& link,
                    TimePoint now);
  void handle_answer(const LocalMessage& answer, const TransportAddress& from,
                     const LocalLink& link, TimePoint now);
  void note_answered(const LocalNonce& nonce, const LocalTag& tag);
  void note_found(Swarms::value_type& swarm, std::uint64_t instance, const TransportAddress& peer,
                  TimePoint now);
  static bool is_among(const std::deque<Question>& questions, const LocalMessage& answer,
                       const LocalLink& link, TimePoint now);
  bool may_ask(const TransportAddress& from, TimePoint now);

  void schedule(Swarms::value_type& swarm, TimePoint at);
  void ask_anew(TimePoint now);
  void begin_asking(Swarms::value_type& swarm, TimePoint now);
  void schedule_next(Swarms::value_type& swarm, TimePoint now);
  void begin_query(TimePoint now);
  std::optional<Transmit> next_query(std::span<std::byte> out, TimePoint now);
  std::optional<Transmit> next_answer(std::span<std::byte> out, TimePoint now);
  Microseconds between(Microseconds least, Microseconds most);
  LocalNonce random_nonce();

  RandomSource& random_;
  LocalSecrets secrets_;
  std::uint64_t instance_;
  Questions questions_ = Questions::usual;
  std::vector<LocalLink> links_;
  Swarms swarms_;
  std::set<std::pair<TimePoint, LocalTag>> asking_;  // by when
  // The question that is being asked on one link after the other.
  LocalMessage query_;
  std::size_t query_links_ = 0;  // links that it has not gone to yet, the last ones of links_
  std::deque<Question> ours_, heard_;
  std::vector<PendingAnswer> answers_;
  std::map<Source, Pace> sources_;
  Pace query_bucket_;
  Pace answer_bucket_;
  std::deque<Found> found_;
  LocalDiscoveryCounters counters_;
};

}  // namespace ppspp
