#include "sim/enemies.h"

#include <fmt/format.h>

namespace ppspp::sim {

Enemies::Enemies(World& world, const Content& content)
    : world_(world), team_{.world = &world, .content = &content} {
  team_.victim = world.address(world.add_speaker({}, victim_));
}

Result<std::vector<EnemyKind>> Enemies::kinds_of(std::string_view name) {
  std::vector<EnemyKind> kinds;
  for (std::size_t i = 0; i < kEnemyKinds; ++i) {
    if (name == "mixed" || name == kEnemyNames[i]) kinds.push_back(static_cast<EnemyKind>(i));
  }
  if (!kinds.empty()) return kinds;
  return fail(Errc::invalid_argument, fmt::format("there is no kind of enemies \"{}\": mixed, {}",
                                                  name, fmt::join(kEnemyNames, ", ")));
}

NodeId Enemies::add(EnemyKind kind, const NodeOptions& options) {
  enemies_.push_back(std::make_unique<Enemy>(team_, kind, options, world_.random().next_u64()));
  team_.fellows.push_back(enemies_.back()->address());
  return enemies_.back()->node();
}

void Enemies::add(std::span<const EnemyKind> kinds, std::size_t count, const NodeOptions& options) {
  for (std::size_t i = 0; i < count; ++i) add(kinds[i % kinds.size()], options);
}

void Enemies::set_honest(std::span<const NodeId> honest) {
  team_.honest.clear();
  for (const NodeId node : honest) team_.honest.push_back(world_.address(node));
}

void Enemies::start() {
  for (const auto& enemy : enemies_) enemy->start();
}

void Enemies::stop() {
  for (const auto& enemy : enemies_) enemy->stop();
}

EnemyTally Enemies::tally() const {
  EnemyTally sum;
  for (const auto& enemy : enemies_) sum.add(enemy->tally());
  return sum;
}

std::string Enemies::report() const {
  std::string text;
  for (std::size_t i = 0; i < kEnemyKinds; ++i) {
    EnemyTally sum;
    std::size_t count = 0;
    for (const auto& enemy : enemies_) {
      if (enemy->kind() != static_cast<EnemyKind>(i)) continue;
      sum.add(enemy->tally());
      ++count;
    }
    if (count == 0) continue;
    text += fmt::format(
        "{:>10} x{}: in {} out {} taken {} asked {} served {} lies {} opened {} closed {} spoofed "
        "{}\n",
        kEnemyNames[i], count, sum.octets_in, sum.octets_out, sum.taken, sum.asked, sum.served,
        sum.lies, sum.opened, sum.closed, sum.spoofed);
  }
  return text +
         fmt::format("victim: {} datagrams, {} octets\n", victim_.datagrams(), victim_.octets());
}

}  // namespace ppspp::sim
