#include "catalogue_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace ppspp::daemon {
namespace {

constexpr std::int64_t kApplication = 0x50505350;  // "PPSP": whose file it is
constexpr std::string_view kNextNumber = "next_number";

// Each entry brings the tables from the version of its index to the next.
constexpr std::array kMigrations = {
    R"(
CREATE TABLE swarms(
  number INTEGER PRIMARY KEY, kind INTEGER NOT NULL, id TEXT NOT NULL, url TEXT NOT NULL,
  name TEXT NOT NULL, label TEXT NOT NULL, path TEXT NOT NULL, tree TEXT NOT NULL,
  device INTEGER, inode INTEGER, size INTEGER, modified INTEGER, changed INTEGER,
  request TEXT NOT NULL, peers TEXT NOT NULL,
  upload INTEGER, download INTEGER, upload_per_peer INTEGER, download_per_peer INTEGER,
  weight INTEGER, max_channels INTEGER,
  paused INTEGER NOT NULL, complete INTEGER NOT NULL, fetched INTEGER NOT NULL,
  error TEXT NOT NULL, added_at INTEGER NOT NULL, completed_at INTEGER, opens_at INTEGER,
  uploaded INTEGER NOT NULL, downloaded INTEGER NOT NULL, rejected INTEGER NOT NULL);
CREATE TABLE bans(network TEXT PRIMARY KEY, reason TEXT NOT NULL, until INTEGER) WITHOUT ROWID;
CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE accounts(
  day TEXT NOT NULL, number INTEGER NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL,
  label TEXT NOT NULL, uploaded INTEGER NOT NULL, downloaded INTEGER NOT NULL,
  PRIMARY KEY(day, number)) WITHOUT ROWID;
)"};
constexpr auto kVersion = static_cast<std::int64_t>(kMigrations.size());

constexpr std::string_view kReadSwarms = "SELECT * FROM swarms ORDER BY number";
constexpr std::string_view kReadBans = "SELECT network, reason, until FROM bans";
constexpr std::string_view kReadSettings = "SELECT name, value FROM settings";
constexpr std::string_view kReadAccounts =
    "SELECT number, id, name, label, day, uploaded, downloaded FROM accounts "
    "WHERE day >= ?1 AND (?2 = '' OR day <= ?2) AND (day, number) > (?3, ?4) "
    "AND (?5 IS NULL OR label = ?5) ORDER BY day, number LIMIT ?6";
constexpr std::int64_t kAll = -1;  // LIMIT

std::string join_lines(const std::vector<std::string>& lines) {
  return fmt::format("{}", fmt::join(lines, "\n"));
}

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// The columns in the order of the table.
SwarmRecord swarm_of(const Statement& row) {
  SwarmRecord record;
  int column = 0;
  record.number = row.natural(column++);
  record.kind = static_cast<control::SwarmKind>(std::clamp<std::int64_t>(
      row.integer(column++), 0, static_cast<std::int64_t>(control::SwarmKind::directory)));
  for (std::string* text :
       {&record.id, &record.url, &record.name, &record.label, &record.path, &record.tree}) {
    *text = row.text(column++);
  }
  if (!row.is_null(column)) {
    record.stamp = FileStamp{row.natural(column), row.natural(column + 1), row.natural(column + 2),
                             row.integer(column + 3), row.integer(column + 4)};
  }
  column += 5;
  record.request = row.text(column++);
  record.peers = split_lines(row.text(column++));
  record.limits.upload = row.optional<std::uint64_t>(column++);
  record.limits.download = row.optional<std::uint64_t>(column++);
  record.limits.upload_per_peer = row.optional<std::uint64_t>(column++);
  record.limits.download_per_peer = row.optional<std::uint64_t>(column++);
  record.limits.weight = row.optional<std::uint32_t>(column++);
  record.limits.max_channels = row.optional<std::uint32_t>(column++);
  for (bool* flag : {&record.paused, &record.complete, &record.fetched}) {
    *flag = row.integer(column++) != 0;
  }
  record.error = row.text(column++);
  record.added_at = row.integer(column++);
  record.completed_at = row.optional<std::int64_t>(column++);
  record.opens_at = row.optional<std::int64_t>(column++);
  record.totals = {row.natural(column), row.natural(column + 1), row.natural(column + 2)};
  return record;
}

control::AccountEntry account_of(const Statement& row) {
  return {row.natural(0), row.text(1),    row.text(2),   row.text(3),
          row.text(4),    row.natural(5), row.natural(6)};
}

// Calls `take` for each row; false from it ends the reading.
template <typename Take>
Result<void> for_each(Statement& statement, Take take) {
  for (;;) {
    const auto row = statement.step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return {};
    take(statement);
  }
}

template <typename Take>
Result<void> read_all(Database& database, std::string_view sql, Take take) {
  auto statement = database.prepare(sql);
  if (!statement) return tl::unexpected(statement.error());
  return for_each(*statement, take);
}

std::uint64_t next_number(const CatalogueContent& content) {
  std::uint64_t next = content.swarms.empty() ? 1 : content.swarms.back().number + 1;
  for (const auto& [name, value] : content.settings) {
    if (name == kNextNumber)
      next = std::max<std::uint64_t>(next, std::strtoull(value.c_str(), nullptr, 10));
  }
  return next;
}

}  // namespace

Result<void> prepare_tables(Database& database) {
  const auto application = database.integer("PRAGMA application_id");
  if (!application) return tl::unexpected(application.error());
  const auto version = database.integer("PRAGMA user_version");
  if (!version) return tl::unexpected(version.error());
  const auto tables = database.integer("SELECT count(*) FROM sqlite_master");
  if (!tables) return tl::unexpected(tables.error());
  if (*application != kApplication && *tables > 0) {
    return fail(Errc::exists,
                "the catalogue is a database of another program: name another state "
                "directory");
  }
  if (*version > kVersion) {
    return fail(Errc::not_supported,
                fmt::format("the catalogue was made by a newer ppsppd (version {} of its tables, "
                            "this one knows {}): install that one again",
                            *version, kVersion));
  }
  if (*version == kVersion) return {};
  std::string sql = "BEGIN IMMEDIATE;";
  for (auto i = static_cast<std::size_t>(std::max<std::int64_t>(*version, 0));
       i < kMigrations.size(); ++i) {
    sql += kMigrations[i];
  }
  sql += fmt::format("PRAGMA application_id={}; PRAGMA user_version={}; COMMIT;", kApplication,
                     kVersion);
  const auto made = database.execute(sql);
  if (!made) static_cast<void>(database.execute("ROLLBACK"));
  return made;
}

Result<void> check_tables(Database& database, bool accounts_too) {
  for (const char* table : {"swarms", "bans", "settings", "accounts"}) {
    if (std::string_view(table) == "accounts" && !accounts_too) continue;
    const auto found = database.text(fmt::format("PRAGMA quick_check({})", table));
    if (!found) return tl::unexpected(found.error());
    if (*found != "ok") {
      return fail(Errc::integrity,
                  fmt::format("the table {}: {}", table, found->substr(0, found->find('\n'))));
    }
  }
  return {};
}

Result<CatalogueContent> read_tables(Database& database, const std::string& today) {
  CatalogueContent content;
  auto read = read_all(database, kReadSwarms,
                       [&](const Statement& row) { content.swarms.push_back(swarm_of(row)); });
  if (!read) return tl::unexpected(read.error());
  read = read_all(database, kReadBans, [&](const Statement& row) {
    content.bans.push_back({row.text(0), row.text(1), row.optional<std::int64_t>(2)});
  });
  if (!read) return tl::unexpected(read.error());
  read = read_all(database, kReadSettings, [&](const Statement& row) {
    content.settings.emplace_back(row.text(0), row.text(1));
  });
  if (!read) return tl::unexpected(read.error());
  content.next_number = next_number(content);
  auto accounts = database.prepare(kReadAccounts);
  if (!accounts) return tl::unexpected(accounts.error());
  accounts->begin().bind(today).bind(today).bind("").bind(kAll).bind_null().bind(kAll);
  read =
      for_each(*accounts, [&](const Statement& row) { content.today.push_back(account_of(row)); });
  if (!read) return tl::unexpected(read.error());
  return content;
}

// Forwards up to the damage, then backwards down to it. Errors are what is expected here.
CatalogueContent salvage_tables(Database& database, std::vector<control::AccountEntry>& accounts) {
  CatalogueContent content;
  const auto keep = [&](const Statement& row) {
    SwarmRecord record = swarm_of(row);
    if (record.number > 0) content.swarms.push_back(std::move(record));
  };
  if (!read_all(database, kReadSwarms, keep)) {
    static_cast<void>(read_all(database, "SELECT * FROM swarms ORDER BY number DESC", keep));
  }
  const auto by_number = [](const SwarmRecord& a, const SwarmRecord& b) {
    return a.number < b.number;
  };
  std::stable_sort(content.swarms.begin(), content.swarms.end(), by_number);
  const auto same = [](const SwarmRecord& a, const SwarmRecord& b) { return a.number == b.number; };
  content.swarms.erase(std::unique(content.swarms.begin(), content.swarms.end(), same),
                       content.swarms.end());
  static_cast<void>(read_all(database, kReadBans, [&](const Statement& row) {
    content.bans.push_back({row.text(0), row.text(1), row.optional<std::int64_t>(2)});
  }));
  static_cast<void>(read_all(database, kReadSettings, [&](const Statement& row) {
    content.settings.emplace_back(row.text(0), row.text(1));
  }));
  content.next_number = next_number(content);
  if (auto statement = database.prepare(kReadAccounts)) {
    statement->begin().bind("").bind("").bind("").bind(kAll).bind_null().bind(kAll);
    static_cast<void>(
        for_each(*statement, [&](const Statement& row) { accounts.push_back(account_of(row)); }));
  }
  return content;
}

// --- TableWriter

Result<TableWriter> TableWriter::prepare(Database& database) {
  TableWriter writer;
  const std::pair<Statement*, std::string_view> all[] = {
      {&writer.put_,
       "INSERT OR REPLACE INTO swarms VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"
       "?,?,?,?,?,?,?)"},
      {&writer.erase_, "DELETE FROM swarms WHERE number=?"},
      {&writer.put_ban_, "INSERT OR REPLACE INTO bans VALUES(?,?,?)"},
      {&writer.erase_ban_, "DELETE FROM bans WHERE network=?"},
      {&writer.put_setting_, "INSERT OR REPLACE INTO settings VALUES(?,?)"},
      {&writer.put_totals_,
       "UPDATE swarms SET uploaded=?2, downloaded=?3, rejected=?4 WHERE number=?1"},
      {&writer.put_account_, "INSERT OR REPLACE INTO accounts VALUES(?,?,?,?,?,?,?)"},
      {&writer.accounts_, kReadAccounts},
      {&writer.keep_numbers_,
       "INSERT INTO settings VALUES('next_number', ?1) ON CONFLICT(name) DO UPDATE SET value=?1 "
       "WHERE CAST(value AS INTEGER) < CAST(?1 AS INTEGER)"}};
  for (const auto& [statement, sql] : all) {
    auto prepared = database.prepare(sql);
    if (!prepared) return tl::unexpected(prepared.error());
    *statement = *std::move(prepared);
  }
  return writer;
}

Result<void> TableWriter::put(const SwarmRecord& record) {
  put_.begin().bind(record.number).bind(static_cast<std::int64_t>(record.kind));
  for (const std::string* text :
       {&record.id, &record.url, &record.name, &record.label, &record.path, &record.tree}) {
    put_.bind(*text);
  }
  if (record.stamp) {
    put_.bind(record.stamp->device).bind(record.stamp->inode).bind(record.stamp->size);
    put_.bind(record.stamp->modified_ns).bind(record.stamp->changed_ns);
  } else {
    for (int i = 0; i < 5; ++i) put_.bind_null();
  }
  put_.bind(record.request).bind(join_lines(record.peers));
  const control::Limits& limits = record.limits;
  put_.bind(limits.upload).bind(limits.download).bind(limits.upload_per_peer);
  put_.bind(limits.download_per_peer).bind(limits.weight).bind(limits.max_channels);
  for (const bool flag : {record.paused, record.complete, record.fetched}) {
    put_.bind(std::int64_t{flag});
  }
  put_.bind(record.error).bind(record.added_at).bind(record.completed_at).bind(record.opens_at);
  put_.bind(record.totals.uploaded).bind(record.totals.downloaded).bind(record.totals.rejected);
  const auto put = put_.run();
  if (!put) return put;
  return keep_numbers(record.number + 1);
}

Result<void> TableWriter::erase(std::uint64_t number) {
  return erase_.begin().bind(number).run();
}

Result<void> TableWriter::put_ban(const BanRecord& ban) {
  return put_ban_.begin().bind(ban.network).bind(ban.reason).bind(ban.until).run();
}

Result<void> TableWriter::erase_ban(const std::string& network) {
  return erase_ban_.begin().bind(network).run();
}

Result<void> TableWriter::put_setting(const std::string& name, const std::string& value) {
  return put_setting_.begin().bind(name).bind(value).run();
}

Result<void> TableWriter::put_totals(const TotalsUpdate& update) {
  const Totals& totals = update.totals;
  put_totals_.begin().bind(update.number).bind(totals.uploaded).bind(totals.downloaded);
  const auto put = put_totals_.bind(totals.rejected).run();
  if (!put || update.account.day.empty()) return put;
  return put_account(update.account);
}

Result<void> TableWriter::put_account(const control::AccountEntry& account) {
  put_account_.begin().bind(account.day).bind(account.number).bind(account.id).bind(account.name);
  return put_account_.bind(account.label).bind(account.uploaded).bind(account.downloaded).run();
}

Result<void> TableWriter::keep_numbers(std::uint64_t next) {
  return keep_numbers_.begin().bind(fmt::format("{}", next)).run();
}

// One more than asked for tells whether there are others.
Result<control::AccountPage> TableWriter::accounts(const control::AccountQuery& query) {
  control::AccountPage page;
  const std::size_t limit = std::clamp<std::size_t>(query.limit, 1, control::AccountQuery::kMost);
  accounts_.begin().bind(query.from).bind(query.to);
  accounts_.bind(query.after_day).bind(query.after_number);
  query.label ? accounts_.bind(*query.label) : accounts_.bind_null();
  accounts_.bind(static_cast<std::uint64_t>(limit + 1));
  const auto read =
      for_each(accounts_, [&](const Statement& row) { page.accounts.push_back(account_of(row)); });
  if (!read) return tl::unexpected(read.error());
  if (page.accounts.size() <= limit) return page;
  page.accounts.pop_back();
  page.next = fmt::format("{}.{}", page.accounts.back().day, page.accounts.back().number);
  return page;
}

}  // namespace ppspp::daemon
