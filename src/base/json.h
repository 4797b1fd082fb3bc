// SPDX-License-Identifier: Apache-2.0
// Documents of our own in JSON: readable when written, strict when read.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tightrope {

using Json = nlohmann::ordered_json;

// Indented text in which everything that fits in a line, and every array of numbers, stays on one line.
// Throws InvalidArgument for numbers that are not finite and for text that is not UTF-8.
std::string readable_text(const Json& json);

// The shortest decimal that gives the same float again.
Json to_json_number(float value);

// A document says what it is: {"format": "tightrope <kind>", "version": version, ...}.
Json start_document(std::string_view kind, int version);

// Throws InvalidArgument for anything that is not a document of this kind and version.
Json parse_document(std::string_view text, std::string_view kind, int version);

// One JSON object that has to hold exactly the keys that are asked for. Everything throws InvalidArgument, naming the
// key as in "[plan] quantizers[3].range.low".
class ObjectReader {
 public:
  // `json` outlives the reader. `place` is the prefix of messages: "[plan] ", "[plan] quantizers[3].".
  ObjectReader(const Json& json, std::string place);

  std::string text(const std::string& key);
  bool boolean(const std::string& key);
  std::int64_t integer(const std::string& key);
  int small_integer(const std::string& key);
  double number(const std::string& key);
  std::optional<double> optional_number(const std::string& key);  // null: none
  std::optional<bool> optional_boolean(const std::string& key);
  std::vector<float> floats(const std::string& key);
  std::vector<int> small_integers(const std::string& key);
  std::vector<std::string> texts(const std::string& key);
  ObjectReader object(const std::string& key);
  std::optional<ObjectReader> optional_object(const std::string& key);
  std::vector<ObjectReader> objects(const std::string& key);

  bool has(const std::string& key) const { return json_.contains(key); }
  [[noreturn]] void fail(const std::string& key, const std::string& what) const;
  void finish() const;  // throws for a key that nobody asked for

 private:
  const Json& at(const std::string& key);
  const Json& array(const std::string& key);
  int checked_int(const Json& value, const std::string& key) const;

  const Json& json_;
  std::string place_;
  std::set<std::string> seen_;
};

}  // namespace tightrope
