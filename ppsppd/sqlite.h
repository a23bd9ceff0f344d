// SQLite in as much of C++ as the catalogue needs: a connection, prepared statements, errors as
// Results.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ppspp/result.h"

namespace ppspp::daemon {

// A prepared statement with its parameters bound from left to right. One that failed stays failed
// until the next begin().
class Statement {
 public:
  Statement() = default;

  // Ready for other parameters.
  Statement& begin();
  Statement& bind(std::int64_t value);
  Statement& bind(std::uint64_t value) { return bind(static_cast<std::int64_t>(value)); }
  Statement& bind(std::string_view text);
  template <typename Integer>
  Statement& bind(const std::optional<Integer>& value) {
    return value ? bind(static_cast<std::int64_t>(*value)) : bind_null();
  }
  Statement& bind_null();

  // True: there is a row. Errors: what SQLite says.
  Result<bool> step();
  Result<void> run();  // for statements without rows

  std::int64_t integer(int column) const;
  std::uint64_t natural(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  std::string text(int column) const;
  bool is_null(int column) const;
  template <typename Integer>
  std::optional<Integer> optional(int column) const {
    if (is_null(column)) return std::nullopt;
    return static_cast<Integer>(integer(column));
  }

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int parameter_ = 0;
  int failed_ = SQLITE_OK;
};

class Database {
 public:
  enum class Mode { read_write, read_only };
  // The file is made where it does not exist, unless it is only read.
  static Result<Database> open(const std::filesystem::path& file, Mode mode);

  Result<void> execute(const std::string& sql);
  Result<Statement> prepare(std::string_view sql);
  Result<std::int64_t> integer(std::string_view sql);  // the first column of the first row
  Result<std::string> text(std::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace ppspp::daemon
