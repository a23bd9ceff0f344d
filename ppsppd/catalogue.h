// What the daemon knows and must not forget, in an SQLite file: swarms, bans, settings, totals and
// accounts. Reading happens once, when it is opened; writing happens on a thread of its own, where
// changes that come together become one transaction.
//
// A change is on the disk when its `done` is called (WAL, synchronous=FULL).
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/control_types.h"
#include "ppspp/file_stamp.h"
#include "ppspp/result.h"

namespace ppspp::daemon {

// Octets of content, and chunks that were refused.
struct Totals {
  std::uint64_t uploaded = 0;
  std::uint64_t downloaded = 0;
  std::uint64_t rejected = 0;
  friend bool operator==(const Totals&, const Totals&) = default;
};

// Everything that is needed to serve a swarm again.
struct SwarmRecord {
  std::uint64_t number = 0;
  control::SwarmKind kind = control::SwarmKind::file;
  std::string id;   // hex; empty until it is known
  std::string url;  // with the metadata and the length; empty until it is known
  std::string name;
  std::string label;
  std::string path;                // of the content; of a feed: its input
  std::string tree;                // the kept hash tree; empty: none
  std::optional<FileStamp> stamp;  // of the content when it was hashed or completed
  std::string request;             // the AddRequest in JSON: how to hash, which key, which peers
  std::vector<std::string> peers;  // HOST:PORT
  control::Limits limits;
  bool paused = false;
  bool complete = false;
  bool fetched = false;       // the daemon wrote the content itself
  std::string error;          // why it failed; empty: it did not
  std::int64_t added_at = 0;  // seconds since 1970
  std::optional<std::int64_t> completed_at;
  std::optional<std::int64_t> opens_at;
  Totals totals;
  friend bool operator==(const SwarmRecord&, const SwarmRecord&) = default;
};

struct BanRecord {
  std::string network;
  std::string reason;
  std::optional<std::int64_t> until;  // seconds since 1970; absent: for good
  friend bool operator==(const BanRecord&, const BanRecord&) = default;
};

// Totals of one swarm, as they are now, and its share of one day.
struct TotalsUpdate {
  std::uint64_t number = 0;
  Totals totals;
  control::AccountEntry account;  // replaces that of the same number and day
};

struct CatalogueContent {
  std::vector<SwarmRecord> swarms;  // by number
  std::vector<BanRecord> bans;
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<control::AccountEntry> today;  // accounts of the day that open() was given
  std::uint64_t next_number = 1;             // above all that were ever put
};

class Catalogue {
 public:
  using Done = std::function<void(Result<void>)>;
  using AccountsDone = std::function<void(Result<control::AccountPage>)>;

  struct Opened {
    std::unique_ptr<Catalogue> catalogue;
    CatalogueContent content;
    std::string warning;  // a damaged file was put aside: one line for the operator
  };
  // Makes the file where there is none. A file that is damaged is renamed, what can be read of it
  // goes into a new one, and `warning` says so. Errors: not readable or writable, made by a newer
  // version.
  static Result<Opened> open(boost::asio::io_context& io, const std::filesystem::path& file,
                             const std::string& today);
  // Only looks, for --check: what open() would complain about. A file that is not there is fine.
  static Result<void> check(const std::filesystem::path& file);

  ~Catalogue();  // writes what is queued, without calling anybody
  Catalogue(const Catalogue&) = delete;
  Catalogue& operator=(const Catalogue&) = delete;

  void put(SwarmRecord record, Done done);
  void erase(std::uint64_t number, Done done);
  void put_ban(BanRecord ban, Done done);
  void erase_ban(std::string network, Done done);
  void put_setting(std::string name, std::string value, Done done);
  void put_totals(std::vector<TotalsUpdate> totals, Done done);
  // Numbers below `next` will not be used again, also those that were never put.
  void keep_numbers(std::uint64_t next, Done done);
  void accounts(control::AccountQuery query, AccountsDone done);

  std::uint64_t commits() const;
  std::uint64_t failures() const;  // transactions that were refused

 private:
  class Impl;
  explicit Catalogue(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppspp::daemon
