// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr std::size_t kLine = 110;

std::string scalar(const Json& json) {
  if (json.is_number_float() && !std::isfinite(json.get<double>())) {
    throw InvalidArgument(
        fmt::format("[json] the number {} cannot be written; finite numbers are needed.", json.get<double>()));
  }
  try {
    return json.dump();
  } catch (const Json::exception&) {
    throw InvalidArgument("[json] a text is not UTF-8 and cannot be written.");
  }
}

std::string on_one_line(const Json& json) {
  if (!json.is_structured()) return scalar(json);
  std::string text;
  for (const auto& [key, value] : json.items()) {
    if (!text.empty()) text += ", ";
    if (json.is_object()) text += scalar(key) + ": ";
    text += on_one_line(value);
  }
  return json.is_object() ? '{' + text + '}' : '[' + text + ']';
}

bool is_array_of_numbers(const Json& json) {
  return json.is_array() && std::all_of(json.begin(), json.end(), [](const Json& value) { return value.is_number(); });
}

void append(const Json& json, std::size_t indent, std::string& text) {
  std::string line = on_one_line(json);
  if (!json.is_structured() || is_array_of_numbers(json) || line.size() + indent <= kLine) {
    text += line;
    return;
  }
  text += json.is_object() ? "{\n" : "[\n";
  bool first = true;
  for (const auto& [key, value] : json.items()) {
    if (!first) text += ",\n";
    first = false;
    text.append(indent + 1, ' ');
    if (json.is_object()) text += scalar(key) + ": ";
    append(value, indent + 1, text);
  }
  text += '\n';
  text.append(indent, ' ');
  text += json.is_object() ? '}' : ']';
}

}  // namespace

std::string readable_text(const Json& json) {
  std::string text;
  append(json, 0, text);
  return text + "\n";
}

Json to_json_number(float value) {
  const std::string shortest = fmt::format("{}", value);
  double decimal = 0;
  std::from_chars(shortest.data(), shortest.data() + shortest.size(), decimal);
  return static_cast<float>(decimal) == value ? decimal : static_cast<double>(value);
}

Json start_document(std::string_view kind, int version) {
  Json json;
  json["format"] = fmt::format("tightrope {}", kind);
  json["version"] = version;
  return json;
}

Json parse_document(std::string_view text, std::string_view kind, int version) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    throw InvalidArgument(fmt::format("[{}] this is not JSON: {}.", kind, error.what()));
  }
  ObjectReader reader(json, fmt::format("[{}] ", kind));
  if (const std::string found = reader.text("format"); found != fmt::format("tightrope {}", kind)) {
    reader.fail("format", fmt::format("found '{}'; 'tightrope {}' is needed", found, kind));
  }
  if (const std::int64_t found = reader.integer("version"); found != version) {
    reader.fail("version", fmt::format("found {}; this version of Tightrope reads {}", found, version));
  }
  return json;
}

ObjectReader::ObjectReader(const Json& json, std::string place) : json_(json), place_(std::move(place)) {
  if (!json.is_object())
    throw InvalidArgument(fmt::format("{}found {}; an object is needed.", place_, json.type_name()));
}

void ObjectReader::fail(const std::string& key, const std::string& what) const {
  throw InvalidArgument(fmt::format("{}{}: {}.", place_, key, what));
}

void ObjectReader::finish() const {
  for (const auto& [key, value] : json_.items()) {
    if (!seen_.contains(key)) fail(key, "this key is not known");
  }
}

const Json& ObjectReader::at(const std::string& key) {
  seen_.insert(key);
  const auto found = json_.find(key);
  if (found == json_.end()) fail(key, "this key is missing");
  return *found;
}

const Json& ObjectReader::array(const std::string& key) {
  const Json& value = at(key);
  if (!value.is_array()) fail(key, fmt::format("found {}; an array is needed", value.type_name()));
  return value;
}

int ObjectReader::checked_int(const Json& value, const std::string& key) const {
  if (!value.is_number_integer()) fail(key, fmt::format("found {}; an integer is needed", value.type_name()));
  const auto integer = value.get<std::int64_t>();
  if (integer < std::numeric_limits<int>::min() || integer > std::numeric_limits<int>::max()) {
    fail(key, fmt::format("found {}; a smaller integer is needed", integer));
  }
  return static_cast<int>(integer);
}

std::string ObjectReader::text(const std::string& key) {
  const Json& value = at(key);
  if (!value.is_string()) fail(key, fmt::format("found {}; a string is needed", value.type_name()));
  return value.get<std::string>();
}

bool ObjectReader::boolean(const std::string& key) {
  const Json& value = at(key);
  if (!value.is_boolean()) fail(key, fmt::format("found {}; true or false is needed", value.type_name()));
  return value.get<bool>();
}

std::int64_t ObjectReader::integer(const std::string& key) {
  const Json& value = at(key);
  if (!value.is_number_integer()) fail(key, fmt::format("found {}; an integer is needed", value.type_name()));
  return value.get<std::int64_t>();
}

int ObjectReader::small_integer(const std::string& key) { return checked_int(at(key), key); }

double ObjectReader::number(const std::string& key) {
  const Json& value = at(key);
  if (!value.is_number()) fail(key, fmt::format("found {}; a number is needed", value.type_name()));
  return value.get<double>();
}

std::optional<double> ObjectReader::optional_number(const std::string& key) {
  if (at(key).is_null()) return std::nullopt;
  return number(key);
}

std::optional<bool> ObjectReader::optional_boolean(const std::string& key) {
  if (at(key).is_null()) return std::nullopt;
  return boolean(key);
}

std::vector<float> ObjectReader::floats(const std::string& key) {
  std::vector<float> result;
  for (const Json& value : array(key)) {
    if (!value.is_number())
      fail(key, fmt::format("found {} in the array; only numbers are allowed", value.type_name()));
    const auto number = value.get<double>();
    result.push_back(static_cast<float>(number));
    if (!std::isfinite(result.back())) fail(key, fmt::format("{} is too large for a float", number));
  }
  return result;
}

std::vector<int> ObjectReader::small_integers(const std::string& key) {
  std::vector<int> result;
  for (const Json& value : array(key)) result.push_back(checked_int(value, key));
  return result;
}

std::vector<std::string> ObjectReader::texts(const std::string& key) {
  std::vector<std::string> result;
  for (const Json& value : array(key)) {
    if (!value.is_string())
      fail(key, fmt::format("found {} in the array; only strings are allowed", value.type_name()));
    result.push_back(value.get<std::string>());
  }
  return result;
}

std::optional<ObjectReader> ObjectReader::optional_object(const std::string& key) {
  if (at(key).is_null()) return std::nullopt;
  return object(key);
}

ObjectReader ObjectReader::object(const std::string& key) {
  const Json& value = at(key);
  if (!value.is_object()) fail(key, fmt::format("found {}; an object is needed", value.type_name()));
  return ObjectReader(value, fmt::format("{}{}.", place_, key));
}

std::vector<ObjectReader> ObjectReader::objects(const std::string& key) {
  std::vector<ObjectReader> result;
  const Json& values = array(key);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i].is_object())
      fail(fmt::format("{}[{}]", key, i), fmt::format("found {}; an object is needed", values[i].type_name()));
    result.emplace_back(values[i], fmt::format("{}{}[{}].", place_, key, i));
  }
  return result;
}

}  // namespace tightrope
