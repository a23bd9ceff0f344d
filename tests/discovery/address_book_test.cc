#include "discovery/address_book.h"

#include <doctest/doctest.h>

#include <set>
#include <vector>

namespace ppspp {
namespace {

using namespace std::chrono_literals;
using Ending = AddressBook::Ending;

TransportAddress v4(std::uint32_t address, std::uint16_t port = 6778) {
  return TransportAddress::v4(address, port);
}
constexpr std::uint32_t kPublic = 0x50000000;  // 80.0.0.0
const TransportAddress kTeller = TransportAddress::v4(0x51000001, 6778);

struct Book {
  AddressBook book;
  Rng random{1};
  TimePoint now{std::chrono::seconds(1)};
  std::uint32_t channels = 0;

  bool add(const TransportAddress& address, PeerSource source = PeerSource::user,
           const TransportAddress& teller = kTeller) {
    const bool added = book.add(address, source, now, random, teller);
    book.check_invariants();
    return added;
  }
  // Contacts whoever is to be contacted now.
  std::vector<AddressBook::Candidate> connect_all() {
    std::vector<AddressBook::Candidate> tried;
    while (const auto next = book.next(now)) {
      book.on_connecting(next->address, ChannelId{++channels}, true);
      tried.push_back(*next);
      last[next->address] = ChannelId{channels};
      REQUIRE(tried.size() <= 2'000);
    }
    book.check_invariants();
    return tried;
  }
  void close(const TransportAddress& address, Ending ending, bool useful = false) {
    book.on_closed(address, last[address], ending, useful, now);
    book.check_invariants();
  }
  // The next peer told that never answers: all its datagrams.
  void fail(const TransportAddress& address) { close(address, Ending::unreachable); }
  std::map<TransportAddress, ChannelId> last;
};

TEST_SUITE("discovery/address_book") {
  TEST_CASE("whom the user names is tried at once, in the order of naming, then after pauses") {
    Book b;
    for (std::uint32_t i = 0; i < 5; ++i) CHECK(b.add(v4(kPublic + i)));
    CHECK_FALSE(b.add(v4(kPublic)));
    const auto tried = b.connect_all();
    REQUIRE(tried.size() == 5);
    for (std::uint32_t i = 0; i < 5; ++i) CHECK(tried[i].address == v4(kPublic + i));
    CHECK(b.book.deadline() == kNever);
    Microseconds pause = 500ms;
    for (int i = 0; i < 12; ++i) {
      b.fail(v4(kPublic));
      CHECK(b.book.deadline() == b.now + pause);
      CHECK_FALSE(b.book.next(b.now));
      b.now += pause;
      REQUIRE(b.connect_all().size() == 1);
      pause = std::min<Microseconds>(pause * 2, 1min);
    }
    b.book.on_established(v4(kPublic));
    b.close(v4(kPublic), Ending::ordinary);
    CHECK(b.book.deadline() == b.now + 500ms);  // it is there: the pauses begin anew
    b.now += 500ms;
    b.connect_all();
    b.close(v4(kPublic), Ending::forgotten);
    CHECK(b.book.deadline() == b.now);
  }

  TEST_CASE("no source takes the room of another, and each is bounded (12.2)") {
    Book b;
    for (std::uint32_t i = 0; i < 5'000; ++i) {
      // Each of another network and told by another peer, so that only the source's quota counts.
      const auto source = static_cast<PeerSource>(i % kPeerSources);
      b.book.add(v4(kPublic + (i << 8)), source, b.now, b.random, v4(0x51000000 + (i << 8)));
    }
    b.book.check_invariants();
    CHECK(b.book.size() <= AddressBook::kMaxPeers);
    for (std::size_t i = 0; i < kPeerSources; ++i) {
      CAPTURE(i);
      CHECK(b.book.count(static_cast<PeerSource>(i)) == AddressBook::kMaxOf[i]);
    }
  }

  TEST_CASE("half of what a tracker names is called at once, the rest a second later if wanted") {
    Book b;
    b.book.set_goal(20);
    for (std::uint32_t i = 0; i < 30; ++i) b.add(v4(kPublic + (i << 8)), PeerSource::tracker);
    CHECK(b.connect_all().size() == 10);
    CHECK(b.book.deadline() == b.now + std::chrono::seconds(1));
    b.book.set_goal(13);  // some have come by themselves meanwhile
    b.now += std::chrono::seconds(1);
    CHECK(b.connect_all().size() == 3);
    CHECK(b.book.deadline() == kNever);
  }

  TEST_CASE("a full source takes a new address in place of one that never answers") {
    Book b;
    const std::size_t most = AddressBook::kMaxOf[static_cast<std::size_t>(PeerSource::tracker)];
    b.book.set_goal(most + 1);
    for (std::uint32_t i = 0; i < most; ++i) b.add(v4(kPublic + (i << 8)), PeerSource::tracker);
    CHECK_FALSE(b.add(v4(1 << 24), PeerSource::tracker));
    b.now += std::chrono::seconds(1);
    CHECK(b.connect_all().size() == most);
    b.fail(v4(kPublic + (7 << 8)));
    CHECK(b.add(v4(1 << 24), PeerSource::tracker));
    CHECK_FALSE(b.book.knows(v4(kPublic + (7 << 8))));
    CHECK(b.book.count(PeerSource::tracker) == most);
  }

  TEST_CASE("what peers tell of one network, or of one host inside, is bounded") {
    Book b;
    std::size_t taken = 0;
    for (std::uint32_t i = 0; i < 200; ++i) {
      taken += b.add(v4(kPublic + i), PeerSource::pex, v4(0x51000000 + (i << 8)));
    }
    CHECK(taken == AddressBook::kMaxPerNetwork);
    taken = 0;
    for (std::uint16_t port = 1; port < 200; ++port) {
      const auto teller = v4(0x52000000 + (std::uint32_t{port} << 8));
      taken += b.add(v4(0x0a000001, port), PeerSource::pex, teller);
    }
    CHECK(taken == AddressBook::kMaxPerInternalHost);
    // The neighbours in a network of one's own are all welcome, and so is whom the user names.
    taken = 0;
    for (std::uint32_t i = 1; i < 65; ++i) {
      taken += b.add(v4(0x0a000100 + i), PeerSource::pex, v4(0x52000000 + (i << 8)));
      CHECK(b.add(v4(kPublic + 0x100 + i)));
    }
    CHECK(taken == 64);
    taken = 0;
    for (std::uint16_t i = 0; i < 200; ++i) {
      std::array<std::uint8_t, 16> address = {0x2a, 0x01};
      address[15] = static_cast<std::uint8_t>(i);
      taken += b.add(TransportAddress::v6(address, 6778), PeerSource::inbound);
    }
    CHECK(taken == AddressBook::kMaxPerNetwork);
  }

  TEST_CASE("one peer cannot fill the room for what peers tell, whatever its port (12.2)") {
    Book b;
    std::size_t taken = 0;
    for (std::uint32_t i = 0; i < 5'000; ++i) {
      const auto teller = v4(0x51000001, static_cast<std::uint16_t>(1'000 + i));
      taken += b.add(v4(kPublic + (i << 8)), PeerSource::pex, teller);
    }
    CHECK(taken == AddressBook::kMaxPerTeller);
    CHECK(b.add(v4(1 << 24), PeerSource::pex, v4(0x53000001)));
  }

  TEST_CASE("who told many dead addresses is not believed for a while; who told live ones is") {
    Book b;
    const auto told = [&b](std::uint32_t first, bool alive) {
      std::size_t taken = 0;
      for (std::uint32_t i = first; i < first + 40; ++i) {
        if (!b.add(v4(kPublic + (i << 8)), PeerSource::pex)) break;
        ++taken;
        for (const auto& tried : b.connect_all()) {
          if (alive) {
            b.book.on_established(tried.address);
            b.close(tried.address, Ending::replaced);
          } else {
            b.fail(tried.address);
          }
        }
      }
      return taken;
    };
    CHECK(told(0, true) == 40);
    CHECK(told(100, false) == 40);  // an honest peer knows some that only it can reach
    std::size_t more = 0;
    for (std::uint32_t i = 2; i < 20; ++i) more += told(i * 100, false);
    CHECK(more <= 60);
    CHECK(told(5'000, true) == 0);
    b.now += 11min;
    CHECK(told(5'000, true) == 40);
  }

  TEST_CASE("an address that a peer told and that does not answer is tried once, then avoided") {
    Book b;
    const auto victim = v4(kPublic);
    std::size_t attempts = 0;
    const TimePoint end = b.now + 24h;
    for (std::uint32_t i = 0; b.now < end; ++i, b.now += 10s) {
      b.add(victim, PeerSource::pex, v4(0x51000000 + (i << 8)));  // by another peer each time
      for (const auto& tried : b.connect_all()) {
        ++attempts;
        b.fail(tried.address);
      }
    }
    CHECK(attempts >= 2);  // it may come back
    CHECK(attempts <= 20);
    // A tracker that names it now is believed.
    CHECK(b.add(victim, PeerSource::tracker));
  }

  TEST_CASE("few addresses told by peers are tried at the same time") {
    Book b;
    for (std::uint32_t i = 0; i < 100; ++i) {
      b.add(v4(kPublic + (i << 8)), PeerSource::pex, v4(0x51000000 + (i << 8)));
    }
    const auto tried = b.connect_all();
    CHECK(tried.size() == AddressBook::kMaxUnprovenAttempts);
    CHECK(b.book.deadline() == kNever);
    b.book.on_established(tried[0].address);
    CHECK(b.book.deadline() <= b.now);
    CHECK(b.connect_all().size() == 1);
  }

  TEST_CASE(
      "part of the channels stay for addresses that no peer told (3.10.1 #177, 12.2.3 #187)") {
    Book b;
    b.book.set_goal(20);
    const auto answer_all = [&b] {
      std::size_t begun = 0;
      for (;;) {
        const auto tried = b.connect_all();
        if (tried.empty()) return begun;
        begun += tried.size();
        for (const auto& peer : tried) b.book.on_established(peer.address);
      }
    };
    for (std::uint32_t i = 0; i < 100; ++i) {
      const auto source = i % 2 == 0 ? PeerSource::pex : PeerSource::certified;
      b.add(v4(kPublic + (i << 8)), source, v4(0x51000000 + (i << 8)));
    }
    CHECK(answer_all() == 15);
    for (std::uint32_t i = 0; i < 100; ++i) b.add(v4((1 << 24) + (i << 8)), PeerSource::tracker);
    b.now += std::chrono::seconds(1);
    CHECK(answer_all() == 5);
    CHECK(b.book.ours() == 20);
    CHECK(b.book.ours_by_peers() == 15);
    CHECK(b.book.deadline() == kNever);
    // Whom the user names is contacted in any case.
    b.add(v4(2 << 24));
    CHECK(answer_all() == 1);
  }

  TEST_CASE("who was good comes before the unknown, or after, when something new is wanted") {
    Book b;
    b.book.set_goal(1);
    b.add(v4(kPublic), PeerSource::tracker);
    b.connect_all();
    b.book.on_established(v4(kPublic));
    b.close(v4(kPublic), Ending::ordinary, true);
    b.now += 1s;
    b.add(v4(kPublic + 0x100), PeerSource::local);
    CHECK(b.book.next(b.now)->address == v4(kPublic));
    CHECK(b.book.next(b.now, true)->address == v4(kPublic + 0x100));
  }

  TEST_CASE("who sent too much that was wrong is avoided; who was replaced rests") {
    Book b;
    for (const auto source : {PeerSource::user, PeerSource::pex}) {
      const auto address = v4(source == PeerSource::user ? kPublic : kPublic + 0x100);
      b.add(address, source);
      b.connect_all();
      b.book.on_established(address);
      b.close(address, Ending::faults);
      b.add(address, source);
      CHECK(b.connect_all().empty());
    }
    CHECK(b.book.deadline() == b.now + 10min);  // the user's
    b.add(v4(kPublic + 0x200), PeerSource::tracker);
    b.connect_all();
    b.book.on_established(v4(kPublic + 0x200));
    b.close(v4(kPublic + 0x200), Ending::replaced);
    CHECK(b.book.deadline() == b.now + 5min);
  }

  TEST_CASE("an address is worth what the best who named it is worth") {
    Book b;
    b.add(v4(kPublic), PeerSource::pex);
    b.connect_all();
    b.book.on_established(v4(kPublic));
    CHECK(b.book.ours_by_peers() == 1);
    b.add(v4(kPublic), PeerSource::tracker);
    CHECK(b.book.ours_by_peers() == 0);
    CHECK(b.book.source_of(v4(kPublic)) == PeerSource::tracker);
    b.add(v4(kPublic), PeerSource::pex);
    CHECK(b.book.source_of(v4(kPublic)) == PeerSource::tracker);
    CHECK(b.book.count(PeerSource::pex) == 0);
  }

  TEST_CASE("who is connected, whoever began, is not contacted; without room nobody is") {
    Book b;
    b.add(v4(kPublic));
    b.book.on_connecting(v4(kPublic), ChannelId{7}, false);
    CHECK(b.connect_all().empty());
    CHECK(b.book.ours() == 0);
    b.book.on_closed(v4(kPublic), ChannelId{8}, Ending::ordinary, false, b.now);  // another one
    CHECK(b.connect_all().empty());
    b.book.on_closed(v4(kPublic), ChannelId{7}, Ending::forgotten, false, b.now);
    b.book.hold(b.now + 1s);
    CHECK(b.connect_all().empty());
    CHECK(b.book.deadline() == b.now + 1s);
    b.book.hold({});
    CHECK(b.connect_all().size() == 1);
  }

  TEST_CASE("the order of what peers told is chosen by our random numbers, the same for the same") {
    const auto order = [](std::uint64_t seed) {
      Book b;
      b.random = Rng(seed);
      for (std::uint32_t i = 0; i < 8; ++i) b.add(v4(kPublic + (i << 8)), PeerSource::pex);
      std::vector<TransportAddress> tried;
      for (const auto& peer : b.connect_all()) tried.push_back(peer.address);
      return tried;
    };
    CHECK(order(1) == order(1));
    CHECK(order(1) != order(2));
  }

  TEST_CASE("anything in any order keeps the book consistent and bounded") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      CAPTURE(seed);
      Rng rng(seed);
      Book b;
      b.random = Rng(seed + 1'000);
      std::map<TransportAddress, ChannelId> open;
      for (int step = 0; step < 3'000; ++step) {
        const auto address = v4(kPublic + static_cast<std::uint32_t>(rng.below(2'000) << 6));
        switch (rng.below(8)) {
          case 0:
          case 1:
          case 2:
            b.book.add(address, static_cast<PeerSource>(rng.below(kPeerSources)), b.now, b.random,
                       v4(0x51000000 + static_cast<std::uint32_t>(rng.below(300))));
            break;
          case 3:
            if (const auto next = b.book.next(b.now, rng.below(2) == 0)) {
              CHECK_FALSE(open.contains(next->address));
              open[next->address] = ChannelId{static_cast<std::uint32_t>(step + 1)};
              b.book.on_connecting(next->address, open[next->address], rng.below(4) != 0);
            }
            break;
          case 4:
            if (!open.empty()) b.book.on_established(open.begin()->first);
            break;
          case 5:
            if (!open.empty()) {
              b.book.on_closed(open.begin()->first, open.begin()->second,
                               static_cast<Ending>(rng.below(5)), rng.below(2) == 0, b.now);
              open.erase(open.begin());
            }
            break;
          case 6:
            b.book.postpone(address, b.now);
            break;
          default:
            b.now += Microseconds(rng.below(20'000'000));
            b.book.set_goal(rng.below(40));
        }
        if (step % 50 == 0) b.book.check_invariants();
      }
      b.book.check_invariants();
      CHECK(b.book.size() <= AddressBook::kMaxPeers);
    }
  }
}

}  // namespace
}  // namespace ppspp
