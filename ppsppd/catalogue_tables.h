// The tables of the catalogue: how they are made, read and written. For Catalogue only.
#pragma once

#include <string>
#include <vector>

#include "catalogue.h"
#include "sqlite.h"

namespace ppspp::daemon {

// Makes the tables of an empty file, brings those of an older version up to date. Errors: of a
// newer version, of another program.
Result<void> prepare_tables(Database& database);

// Looks for damage in everything but the accounts, of which there may be years.
Result<void> check_tables(Database& database, bool accounts_too);

Result<CatalogueContent> read_tables(Database& database, const std::string& today);
// What can still be read of a damaged file.
CatalogueContent salvage_tables(Database& database, std::vector<control::AccountEntry>& accounts);

// The statements that write, prepared once. Within a transaction of the caller's.
class TableWriter {
 public:
  static Result<TableWriter> prepare(Database& database);

  Result<void> put(const SwarmRecord& record);
  Result<void> erase(std::uint64_t number);
  Result<void> put_ban(const BanRecord& ban);
  Result<void> erase_ban(const std::string& network);
  Result<void> put_setting(const std::string& name, const std::string& value);
  Result<void> put_totals(const TotalsUpdate& update);
  Result<void> put_account(const control::AccountEntry& account);
  Result<void> keep_numbers(std::uint64_t next);  // numbers below it are not used again
  Result<control::AccountPage> accounts(const control::AccountQuery& query);

 private:
  Statement put_, erase_, put_ban_, erase_ban_, put_setting_, put_totals_, put_account_, accounts_,
      keep_numbers_;
};

}  // namespace ppspp::daemon
