// A list of commands on three BinSets and on three plain sets, which must agree.
//
// The first octet chooses where the universe of 2^13 chunks lies, the second how many pages the
// first set may have. A command is an octet (what, and with which set) and two numbers of two
// octets.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "bins/bin_set.h"
#include "bins/bin_set_model.h"
#include "fuzz_input.h"

namespace {

using ppspp::BinSet;
using ppspp::ChunkIndex;
using ppspp::ChunkRange;
using ppspp::fuzz::Input;
using ppspp::fuzz::require;
using ppspp::test::BinSetModel;

constexpr std::size_t kUniverse = 1 << 13;
constexpr std::size_t kMaxCommands = 128;

class Sets {
 public:
  Sets(ChunkIndex base, std::size_t max_pages)
      : bounded_(max_pages < 16),
        sets_{BinSet(bounded_ ? max_pages : BinSet::kUnbounded), BinSet(), BinSet()},
        models_{BinSetModel(base, kUniverse), BinSetModel(base, kUniverse),
                BinSetModel(base, kUniverse)} {}

  void run(Input& in) {
    const unsigned command = in.octet();
    const std::size_t which = command / 16 % 3;
    const ChunkIndex base = models_[which].base();
    const ChunkIndex begin = base + in.number(2) % kUniverse;
    const ChunkIndex end = std::min(begin + in.number(2) % kUniverse, models_[which].end());
    switch (command % 8) {
      case 0:
      case 1:
        change(which, sets_.at(which).insert({begin, end}), {begin, end}, true);
        break;
      case 2:
      case 3:
        change(which, sets_.at(which).erase({begin, end}), {begin, end}, false);
        break;
      case 4:
        replace(which);
        break;
      case 5:
        ask_for_run({begin, end}, command / 16);
        break;
      default:
        ask(which, begin, {begin, end});
        break;
    }
  }

  void check() {
    for (std::size_t i = 0; i < sets_.size(); ++i) {
      sets_.at(i).check_invariants();
      require(models_.at(i).equals(sets_.at(i)));
    }
  }

 private:
  void change(std::size_t which, bool done, ChunkRange range, bool insert) {
    BinSetModel& model = models_.at(which);
    insert ? model.insert(range) : model.erase(range);
    const BinSet& set = sets_.at(which);
    set.check_invariants();
    require(done || (bounded_ && which == 0));
    if (!done) require(model.reduce_to(set));
  }

  // The set becomes a copy of its neighbour, as far as its pages reach.
  void replace(std::size_t which) {
    const std::size_t other = (which + 1) % 3;
    if (bounded_ && (which == 0 || other == 0)) {
      sets_.at(which).clear();
      models_.at(which).clear();
    } else {
      sets_.at(which) = sets_.at(other);
      models_.at(which) = models_.at(other);
      require(sets_.at(which) == sets_.at(other));
    }
  }

  void ask(std::size_t which, ChunkIndex chunk, ChunkRange range) const {
    const BinSet& set = sets_.at(which);
    const BinSetModel& model = models_.at(which);
    require(set.contains(chunk) == model.contains(chunk));
    require(set.word(chunk / 64) == model.word(chunk / 64));
    require(set.next_in(chunk) == model.next_in(chunk));
    require(set.next_out(chunk) == model.next_out(chunk));
    require(set.run_around(chunk) == model.run_around(chunk));
    require(set.next_run(chunk) == model.next_run(chunk));
    require(set.contains(range) == model.contains(range));
    require(set.intersects(range) == model.intersects(range));
  }

  void ask_for_run(ChunkRange window, std::uint64_t max_size) const {
    require(first_run_in_but_not_in(sets_[0], sets_[1], sets_[2], window, max_size) ==
            first_run_in_but_not_in(models_[0], models_[1], models_[2], window, max_size));
  }

  bool bounded_;
  std::array<BinSet, 3> sets_;
  std::array<BinSetModel, 3> models_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr ChunkIndex kBases[] = {0, 1000, (ChunkIndex{1} << 32) - 3000,
                                   ppspp::kMaxChunks - kUniverse};
  Input in(data, size);
  const ChunkIndex base = kBases[in.octet() % std::size(kBases)];
  Sets sets(base, in.octet());
  for (std::size_t i = 0; i < kMaxCommands && !in.at_end(); ++i) sets.run(in);
  sets.check();
  return 0;
}
