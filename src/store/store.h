// SPDX-License-Identifier: Apache-2.0
// What long runs have found out, in a file that is whole after the end of the process at any moment.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct sqlite3;

namespace tightrope {

// What a run depends on, by name: "model" -> a fingerprint, "subset_size" -> "300". The order is that of the messages.
using Facts = std::vector<std::pair<std::string, std::string>>;

// The texts of one run by name, next to those of runs with other facts, which stay untouched.
class Store {
 public:
  // Opens, or creates, the file in `folder`, which is created where it is missing, and chooses the run of these facts.
  // Throws IoError where that is not possible, or where another process uses the file.
  Store(const std::filesystem::path& folder, const Facts& facts);

  // Where the run is new, but the file holds another one: what differs from the last one, as in "subset_size was 300
  // and is 100, and the model is another one". Otherwise empty.
  const std::string& difference() const { return difference_; }

  std::optional<std::string> find(std::string_view name) const;  // throws IoError
  void keep(std::string_view name, std::string_view text);       // it is on the disk afterwards; throws IoError

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  struct Statement;

  Statement prepare(std::string_view sql) const;
  void execute(const char* sql) const;
  [[noreturn]] void fail(std::string_view what) const;
  void choose_run(const Facts& facts);

  std::filesystem::path path_;
  std::unique_ptr<sqlite3, Close> database_;
  std::string run_;
  std::string difference_;
};

}  // namespace tightrope
