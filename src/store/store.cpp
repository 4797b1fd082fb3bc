// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sqlite3.h>

#include <algorithm>

#include "base/fingerprint.h"
#include "base/json.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr const char* kFile = "tightrope.sqlite";
// A run is chosen by the fingerprint of its facts; `used` orders the runs by when they were last chosen.
constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, facts TEXT NOT NULL, used INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS texts (run TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, "
    "PRIMARY KEY (run, name));"
    "PRAGMA user_version = 1;";

std::string text_of(const Facts& facts) {
  Json json = Json::object();
  for (const auto& [name, value] : facts) json[name] = value;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_fingerprint(const std::string& name) { return name == "model" || name.ends_with("data"); }

std::string difference_between(const std::string& before, const Facts& now) {
  const Json json = Json::parse(before, nullptr, false);
  std::vector<std::string> sentences;
  for (const auto& [name, value] : now) {
    const std::string was = json.is_object() && json.contains(name) ? json[name].get<std::string>() : "not known";
    if (was == value) continue;
    sentences.push_back(is_fingerprint(name)
                            ? fmt::format("the {} {}", name, name == "model" ? "is another one" : "are other ones")
                            : fmt::format("{} was {} and is {}", name, was, value));
  }
  return fmt::format("{}", fmt::join(sentences, ", and "));
}

}  // namespace

struct Store::Statement {
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> handle;

  Statement& bind(int index, std::string_view text) {
    sqlite3_bind_text64(handle.get(), index, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    return *this;
  }
  int step() { return sqlite3_step(handle.get()); }
  std::string text(int column) const {
    const auto* first = static_cast<const char*>(sqlite3_column_blob(handle.get(), column));
    return first == nullptr ? std::string() : std::string(first, sqlite3_column_bytes(handle.get(), column));
  }
};

void Store::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Store::Store(const std::filesystem::path& folder, const Facts& facts) : path_(folder / kFile) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!std::filesystem::is_directory(folder))
    throw IoError(fmt::format("work_dir '{}' cannot be created; a folder is needed", folder.string()), true);
  sqlite3* opened = nullptr;
  const int code = sqlite3_open(path_.c_str(), &opened);
  database_.reset(opened);
  if (code != SQLITE_OK) fail("cannot be opened");
  // Held until this object goes: a second process would measure the same once more.
  execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; BEGIN EXCLUSIVE;");
  execute(kSchema);
  choose_run(facts);
  execute("COMMIT;");
}

void Store::choose_run(const Facts& facts) {
  const std::string text = text_of(facts);
  Fingerprint fingerprint;
  fingerprint.add(std::string_view(text));
  run_ = fingerprint.text();
  Statement known = prepare("SELECT 1 FROM runs WHERE id = ?1");
  if (known.bind(1, run_).step() != SQLITE_ROW) {
    Statement last = prepare("SELECT facts FROM runs ORDER BY used DESC LIMIT 1");
    if (last.step() == SQLITE_ROW) difference_ = difference_between(last.text(0), facts);
  }
  Statement chosen = prepare(
      "INSERT INTO runs VALUES (?1, ?2, (SELECT ifnull(max(used), 0) + 1 FROM runs)) "
      "ON CONFLICT (id) DO UPDATE SET used = excluded.used");
  if (chosen.bind(1, run_).bind(2, text).step() != SQLITE_DONE) fail("cannot be written");
}

std::optional<std::string> Store::find(std::string_view name) const {
  Statement statement = prepare("SELECT text FROM texts WHERE run = ?1 AND name = ?2");
  const int code = statement.bind(1, run_).bind(2, name).step();
  if (code == SQLITE_ROW) return statement.text(0);
  if (code != SQLITE_DONE) fail("cannot be read");
  return std::nullopt;
}

void Store::keep(std::string_view name, std::string_view text) {
  Statement statement = prepare("INSERT OR REPLACE INTO texts VALUES (?1, ?2, ?3)");
  if (statement.bind(1, run_).bind(2, name).bind(3, text).step() != SQLITE_DONE) fail("cannot be written");
}

Store::Statement Store::prepare(std::string_view sql) const {
  sqlite3_stmt* handle = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &handle, nullptr) != SQLITE_OK)
    fail("cannot be read");
  return {std::unique_ptr<sqlite3_stmt, Statement::Finalize>(handle)};
}

void Store::execute(const char* sql) const {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail("cannot be used");
}

void Store::fail(std::string_view what) const {
  const int code = sqlite3_errcode(database_.get());
  const std::string reason = code == SQLITE_BUSY     ? "another process uses it; a work_dir of its own is needed"
                             : code == SQLITE_NOTADB ? "it is not a store of Tightrope; another work_dir is needed"
                                                     : sqlite3_errmsg(database_.get());
  throw IoError(fmt::format("[store] '{}' {}: {}", path_.string(), what, reason), code != SQLITE_NOTADB);
}

}  // namespace tightrope
