// What the catalogue was told is there when it is opened again, whatever happens to the process or
// to the file.
#include "catalogue.h"

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ppspp/random_source.h"
#include "support/seed.h"
#include "support/temporary_directory.h"

namespace ppspp::daemon {
namespace {

namespace fs = std::filesystem;
namespace asio = boost::asio;
using control::AccountEntry;

const std::string kToday = "2026-11-21";

struct Directory : test::TemporaryDirectory {
  fs::path file() const { return path() / "catalogue.db"; }
};

// A catalogue whose changes are waited for.
struct Open {
  explicit Open(const fs::path& file) {
    auto opened = Catalogue::open(io, file, kToday);
    REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().context));
    catalogue = std::move(opened->catalogue);
    content = std::move(opened->content);
    warning = opened->warning;
  }

  template <typename Ask>
  Result<void> wait(Ask ask) {
    std::optional<Result<void>> result;
    ask([&](const Result<void>& done) { result = done; });
    io.restart();
    io.run_for(std::chrono::seconds(20));
    REQUIRE(result.has_value());
    return *result;
  }
  void put(const SwarmRecord& record) {
    REQUIRE(wait([&](Catalogue::Done done) { catalogue->put(record, std::move(done)); }));
  }
  void erase(std::uint64_t number) {
    REQUIRE(wait([&](Catalogue::Done done) { catalogue->erase(number, std::move(done)); }));
  }
  std::vector<AccountEntry> accounts(const std::string& from, const std::string& to) {
    control::AccountQuery query;
    query.from = from;
    query.to = to;
    return page(query).accounts;
  }
  control::AccountPage page(const control::AccountQuery& query) {
    std::optional<Result<control::AccountPage>> found;
    catalogue->accounts(query, [&](auto result) { found = std::move(result); });
    io.restart();
    io.run_for(std::chrono::seconds(20));
    REQUIRE(found.has_value());
    REQUIRE(*found);
    return **found;
  }

  asio::io_context io;
  std::unique_ptr<Catalogue> catalogue;
  CatalogueContent content;
  std::string warning;
};

std::string text(Rng& random) {
  std::string result;
  for (std::uint64_t i = random.below(20); i > 0; --i) {
    result += static_cast<char>(' ' + random.below(90));
  }
  if (random.below(4) == 0) result += "'\"; \xc3\xa9 DROP TABLE swarms; --";
  return result;
}

template <typename T>
std::optional<T> maybe(Rng& random) {
  if (random.below(2) == 0) return std::nullopt;
  return static_cast<T>(random.next_u64() >> (random.below(3) * 16));
}

SwarmRecord any_record(Rng& random, std::uint64_t number) {
  SwarmRecord record;
  record.number = number;
  record.kind = static_cast<control::SwarmKind>(random.below(5));
  for (std::string* field : {&record.id, &record.url, &record.name, &record.label, &record.path,
                             &record.tree, &record.request, &record.error}) {
    *field = text(random);
  }
  if (random.below(2) == 0) {
    record.stamp = FileStamp{random.next_u64(), random.next_u64(), random.next_u64() >> 1,
                             static_cast<std::int64_t>(random.next_u64()),
                             static_cast<std::int64_t>(random.next_u64())};
  }
  for (std::uint64_t i = random.below(4); i > 0; --i) {
    record.peers.push_back("peer" + std::to_string(random.below(1'000)) + ":6778");
  }
  record.limits = {maybe<std::uint64_t>(random), maybe<std::uint64_t>(random),
                   maybe<std::uint64_t>(random), maybe<std::uint64_t>(random),
                   maybe<std::uint32_t>(random), maybe<std::uint32_t>(random)};
  record.paused = random.below(2) == 0;
  record.complete = random.below(2) == 0;
  record.fetched = random.below(2) == 0;
  record.added_at = static_cast<std::int64_t>(random.below(2'000'000'000));
  record.completed_at = maybe<std::int64_t>(random);
  record.opens_at = maybe<std::int64_t>(random);
  record.totals = {random.next_u64() >> 1, random.next_u64() >> 1, random.below(1'000)};
  return record;
}

// What a catalogue should hold.
struct Model {
  std::map<std::uint64_t, SwarmRecord> swarms;
  std::map<std::string, BanRecord> bans;
  std::map<std::string, std::string> settings;
  std::map<std::pair<std::string, std::uint64_t>, AccountEntry> accounts;
  std::uint64_t next = 1;

  void check(const CatalogueContent& content) const {
    REQUIRE(content.swarms.size() == swarms.size());
    for (const SwarmRecord& record : content.swarms) REQUIRE(record == swarms.at(record.number));
    REQUIRE(content.bans.size() == bans.size());
    for (const BanRecord& ban : content.bans) REQUIRE(ban == bans.at(ban.network));
    for (const auto& [name, value] : settings) {
      const auto found =
          std::find(content.settings.begin(), content.settings.end(), std::pair(name, value));
      REQUIRE(found != content.settings.end());
    }
    CHECK(content.next_number >= next);
  }
};

void random_change(Rng& random, Open& open, Model& model) {
  const std::uint64_t number = 1 + random.below(12);
  const std::string network = "192.0.2." + std::to_string(random.below(5));
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2: {
      const SwarmRecord record = any_record(random, number);
      open.catalogue->put(record, {});
      model.swarms[number] = record;
      model.next = std::max(model.next, number + 1);
      return;
    }
    case 3:
      open.catalogue->erase(number, {});
      model.swarms.erase(number);
      return;
    case 4:
      model.bans[network] = {network, text(random), maybe<std::int64_t>(random)};
      open.catalogue->put_ban(model.bans[network], {});
      return;
    case 5:
      model.bans.erase(network);
      open.catalogue->erase_ban(network, {});
      return;
    case 6: {
      const std::string name = "setting" + std::to_string(random.below(3));
      model.settings[name] = text(random);
      open.catalogue->put_setting(name, model.settings[name], {});
      return;
    }
    default: {
      const std::string day = "2026-11-2" + std::to_string(random.below(3));
      const Totals totals = {random.below(1'000'000), random.below(1'000'000), random.below(9)};
      const AccountEntry account = {
          number, "id", text(random), text(random), day, random.below(1'000), random.below(1'000)};
      open.catalogue->put_totals({{number, totals, account}}, {});
      if (const auto found = model.swarms.find(number); found != model.swarms.end()) {
        found->second.totals = totals;
      }
      model.accounts[{day, number}] = account;
      return;
    }
  }
}

TEST_CASE("what was put is there when the catalogue is opened again, at every step") {
  Rng random(test::seed());
  const Directory directory;
  Model model;
  for (int step = 0; step < 60; ++step) {
    CAPTURE(step);
    Open open(directory.file());
    CHECK(open.warning.empty());
    model.check(open.content);
    for (std::uint64_t i = random.below(8); i > 0; --i) random_change(random, open, model);
    const auto accounts = open.accounts("", "");
    REQUIRE(accounts.size() == model.accounts.size());
    for (const AccountEntry& account : accounts) {
      REQUIRE(account == model.accounts.at({account.day, account.number}));
    }
  }
}

TEST_CASE("accounts are found by day, and those of today when the catalogue is opened") {
  const Directory directory;
  Open open(directory.file());
  for (const char* day : {"2026-11-19", "2026-11-20", "2026-11-21"}) {
    const AccountEntry account = {7, "id", "name", "label", day, 10, 20};
    REQUIRE(open.wait([&](Catalogue::Done done) {
      open.catalogue->put_totals({{7, {}, account}}, std::move(done));
    }));
  }
  CHECK(open.accounts("2026-11-20", "").size() == 2);
  CHECK(open.accounts("", "2026-11-20").size() == 2);
  CHECK(open.accounts("2026-11-20", "2026-11-20").size() == 1);
  CHECK(open.accounts("2026-12-01", "").empty());
  open.catalogue.reset();
  const Open again(directory.file());
  REQUIRE(again.content.today.size() == 1);
  CHECK(again.content.today[0].day == kToday);
}

TEST_CASE("accounts come in pages, also those of one label") {
  const Directory directory;
  Open open(directory.file());
  std::vector<TotalsUpdate> updates;
  for (const char* day : {"2026-11-19", "2026-11-20"}) {
    for (std::uint64_t number = 1; number <= 9; ++number) {
      updates.push_back(
          {number, {}, {number, "id", "name", number % 2 == 0 ? "even" : "", day, number, 0}});
    }
  }
  REQUIRE(open.wait(
      [&](Catalogue::Done done) { open.catalogue->put_totals(updates, std::move(done)); }));
  const auto walk = [&](control::AccountQuery query) {
    std::vector<std::string> seen;
    for (std::size_t pages = 0; pages < 20; ++pages) {
      const control::AccountPage page = open.page(query);
      CHECK(page.accounts.size() <= query.limit);
      for (const AccountEntry& entry : page.accounts) {
        seen.push_back(entry.day + "." + std::to_string(entry.number));
      }
      if (!page.next) return seen;
      REQUIRE_FALSE(page.accounts.empty());
      CHECK(*page.next == seen.back());
      query.after_day = page.accounts.back().day;
      query.after_number = page.accounts.back().number;
    }
    FAIL("pages without end");
    return seen;
  };
  control::AccountQuery query;
  const auto all = walk(query);
  CHECK(all.size() == 18);
  CHECK(std::is_sorted(all.begin(), all.end()));
  for (const std::size_t limit : {1U, 4U, 9U, 18U, 19U}) {
    query.limit = limit;
    CHECK(walk(query) == all);
  }
  query.label = "even";
  query.limit = 3;
  CHECK(walk(query).size() == 8);
  query.label = "";
  CHECK(walk(query).size() == 10);
  query.from = query.to = "2026-11-20";
  CHECK(walk(query).size() == 5);
}

TEST_CASE("numbers are not used again, also those of swarms that were removed or never put") {
  Rng random(test::seed());
  const Directory directory;
  {
    Open open(directory.file());
    CHECK(open.content.next_number == 1);
    open.put(any_record(random, 5));
    open.erase(5);
  }
  {
    Open open(directory.file());
    CHECK(open.content.next_number == 6);
    REQUIRE(open.wait(
        [&](Catalogue::Done done) { open.catalogue->keep_numbers(106, std::move(done)); }));
    open.put(any_record(random, 6));
  }
  const Open open(directory.file());
  CHECK(open.content.next_number == 106);
}

TEST_CASE("changes that come together share transactions") {
  Rng random(test::seed());
  const Directory directory;
  Open open(directory.file());
  std::size_t done = 0;
  for (std::uint64_t i = 1; i <= 2'000; ++i) {
    open.catalogue->put(any_record(random, i), [&](const Result<void>& put) {
      REQUIRE(put);
      ++done;
    });
  }
  open.io.restart();
  open.io.run_for(std::chrono::seconds(60));
  CHECK(done == 2'000);
  CHECK(open.catalogue->commits() < 1'000);
}

// The process is killed while it writes: what it was told to be done is there.
TEST_CASE("a kill at any moment loses nothing that was acknowledged") {
  Rng random(test::seed());
  const Directory directory;
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < 5; ++round) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(ends[0]);
      asio::io_context io;
      auto opened = Catalogue::open(io, directory.file(), kToday);
      if (!opened) ::_exit(1);
      std::function<void(std::uint64_t)> put = [&](std::uint64_t number) {
        SwarmRecord record;
        record.number = number;
        opened->catalogue->put(record, [&, number](const Result<void>& done) {
          if (!done || ::write(ends[1], &number, sizeof number) != sizeof number) ::_exit(1);
          put(number + 1);
        });
      };
      put(opened->content.next_number);
      io.run();
      ::_exit(0);
    }
    ::close(ends[1]);
    std::uint64_t number = 0;
    const std::uint64_t enough = acknowledged + 1 + random.below(30);
    while (acknowledged < enough && ::read(ends[0], &number, sizeof number) == sizeof number) {
      acknowledged = number;
    }
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    while (::read(ends[0], &number, sizeof number) == sizeof number) acknowledged = number;
    ::close(ends[0]);
    REQUIRE(acknowledged >= enough);
    const Open open(directory.file());
    CHECK(open.warning.empty());
    CHECK(open.content.swarms.size() >= acknowledged);
    acknowledged = open.content.swarms.size();
  }
}

// --- Damage

void write_swarms(const Directory& directory, std::uint64_t count) {
  Open open(directory.file());
  for (std::uint64_t i = 1; i <= count; ++i) {
    SwarmRecord record;
    record.number = i;
    record.name = std::string(200, 'x');
    open.catalogue->put(record, {});
  }
  static_cast<void>(open.accounts("", ""));
}

std::size_t put_aside(const Directory& directory) {
  std::size_t count = 0;
  for (const auto& file : fs::directory_iterator(directory.path())) {
    const std::string name = file.path().filename().string();
    if (name.find(".damaged-") != std::string::npos && !name.ends_with("-wal") &&
        !name.ends_with("-shm")) {
      ++count;
    }
  }
  return count;
}

void overwrite(const fs::path& file, std::uint64_t offset, std::size_t size, char with) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(static_cast<std::streamoff>(offset));
  stream << std::string(size, with);
}

TEST_CASE("a file that is no database is put aside, and said so") {
  const Directory directory;
  std::ofstream(directory.file()) << std::string(10'000, 'z');
  const auto checked = Catalogue::check(directory.file());
  REQUIRE(!checked);
  CHECK(checked.error().context.find("damaged") != std::string::npos);
  const Open open(directory.file());
  CHECK(open.content.swarms.empty());
  CHECK(open.warning.find(".damaged-") != std::string::npos);
  CHECK(put_aside(directory) == 1);
  CHECK(Catalogue::check(directory.file()));
}

TEST_CASE("of a damaged file, what can be read is taken over") {
  const Directory directory;
  write_swarms(directory, 2'000);
  const auto size = fs::file_size(directory.file());
  REQUIRE(size > 100'000);
  overwrite(directory.file(), size / 2 / 4096 * 4096, 4096, '\xff');
  CHECK(!Catalogue::check(directory.file()));
  Open open(directory.file());
  CHECK(open.warning.find("damaged") != std::string::npos);
  CHECK(put_aside(directory) == 1);
  CHECK(open.content.swarms.size() < 2'000);
  CHECK(open.content.swarms.size() > 1'500);
  CHECK(open.content.next_number == 2'001);
  open.put(SwarmRecord{.number = 2'001});
  open.catalogue.reset();
  const Open again(directory.file());
  CHECK(again.warning.empty());
  CHECK(again.content.swarms.back().number == 2'001);
}

// Wherever a file is hit, it is opened, and the process lives on.
TEST_CASE("random damage never ends the daemon") {
  Rng random(test::seed());
  for (int round = 0; round < 25; ++round) {
    CAPTURE(round);
    const Directory directory;
    write_swarms(directory, 1 + random.below(200));
    const auto size = fs::file_size(directory.file());
    if (random.below(3) == 0) {
      fs::resize_file(directory.file(), random.below(size + 1));
    } else {
      for (std::uint64_t i = 1 + random.below(20); i > 0; --i) {
        overwrite(directory.file(), random.below(size), 1 + random.below(64),
                  static_cast<char>(random.next_u64()));
      }
    }
    asio::io_context io;
    const auto opened = Catalogue::open(io, directory.file(), kToday);
    // Only the mark of whose file it is, or of its version, may be a reason not to begin.
    if (!opened) {
      const bool refused =
          opened.error().code == Errc::exists || opened.error().code == Errc::not_supported;
      CHECK_MESSAGE(refused, opened.error().context);
      CHECK(fs::exists(directory.file()));
    }
  }
}

TEST_CASE("a catalogue of a newer version is not touched") {
  const Directory directory;
  write_swarms(directory, 3);
  overwrite(directory.file(), 60, 4, '\x01');  // user_version in the header
  fs::remove(directory.file().string() + "-wal");
  asio::io_context io;
  const auto opened = Catalogue::open(io, directory.file(), kToday);
  REQUIRE(!opened);
  CHECK(opened.error().code == Errc::not_supported);
  CHECK(opened.error().context.find("newer") != std::string::npos);
  CHECK(put_aside(directory) == 0);
}

TEST_CASE("a full disk refuses changes, and takes them again when there is room") {
  if (::geteuid() != 0) return;  // needs a file system of its own
  const Directory directory;
  const fs::path mount = directory.path() / "small";
  fs::create_directory(mount);
  const std::string command = "mount -t tmpfs -o size=1m tmpfs " + mount.string() + " 2>/dev/null";
  if (std::system(command.c_str()) != 0) return;
  {
    Open open(mount / "catalogue.db");
    SwarmRecord record;
    record.number = 1;
    open.put(record);
    std::ofstream(mount / "filler") << std::string(2 << 20, 'x');
    record.number = 2;
    record.request = std::string(200'000, 'y');
    const auto refused =
        open.wait([&](Catalogue::Done done) { open.catalogue->put(record, std::move(done)); });
    REQUIRE(!refused);
    CHECK(refused.error().code == Errc::no_space);
    CHECK(open.catalogue->failures() == 1);
    fs::remove(mount / "filler");
    open.put(record);
  }
  {
    const Open again(mount / "catalogue.db");
    CHECK(again.warning.empty());
    CHECK(again.content.swarms.size() == 2);
  }
  CHECK(std::system(("umount " + mount.string()).c_str()) == 0);
}

}  // namespace
}  // namespace ppspp::daemon
