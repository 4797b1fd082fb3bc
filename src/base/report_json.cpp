// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/json.h"
#include "base/report_records.h"
#include "tightrope/error.h"
#include "tightrope/report.h"

namespace tightrope {
namespace {

constexpr std::string_view kDocument = "report";
constexpr int kVersion = 4;

Json json_of(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

double read_seconds(ObjectReader& reader, const char* key = "seconds") {
  return reader.has(key) ? reader.number(key) : 0;
}

Json json_of(const std::vector<MetricRecord>& metrics) {
  Json json = Json::array();
  for (const MetricRecord& record : metrics)
    json.push_back({{"name", record.name}, {"metric", record.metric}, {"drop", record.drop}});
  return json;
}

std::vector<MetricRecord> read_metrics(ObjectReader& reader, const std::string& key) {
  std::vector<MetricRecord> metrics;
  for (ObjectReader& record : reader.objects(key)) {
    metrics.push_back({record.text("name"), record.number("metric"), record.number("drop")});
    record.finish();
  }
  return metrics;
}

LimitRecord read_limit(ObjectReader& reader) {
  LimitRecord record;
  record.name = reader.text("name");
  record.max_drop = reader.number("max_drop");
  record.drop_type = reader.text("drop_type");
  record.higher_is_better = reader.boolean("higher_is_better");
  reader.finish();
  return record;
}

EvaluationRecord read_evaluation(ObjectReader& reader) {
  EvaluationRecord record;
  record.name = reader.text("name");
  record.reverted = reader.texts("reverted");
  record.metric = reader.number("metric");
  record.drop = reader.number("drop");
  record.items = reader.integer("items");
  record.seconds = read_seconds(reader);
  record.binding = reader.text("binding");
  record.metrics = read_metrics(reader, "metrics");
  record.early = reader.boolean("early");
  reader.finish();
  return record;
}

GroupRecord read_group(ObjectReader& reader) {
  GroupRecord record;
  record.operations = reader.texts("operations");
  record.score = reader.number("score");
  record.saving = reader.has("saving") ? reader.optional_number("saving") : std::nullopt;
  record.reverted = reader.boolean("reverted");
  record.contribution = reader.number("contribution");
  record.why = reader.text("why");
  reader.finish();
  return record;
}

Json json_of(const std::vector<FactRecord>& facts) {
  Json json = Json::array();
  for (const FactRecord& fact : facts) json.push_back({{"name", fact.name}, {"value", fact.value}});
  return json;
}

std::vector<FactRecord> read_facts(ObjectReader& reader, const std::string& key) {
  std::vector<FactRecord> facts;
  for (ObjectReader& record : reader.objects(key)) {
    facts.push_back({record.text("name"), record.text("value")});
    record.finish();
  }
  return facts;
}

RepairRecord read_repair(ObjectReader& reader) {
  RepairRecord record;
  record.operations = reader.texts("operations");
  record.what = reader.text("what");
  record.error_before = reader.number("error_before");
  record.error = reader.number("error");
  reader.finish();
  return record;
}

StageRecord read_stage(ObjectReader& reader) {
  StageRecord record;
  record.name = reader.text("name");
  record.seconds = read_seconds(reader);
  record.estimate = read_seconds(reader, "estimated_seconds");
  reader.finish();
  return record;
}

LatencyRecord read_latency(ObjectReader& reader) {
  const LatencyRecord record = {reader.number("original"), reader.number("quantized"), reader.number("final")};
  reader.finish();
  return record;
}

Json json_of(const std::optional<IntervalRecord>& interval) {
  if (!interval) return {};
  return {{"low", interval->low},
          {"high", interval->high},
          {"confidence", interval->confidence},
          {"items_needed", interval->items_needed}};
}

IntervalRecord read_interval(ObjectReader& reader) {
  IntervalRecord record{reader.number("low"), reader.number("high"), reader.number("confidence"),
                        reader.integer("items_needed")};
  reader.finish();
  return record;
}

Json json_of(const std::optional<DeployedRecord>& deployed) {
  if (!deployed) return {};
  return {{"precision", deployed->precision},
          {"metric", deployed->metric},
          {"drop", deployed->drop},
          {"drop_by_execution", deployed->drop_by_execution}};
}

DeployedRecord read_deployed(ObjectReader& reader) {
  DeployedRecord record{reader.text("precision"), reader.number("metric"), reader.number("drop"),
                        reader.number("drop_by_execution")};
  reader.finish();
  return record;
}

std::string text_of(const IntervalRecord& interval) {
  return fmt::format(
      "drop on all data of this kind: {:.3g} to {:.3g} with {:.3g} % confidence; about {} items would "
      "tell it as exactly as the limit\n",
      interval.low, interval.high, 100 * interval.confidence, interval.items_needed);
}

std::string text_of(const DeployedRecord& deployed) {
  return fmt::format("in {}, as deployed: metric {:.6g}, drop {:.6g}, of which execution {:.6g}\n", deployed.precision,
                     deployed.metric, deployed.drop, deployed.drop_by_execution);
}

std::string text_of(const std::optional<double>& value) {
  return value ? fmt::format("{:.6g}", *value) : "not measured";
}

}  // namespace

Json json_of(const EvaluationRecord& record, bool with_times) {
  Json json = {{"name", record.name},
               {"reverted", record.reverted},
               {"metric", record.metric},
               {"drop", record.drop},
               {"items", record.items},
               {"binding", record.binding},
               {"metrics", json_of(record.metrics)},
               {"early", record.early}};
  if (with_times) json["seconds"] = record.seconds;
  return json;
}

Json json_of(const GroupRecord& record, bool with_times) {
  Json json = {{"operations", record.operations},
               {"score", record.score},
               {"reverted", record.reverted},
               {"contribution", record.contribution},
               {"why", record.why}};
  if (with_times && record.saving) json["saving"] = *record.saving;
  return json;
}

std::string to_json(const Report& report, bool with_times) {
  Json json = start_document(kDocument, kVersion);
  json["framework"] = report.framework;
  json["status"] = report.status;
  json["stopped"] = report.stopped;
  json["drop_type"] = report.drop_type;
  json["higher_is_better"] = report.higher_is_better;
  json["max_drop"] = report.max_drop;
  json["limits"] = Json::array();
  for (const LimitRecord& limit : report.limits) {
    json["limits"].push_back({{"name", limit.name},
                              {"max_drop", limit.max_drop},
                              {"drop_type", limit.drop_type},
                              {"higher_is_better", limit.higher_is_better}});
  }
  json["original_metric"] = json_of(report.original_metric);
  json["quantized_metric"] = json_of(report.quantized_metric);
  json["final_metric"] = json_of(report.final_metric);
  json["final_metrics"] = json_of(report.final_metrics);
  json["drop"] = json_of(report.drop);
  json["drop_reverted"] = json_of(report.drop_reverted);
  json["interval"] = json_of(report.interval);
  json["deployed"] = json_of(report.deployed);
  json["minimal"] = report.minimal;
  json["quantized"] = report.quantized;
  json["reverted"] = report.reverted;
  json["calibration_items"] = report.calibration_items;
  json["evaluations"] = Json::array();
  for (const EvaluationRecord& record : report.evaluations) json["evaluations"].push_back(json_of(record, with_times));
  json["groups"] = Json::array();
  for (const GroupRecord& record : report.groups) json["groups"].push_back(json_of(record, with_times));
  json["repairs"] = Json::array();
  for (const RepairRecord& record : report.repairs) {
    json["repairs"].push_back({{"operations", record.operations},
                               {"what", record.what},
                               {"error_before", record.error_before},
                               {"error", record.error}});
  }
  json["stages"] = Json::array();
  for (const StageRecord& record : report.stages) {
    json["stages"].push_back(Json::object({{"name", record.name}}));
    if (with_times) json["stages"].back()["seconds"] = record.seconds;
    if (with_times && record.estimate > 0) json["stages"].back()["estimated_seconds"] = record.estimate;
  }
  json["latency"] = Json();
  if (with_times && report.latency) {
    json["latency"] = {{"original", report.latency->original},
                       {"quantized", report.latency->quantized},
                       {"final", report.latency->final}};
  }
  json["environment"] = with_times ? json_of(report.environment) : Json::array();
  return readable_text(json);
}

Report report_from_json(std::string_view text) {
  const Json json = parse_document(text, kDocument, kVersion);
  ObjectReader reader(json, "[report] ");
  reader.text("format");
  reader.integer("version");
  Report report;
  report.framework = reader.text("framework");
  report.status = reader.text("status");
  report.stopped = reader.text("stopped");
  report.drop_type = reader.text("drop_type");
  report.higher_is_better = reader.boolean("higher_is_better");
  report.max_drop = reader.number("max_drop");
  for (ObjectReader& record : reader.objects("limits")) report.limits.push_back(read_limit(record));
  report.original_metric = reader.optional_number("original_metric");
  report.quantized_metric = reader.optional_number("quantized_metric");
  report.final_metric = reader.optional_number("final_metric");
  report.final_metrics = read_metrics(reader, "final_metrics");
  report.drop = reader.optional_number("drop");
  report.drop_reverted = reader.optional_number("drop_reverted");
  if (auto interval = reader.optional_object("interval")) report.interval = read_interval(*interval);
  if (auto deployed = reader.optional_object("deployed")) report.deployed = read_deployed(*deployed);
  report.minimal = reader.boolean("minimal");
  report.quantized = reader.texts("quantized");
  report.reverted = reader.texts("reverted");
  report.calibration_items = reader.integer("calibration_items");
  for (ObjectReader& record : reader.objects("evaluations")) report.evaluations.push_back(read_evaluation(record));
  for (ObjectReader& record : reader.objects("groups")) report.groups.push_back(read_group(record));
  for (ObjectReader& record : reader.objects("repairs")) report.repairs.push_back(read_repair(record));
  for (ObjectReader& record : reader.objects("stages")) report.stages.push_back(read_stage(record));
  if (auto latency = reader.optional_object("latency")) report.latency = read_latency(*latency);
  report.environment = read_facts(reader, "environment");
  reader.finish();
  return report;
}

std::string to_text(const Report& report) {
  std::string text = fmt::format("{} operations in 8 bits, {} returned to floating point\n", report.quantized.size(),
                                 report.reverted.size());
  for (const std::string& name : report.reverted) text += fmt::format("  {}\n", name);
  for (std::size_t i = 0; i < report.final_metrics.size() && i < report.limits.size(); ++i) {
    const MetricRecord& metric = report.final_metrics[i];
    const LimitRecord& limit = report.limits[i];
    text += fmt::format("{}: final {:.6g} ({} is better), {} drop {:.6g}, limit {:.6g}\n", metric.name, metric.metric,
                        limit.higher_is_better ? "higher" : "lower", limit.drop_type, metric.drop, limit.max_drop);
  }
  if (!report.final_metrics.empty())
    text += fmt::format("largest share of a limit used up: {}: {}\n", text_of(report.drop), report.status);
  if (report.original_metric) {
    text += fmt::format("metric: original {}, quantized {}, final {} ({} is better)\n", text_of(report.original_metric),
                        text_of(report.quantized_metric), text_of(report.final_metric),
                        report.higher_is_better ? "higher" : "lower");
    text += fmt::format("{} drop: {}, limit {:.6g}: {}\n", report.drop_type, text_of(report.drop), report.max_drop,
                        report.status);
    if (report.interval) text += text_of(*report.interval);
    if (report.deployed) text += text_of(*report.deployed);
    if (report.drop_reverted) text += fmt::format("drop with everything reverted: {}\n", text_of(report.drop_reverted));
  }
  if (!report.evaluations.empty())
    text += fmt::format("validations: {}{}\n", report.evaluations.size(),
                        report.minimal ? ", reverted set proven minimal" : "");
  if (report.latency) {
    text += fmt::format("latency: original {:.3g} ms, quantized {:.3g} ms, final {:.3g} ms\n",
                        1e3 * report.latency->original, 1e3 * report.latency->quantized, 1e3 * report.latency->final);
  }
  if (!report.stopped.empty()) text += report.stopped + "\n";
  if (!report.stages.empty()) {
    double seconds = 0;
    for (const StageRecord& stage : report.stages) seconds += stage.seconds;
    text += fmt::format("time: {:.1f} s\n", seconds);
    for (const StageRecord& stage : report.stages) {
      text += fmt::format("  {:.1f} s {}{}\n", stage.seconds, stage.name,
                          stage.estimate > 0 ? fmt::format(", about {:.1f} s were expected", stage.estimate) : "");
    }
  }
  return text;
}

}  // namespace tightrope
