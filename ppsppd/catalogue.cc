#include "catalogue.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "catalogue_tables.h"

namespace ppspp::daemon {
namespace {

namespace fs = std::filesystem;

// The side files of SQLite's that belong to a database.
constexpr const char* kSuffixes[] = {"", "-wal", "-shm"};
// A transaction holds at most so many changes, so that the first of them does not wait for ever.
constexpr std::size_t kMostTogether = 10'000;

Result<Database> open_for_writing(const fs::path& file) {
  auto database = Database::open(file, Database::Mode::read_write);
  if (!database) return database;
  for (const char* sql : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
                          "PRAGMA foreign_keys=ON", "PRAGMA trusted_schema=OFF"}) {
    if (const auto done = database->execute(sql); !done) return tl::unexpected(done.error());
  }
  if (const auto made = prepare_tables(*database); !made) return tl::unexpected(made.error());
  return database;
}

struct Read {
  Database database;
  CatalogueContent content;
};

Result<Read> open_and_read(const fs::path& file, const std::string& today) {
  auto database = open_for_writing(file);
  if (!database) return tl::unexpected(database.error());
  if (const auto sound = check_tables(*database, false); !sound) {
    return tl::unexpected(sound.error());
  }
  auto content = read_tables(*database, today);
  if (!content) return tl::unexpected(content.error());
  return Read{*std::move(database), *std::move(content)};
}

// A name beside the file that nobody has yet.
fs::path name_for_damaged(const fs::path& file) {
  const std::time_t now = std::time(nullptr);
  fs::path name = file;
  name += fmt::format(".damaged-{:%Y%m%d-%H%M%S}", fmt::gmtime(now));
  const fs::path base = name;
  for (int i = 1; fs::exists(name) && i < 1'000; ++i) {
    name = base;
    name += fmt::format("-{}", i);
  }
  return name;
}

Result<fs::path> put_aside(const fs::path& file) {
  const fs::path aside = name_for_damaged(file);
  for (const char* suffix : kSuffixes) {
    fs::path from = file, to = aside;
    from += suffix;
    to += suffix;
    std::error_code error;
    if (!fs::exists(from, error)) continue;
    fs::rename(from, to, error);
    if (error) {
      return fail(Errc::io, fmt::format("{} is damaged and cannot be put aside: {}", from.string(),
                                        error.message()));
    }
  }
  return aside;
}

Result<void> write_salvaged(Database& database, const CatalogueContent& content,
                            const std::vector<control::AccountEntry>& accounts) {
  auto writer = TableWriter::prepare(database);
  if (!writer) return tl::unexpected(writer.error());
  Result<void> done = database.execute("BEGIN IMMEDIATE");
  const auto write = [&](auto&& all, auto&& put) {
    for (const auto& one : all) {
      if (done) done = put(one);
    }
  };
  write(content.swarms, [&](const SwarmRecord& record) { return writer->put(record); });
  write(content.bans, [&](const BanRecord& ban) { return writer->put_ban(ban); });
  write(content.settings,
        [&](const auto& pair) { return writer->put_setting(pair.first, pair.second); });
  write(accounts, [&](const control::AccountEntry& a) { return writer->put_account(a); });
  if (done) done = writer->keep_numbers(content.next_number);
  if (done) done = database.execute("COMMIT");
  return done;
}

// What is readable of a damaged file goes into a new one; the damaged one stays, under another
// name.
Result<std::string> replace_damaged(const fs::path& file, const Error& damage) {
  const auto aside = put_aside(file);
  if (!aside) return tl::unexpected(aside.error());
  CatalogueContent content;
  std::vector<control::AccountEntry> accounts;
  // Not read-only: the log beside it has to be taken in. What is damaged stays so.
  if (auto damaged = Database::open(*aside, Database::Mode::read_write)) {
    content = salvage_tables(*damaged, accounts);
  }
  auto fresh = open_for_writing(file);
  if (!fresh) return tl::unexpected(fresh.error());
  const auto written = write_salvaged(*fresh, content, accounts);
  if (!written) return tl::unexpected(written.error());
  return fmt::format(
      "the catalogue was damaged ({}): it is kept as {}, {} swarms, {} bans and {} account entries "
      "could be read and were taken over; add what is missing again, or stop and restore a backup",
      damage.context, aside->string(), content.swarms.size(), content.bans.size(), accounts.size());
}

}  // namespace

// One writer thread, and a queue of changes to it.
class Catalogue::Impl {
 public:
  using Change = std::function<Result<void>(TableWriter&)>;

  Impl(boost::asio::io_context& io, Database database, TableWriter writer)
      : io_(io),
        database_(std::move(database)),
        writer_(std::move(writer)),
        thread_([this] { run(); }) {}

  ~Impl() {
    *alive_ = false;
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void enqueue(Change change, Done done) {
    {
      const std::lock_guard lock(mutex_);
      queue_.emplace_back(std::move(change), std::move(done), io_.get_executor());
    }
    wake_.notify_one();
  }

  std::uint64_t commits() const { return commits_; }
  std::uint64_t failures() const { return failures_; }

 private:
  struct Item {
    Change change;
    Done done;
    // The io_context does not run dry while somebody waits for this.
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;

    Item(Change c, Done d, boost::asio::io_context::executor_type executor)
        : change(std::move(c)), done(std::move(d)), work(executor) {}
  };

  void run() {
    for (;;) {
      std::vector<Item> batch;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return ending_ || !queue_.empty(); });
        if (queue_.empty()) return;
        while (!queue_.empty() && batch.size() < kMostTogether) {
          batch.push_back(std::move(queue_.front()));
          queue_.pop_front();
        }
      }
      finish(batch, commit(batch));
    }
  }

  Result<void> commit(std::vector<Item>& batch) {
    Result<void> done = database_.execute("BEGIN IMMEDIATE");
    for (Item& item : batch) {
      if (done) done = item.change(writer_);
    }
    if (done) done = database_.execute("COMMIT");
    if (done) {
      ++commits_;
      return done;
    }
    ++failures_;
    static_cast<void>(database_.execute("ROLLBACK"));
    return done;
  }

  void finish(std::vector<Item>& batch, const Result<void>& result) {
    auto items = std::make_shared<std::vector<Item>>(std::move(batch));
    boost::asio::post(io_, [items, result, alive = alive_] {
      for (Item& item : *items) {
        if (*alive && item.done) item.done(result);
      }
    });
  }

  boost::asio::io_context& io_;
  Database database_;
  TableWriter writer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for the io_context's thread
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> queue_;
  bool ending_ = false;
  std::atomic<std::uint64_t> commits_ = 0;
  std::atomic<std::uint64_t> failures_ = 0;
  std::thread thread_;
};

Result<Catalogue::Opened> Catalogue::open(boost::asio::io_context& io, const fs::path& file,
                                          const std::string& today) {
  Opened opened;
  std::optional<TableWriter> writer;  // goes before what it writes to
  const auto attempt = [&]() {
    auto read = open_and_read(file, today);
    if (!read) return read;
    auto prepared = TableWriter::prepare(read->database);
    if (!prepared) return decltype(read)(tl::unexpected(prepared.error()));
    writer.emplace(*std::move(prepared));
    return read;
  };
  auto read = attempt();
  if (!read && read.error().code == Errc::integrity) {
    auto warning = replace_damaged(file, read.error());
    if (!warning) return tl::unexpected(warning.error());
    opened.warning = *std::move(warning);
    read = attempt();
  }
  if (!read) return tl::unexpected(read.error());
  opened.content = std::move(read->content);
  opened.catalogue.reset(
      new Catalogue(std::make_unique<Impl>(io, std::move(read->database), *std::move(writer))));
  return opened;
}

Result<void> Catalogue::check(const fs::path& file) {
  std::error_code error;
  if (!fs::exists(file, error)) return {};
  auto database = Database::open(file, Database::Mode::read_only);
  Result<void> sound;
  if (!database) {
    sound = tl::unexpected(database.error());
  } else {
    sound = check_tables(*database, true);
  }
  if (!sound && sound.error().code == Errc::integrity) {
    return fail(Errc::integrity,
                fmt::format("the catalogue is damaged ({}): ppsppd would put it aside and go on "
                            "with what can be read; restore a backup if there is one",
                            sound.error().context));
  }
  return sound;
}

Catalogue::Catalogue(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Catalogue::~Catalogue() = default;

void Catalogue::put(SwarmRecord record, Done done) {
  impl_->enqueue([record = std::move(record)](TableWriter& to) { return to.put(record); },
                 std::move(done));
}

void Catalogue::erase(std::uint64_t number, Done done) {
  impl_->enqueue([number](TableWriter& to) { return to.erase(number); }, std::move(done));
}

void Catalogue::put_ban(BanRecord ban, Done done) {
  impl_->enqueue([ban = std::move(ban)](TableWriter& to) { return to.put_ban(ban); },
                 std::move(done));
}

void Catalogue::erase_ban(std::string network, Done done) {
  impl_->enqueue([network = std::move(network)](TableWriter& to) { return to.erase_ban(network); },
                 std::move(done));
}

void Catalogue::put_setting(std::string name, std::string value, Done done) {
  impl_->enqueue([name = std::move(name), value = std::move(value)](
                     TableWriter& to) { return to.put_setting(name, value); },
                 std::move(done));
}

void Catalogue::put_totals(std::vector<TotalsUpdate> totals, Done done) {
  impl_->enqueue(
      [totals = std::move(totals)](TableWriter& to) -> Result<void> {
        for (const TotalsUpdate& update : totals) {
          if (const auto put = to.put_totals(update); !put) return put;
        }
        return {};
      },
      std::move(done));
}

void Catalogue::keep_numbers(std::uint64_t next, Done done) {
  impl_->enqueue([next](TableWriter& to) { return to.keep_numbers(next); }, std::move(done));
}

void Catalogue::accounts(control::AccountQuery query, AccountsDone done) {
  auto found = std::make_shared<control::AccountPage>();
  impl_->enqueue(
      [found, query = std::move(query)](TableWriter& tables) -> Result<void> {
        auto read = tables.accounts(query);
        if (!read) return tl::unexpected(read.error());
        *found = *std::move(read);
        return {};
      },
      [found, done = std::move(done)](const Result<void>& result) {
        if (!result) return done(tl::unexpected(result.error()));
        done(std::move(*found));
      });
}

std::uint64_t Catalogue::commits() const {
  return impl_->commits();
}
std::uint64_t Catalogue::failures() const {
  return impl_->failures();
}

}  // namespace ppspp::daemon
