#include "discovery/local_discovery.h"

#include <algorithm>
#include <cstring>

namespace ppspp {
namespace {

// Over all links: a datagram of each kind every 25 ms, and so many at once.
constexpr Microseconds kEachDatagram{25'000};
constexpr std::int64_t kDatagramsAtOnce = 100;
// Questions of one address that are answered.
constexpr Microseconds kEachQuestion{100'000};
constexpr std::int64_t kQuestionsAtOnce = 40;
// Swarms that are to be asked for so soon are asked for in the same datagram.
constexpr Microseconds kTogether{50'000};

template <typename T>
void push_bounded(std::deque<T>& queue, T value, std::size_t most) {
  if (queue.size() >= most) queue.pop_front();
  queue.push_back(std::move(value));
}

}  // namespace

LocalDiscovery::LocalDiscovery(RandomSource& random)
    : random_(random),
      instance_(random.next_u64()),
      query_bucket_(kEachDatagram, kDatagramsAtOnce),
      answer_bucket_(kEachDatagram, kDatagramsAtOnce) {}

void LocalDiscovery::set_links(std::vector<LocalLink> links, TimePoint now) {
  if (links.size() > kMaxLinks) links.resize(kMaxLinks);
  const bool more = std::any_of(links.begin(), links.end(), [this](const LocalLink& link) {
    return std::find(links_.begin(), links_.end(), link) == links_.end();
  });
  links_ = std::move(links);
  query_links_ = 0;  // it is asked again
  std::erase_if(answers_, [this](const PendingAnswer& answer) {
    return std::find(links_.begin(), links_.end(), answer.link) == links_.end();
  });
  if (more) ask_anew(now);
}

void LocalDiscovery::set_questions(Questions questions, TimePoint now) {
  const bool more = questions < questions_;
  questions_ = questions;
  if (questions == Questions::none) query_links_ = 0;
  if (more) ask_anew(now);
}

void LocalDiscovery::ask_anew(TimePoint now) {
  for (auto& swarm : swarms_) {
    if (swarm.second.part != Part::sleeps) begin_asking(swarm, now);
  }
}

// --- What we take part in

void LocalDiscovery::set_part(const SwarmId& id, Part part, TimePoint now) {
  auto& swarm = *swarms_.try_emplace(secrets_.tag(id)).first;
  const bool is_new = swarm.second.id.empty();
  if (!is_new && swarm.second.part == part) return;
  const bool completed = swarm.second.part == Part::misses && part == Part::complete;
  swarm.second.id = id;
  swarm.second.part = part;
  // Who still misses something has heard of us, or will ask itself.
  if (part == Part::sleeps || completed) return schedule(swarm, kNever);
  begin_asking(swarm, now);
}

void LocalDiscovery::remove(const SwarmId& id) {
  const auto found = swarms_.find(secrets_.tag(id));
  if (found == swarms_.end()) return;
  schedule(*found, kNever);
  swarms_.erase(found);
}

void LocalDiscovery::ask_again(const SwarmId& id, TimePoint now) {
  const auto found = swarms_.find(secrets_.tag(id));
  if (found == swarms_.end() || found->second.part == Part::sleeps) return;
  begin_asking(*found, now);
}

void LocalDiscovery::begin_asking(Swarms::value_type& swarm, TimePoint now) {
  swarm.second.asked = 0;
  swarm.second.pause = kMinPause * (questions_ == Questions::rare ? kRarer : 1);
  const TimePoint soon = now + between(Microseconds(0), kMaxBackOff);
  schedule(swarm, std::max(soon, swarm.second.asked_at + kMinPause));
}

void LocalDiscovery::schedule(Swarms::value_type& swarm, TimePoint at) {
  TimePoint& due = swarm.second.ask_at;
  if (due != kNever) asking_.erase({due, swarm.first});
  due = at;
  if (due != kNever) asking_.insert({due, swarm.first});
}

void LocalDiscovery::schedule_next(Swarms::value_type& swarm, TimePoint now) {
  Swarm& s = swarm.second;
  ++s.asked;
  s.asked_at = now;
  if (s.part == Part::complete && s.asked >= kQuestionsOfComplete) return schedule(swarm, kNever);
  schedule(swarm, now + between(s.pause * 3 / 4, s.pause * 5 / 4));
  s.pause = std::min(s.pause * 2, kMaxPause * (questions_ == Questions::rare ? kRarer : 1));
}

// --- What comes

// The link on which a neighbour with this address is.
const LocalLink* LocalDiscovery::link_to(const TransportAddress& from,
                                         std::uint32_t interface) const {
  const auto found = std::find_if(links_.begin(), links_.end(), [&](const LocalLink& link) {
    return link.interface == interface && link.address.is_v4() == from.is_v4() &&
           std::any_of(link.neighbours.begin(), link.neighbours.end(),
                       [&](const Network& network) { return network.contains(from); });
  });
  return found == links_.end() ? nullptr : &*found;
}

void LocalDiscovery::handle_datagram(std::span<const std::byte> datagram,
                                     const TransportAddress& from, std::uint32_t interface,
                                     TimePoint now) {
  const LocalLink* const link = link_to(from, interface);
  const auto message = link != nullptr ? read_local_message(datagram) : std::nullopt;
  if (!message) {
    ++counters_.invalid;
    return;
  }
  if (message->instance == instance_) return;  // our own, which the system gives back to us
  switch (message->type) {
    case LocalMessage::Type::query:
      return handle_query(*message, from, *link, now);
    case LocalMessage::Type::answer:
      return handle_answer(*message, from, *link, now);
  }
}

void LocalDiscovery::handle_query(const LocalMessage& query, const TransportAddress& from,
                                  const LocalLink& link, TimePoint now) {
  ++counters_.queries_in;
  PendingAnswer answer{now + between(kMinBackOff, kMaxBackOff), link, query.nonce,
                       std::vector<Wanted>()};
  bool ours = false;
  for (const LocalMessage::Entry& entry : query.swarms()) {
    const auto found = swarms_.find(entry.tag);
    if (found == swarms_.end()) continue;
    ours = true;
    if (query.complete && found->second.part != Part::misses) continue;
    answer.swarms.push_back({entry.tag, 0});
  }
  const bool again = std::any_of(heard_.begin(), heard_.end(),
                                 [&](const Question& q) { return q.nonce == query.nonce; });
  if (!ours || again) return;
  push_bounded(heard_, Question{query.nonce, link.interface, link.address.is_v4(), now},
               kMaxQuestions);
  if (answer.swarms.empty()) return;
  if (answers_.size() >= kMaxPendingAnswers || !may_ask(from, now)) {
    ++counters_.over_limit;
    return;
  }
  answers_.push_back(std::move(answer));
}

// One that floods must not keep others from their answers.
bool LocalDiscovery::may_ask(const TransportAddress& from, TimePoint now) {
  const Source source(from.bytes(), from.scope_id());
  auto known = sources_.find(source);
  if (known == sources_.end()) {
    if (sources_.size() >= kMaxSources) {
      sources_.erase(std::min_element(
          sources_.begin(), sources_.end(),
          [](const auto& a, const auto& b) { return a.second.since() < b.second.since(); }));
    }
    known = sources_.emplace(source, Pace(kEachQuestion, kQuestionsAtOnce)).first;
  }
  return known->second.take(now);
}

void LocalDiscovery::handle_answer(const LocalMessage& answer, const TransportAddress& from,
                                   const LocalLink& link, TimePoint now) {
  ++counters_.answers_in;
  const bool asked_by_us = is_among(ours_, answer, link, now);
  const bool asked = asked_by_us || is_among(heard_, answer, link, now);
  const auto& b = from.bytes();
  const TransportAddress peer = from.is_v4()
                                    ? TransportAddress::v4(from.v4_address(), answer.port)
                                    : TransportAddress::v6(b, answer.port, from.scope_id());
  for (const LocalMessage::Entry& entry : answer.swarms()) {
    const auto swarm = swarms_.find(entry.tag);
    if (swarm == swarms_.end()) continue;
    if (!asked || secrets_.proof(swarm->second.id, answer.nonce, peer) != entry.proof) {
      ++counters_.unproven;
      continue;
    }
    note_answered(answer.nonce, entry.tag);
    // What others were answered may be of those who have everything as well.
    const Part part = swarm->second.part;
    if (part == Part::misses || (part == Part::complete && asked_by_us)) {
      note_found(*swarm, answer.instance, peer, now);
    }
  }
}

// Whoever asks by DNS-SD hears of all who are in the swarm, and connects: those who have everything
// wait for that.
void LocalDiscovery::handle_service(const Service& service, TimePoint now) {
  ++counters_.services_in;
  if (service.instance == instance_) return;
  if (service.peer.port() == 0 || link_to(service.peer, service.interface) == nullptr) {
    ++counters_.invalid;
    return;
  }
  const auto swarm = swarms_.find(secrets_.tag(service.swarm));
  if (swarm == swarms_.end() || swarm->second.part != Part::misses) return;
  if (secrets_.service_proof(service.swarm, service.instance, service.peer) != service.proof) {
    ++counters_.unproven;
    return;
  }
  note_found(*swarm, service.instance, service.peer, now);
}

// An answer to a question of long ago, or of another network, may be another's that was kept.
bool LocalDiscovery::is_among(const std::deque<Question>& questions, const LocalMessage& answer,
                              const LocalLink& link, TimePoint now) {
  return std::any_of(questions.begin(), questions.end(), [&](const Question& question) {
    return question.nonce == answer.nonce && question.interface == link.interface &&
           question.v4 == link.address.is_v4() && now - question.at <= kAnswerTime;
  });
}

void LocalDiscovery::note_answered(const LocalNonce& nonce, const LocalTag& tag) {
  for (PendingAnswer& pending : answers_) {
    if (pending.nonce != nonce) continue;
    std::erase_if(pending.swarms, [&](Wanted& wanted) {
      return wanted.tag == tag && ++wanted.answers >= kEnoughAnswers;
    });
  }
  std::erase_if(answers_, [](const PendingAnswer& pending) { return pending.swarms.empty(); });
}

// A peer answers on each network that it shares with us: it is met at the address that was first.
void LocalDiscovery::note_found(Swarms::value_type& swarm, std::uint64_t instance,
                                const TransportAddress& peer, TimePoint now) {
  std::vector<Neighbour>& found = swarm.second.found;
  std::erase_if(found, [&](const Neighbour& n) { return now - n.found_at >= kFoundElsewhere; });
  const auto known = std::find_if(found.begin(), found.end(),
                                  [&](const Neighbour& n) { return n.instance == instance; });
  if (known == found.end()) {
    if (found.size() >= kMaxFoundPerSwarm) return;
    found.push_back({instance, peer, now});
  } else {
    if (known->address != peer || now - known->found_at < kFoundAgain) return;
    known->found_at = now;
  }
  // Whoever comes now asks for himself, so more questions may wait.
  if (swarm.second.ask_at != kNever && swarm.second.pause < kPauseWhenFound) {
    swarm.second.pause = kPauseWhenFound;
    schedule(swarm, now + between(kPauseWhenFound * 3 / 4, kPauseWhenFound * 5 / 4));
  }
  if (found_.size() >= kMaxFound) return;
  found_.push_back({swarm.second.id, peer});
  ++counters_.found;
}

std::optional<LocalDiscovery::Found> LocalDiscovery::poll_found() {
  if (found_.empty()) return std::nullopt;
  Found found = std::move(found_.front());
  found_.pop_front();
  return found;
}

// --- What goes

std::optional<LocalDiscovery::Transmit> LocalDiscovery::poll_transmit(std::span<std::byte> out,
                                                                      TimePoint now) {
  if (auto answer = next_answer(out, now)) return answer;
  return next_query(out, now);
}

std::optional<LocalDiscovery::Transmit> LocalDiscovery::next_answer(std::span<std::byte> out,
                                                                    TimePoint now) {
  const auto due = std::find_if(answers_.begin(), answers_.end(),
                                [&](const PendingAnswer& answer) { return answer.due <= now; });
  if (due == answers_.end() || !answer_bucket_.take(now)) return std::nullopt;
  const PendingAnswer answer = std::move(*due);
  answers_.erase(due);
  LocalMessage message;
  message.type = LocalMessage::Type::answer;
  message.instance = instance_;
  message.nonce = answer.nonce;
  message.port = answer.link.address.port();
  for (const Wanted& wanted : answer.swarms) {
    const auto swarm = swarms_.find(wanted.tag);
    if (swarm == swarms_.end()) continue;
    message.entries.at(message.count++) = {
        wanted.tag, secrets_.proof(swarm->second.id, answer.nonce, answer.link.address)};
  }
  if (message.count == 0) return next_answer(out, now);
  ++counters_.answers_out;
  return Transmit{answer.link, write_local_message(message, out)};
}

std::optional<LocalDiscovery::Transmit> LocalDiscovery::next_query(std::span<std::byte> out,
                                                                   TimePoint now) {
  if (links_.empty() || questions_ == Questions::none) return std::nullopt;
  if (query_links_ == 0) begin_query(now);
  if (query_links_ == 0 || !query_bucket_.take(now)) return std::nullopt;
  const LocalLink& link = links_[links_.size() - query_links_--];
  query_.nonce = random_nonce();
  push_bounded(ours_, Question{query_.nonce, link.interface, link.address.is_v4(), now},
               kMaxQuestions);
  ++counters_.queries_out;
  return Transmit{link, write_local_message(query_, out)};
}

// What is due, and what will be soon, as far as it fits one datagram.
void LocalDiscovery::begin_query(TimePoint now) {
  if (asking_.empty() || asking_.begin()->first > now) return;
  query_ = LocalMessage{};
  query_.instance = instance_;
  query_.complete = swarms_.find(asking_.begin()->second)->second.part == Part::complete;
  for (auto next = asking_.begin(); next != asking_.end() && next->first <= now + kTogether &&
                                    query_.count < LocalMessage::kMaxSwarms;) {
    auto& swarm = *swarms_.find((next++)->second);
    if ((swarm.second.part == Part::complete) != query_.complete) continue;
    query_.entries.at(query_.count++).tag = swarm.first;
    schedule_next(swarm, now);
  }
  query_links_ = links_.size();
}

TimePoint LocalDiscovery::deadline() const {
  TimePoint next = kNever;
  const auto no_sooner = [&](TimePoint at, const Pace& bucket) {
    next = std::min(next, std::max(at, bucket.next(TimePoint::min())));
  };
  if (!links_.empty() && questions_ != Questions::none) {
    if (query_links_ > 0) no_sooner(TimePoint::min(), query_bucket_);
    if (!asking_.empty()) no_sooner(asking_.begin()->first, query_bucket_);
  }
  for (const PendingAnswer& answer : answers_) no_sooner(answer.due, answer_bucket_);
  return next;
}

// --- Chance

Microseconds LocalDiscovery::between(Microseconds least, Microseconds most) {
  const auto span = static_cast<std::uint64_t>((most - least).count()) + 1;
  return least + Microseconds(static_cast<std::int64_t>(random_.below(span)));
}

LocalNonce LocalDiscovery::random_nonce() {
  LocalNonce nonce;
  const std::array<std::uint64_t, 2> numbers = {random_.next_u64(), random_.next_u64()};
  static_assert(sizeof numbers == sizeof nonce);
  std::memcpy(nonce.data(), numbers.data(), nonce.size());
  return nonce;
}

}  // namespace ppspp
