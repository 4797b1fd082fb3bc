// SPDX-License-Identifier: Apache-2.0
// What a run did, what it measured and why it stopped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tightrope {

// One of several metrics.
struct MetricRecord {
  std::string name;
  double metric = 0;
  double drop = 0;  // in the unit of its own limit
};

struct LimitRecord {
  std::string name;
  double max_drop = 0;
  std::string drop_type;
  bool higher_is_better = true;
};

// One call of the validation function on the whole validation data, or calls on parts of it.
struct EvaluationRecord {
  std::string name;                   // "original model", "quantized model", "candidate 3"
  std::vector<std::string> reverted;  // operations in floating point, sorted
  double metric = 0;                  // of several metrics the binding one
  double drop = 0;                    // in the unit of Report::max_drop
  std::int64_t items = 0;             // items that the function read
  double seconds = 0;
  std::string binding = {};                // of several metrics the one that used up the most of its limit
  std::vector<MetricRecord> metrics = {};  // where there are several: all that have a limit
  bool early = false;                      // judged on these items alone: metric and drop are estimates
};

// Operations that can only leave 8 bits together.
struct GroupRecord {
  std::vector<std::string> operations;
  double score = 0;  // harm done by quantizing only this group: normalized output error, 0..1
  bool reverted = false;
  double contribution =
      0;                 // to the drop of the quantized model, as the search sees it in the end; unit of Report::drop
  std::string why = {};  // what became of the group and for which reason, one sentence
  std::optional<double> saving = {};  // of 8 bits, in seconds of one inference, where the search looks at latency
};

// Of one inference, in seconds, with the precision that the device chooses; measured side by side.
struct LatencyRecord {
  double original = 0;
  double quantized = 0;  // with nothing reverted
  double final = 0;      // of the returned model
};

// A group that is quantized in another way than at first.
struct RepairRecord {
  std::vector<std::string> operations;
  std::string what;         // "weights rounded by the data"
  double error_before = 0;  // of the outputs of its layers, relative to their variance, as predicted
  double error = 0;
};

struct StageRecord {
  std::string name;
  double seconds = 0;
  double estimate = 0;  // seconds that were expected when the run began; 0: none
};

// The drop on everything that could have been an item: what the items that were drawn tell about it.
struct IntervalRecord {
  double low = 0;  // in the unit of Report::drop
  double high = 0;
  double confidence = 0;
  std::int64_t items_needed = 0;  // about so many would tell the drop as exactly as the limit
};

// The returned model in the precision that the device chooses by itself.
struct DeployedRecord {
  std::string precision;  // such as "bf16"
  double metric = 0;
  double drop = 0;               // of quantization and execution together
  double drop_by_execution = 0;  // against the returned model in the precision of the validation
};

// What a run worked on, and where.
struct FactRecord {
  std::string name;
  std::string value;
};

struct Report {
  std::string framework;
  std::string status;     // "quantized" (no accuracy control), "met", "not met"
  std::string stopped;    // why the search ended, one sentence
  std::string drop_type;  // "absolute", "relative"
  bool higher_is_better = true;
  double max_drop = 0;                    // with several metrics 1: drops are then shares of a limit that are used up
  std::vector<LimitRecord> limits;        // of several metrics; otherwise empty
  std::optional<double> original_metric;  // these three: of one metric
  std::optional<double> quantized_metric;
  std::optional<double> final_metric;
  std::vector<MetricRecord> final_metrics;  // of the returned model, where there are several
  std::optional<double> drop;               // of the returned model, in the unit of max_drop
  std::optional<double> drop_reverted;      // with everything in floating point, where that was measured
  std::optional<IntervalRecord> interval;   // of the drop, where there are values per item
  std::optional<DeployedRecord> deployed;   // where that was measured
  bool minimal = false;                     // proven: no single reverted group can return to 8 bits
  std::vector<std::string> quantized;       // operations in 8 bits, sorted
  std::vector<std::string> reverted;        // operations returned to floating point, sorted: an ignored scope to paste
  std::int64_t calibration_items = 0;
  std::vector<EvaluationRecord> evaluations;
  std::vector<GroupRecord> groups;
  std::vector<RepairRecord> repairs;  // in the returned plan; also of operations that were returned to floating point
  std::vector<StageRecord> stages;
  std::optional<LatencyRecord> latency;
  // Versions, processor, device and precision of the validation; fingerprints of the model, and of the data where a
  // folder keeps the work of the run. It goes with the times: the report inside a model has none.
  std::vector<FactRecord> environment;
};

// JSON with a schema version. Without times, which takes the environment along, equal runs give equal text.
std::string to_json(const Report& report, bool with_times = true);
Report report_from_json(std::string_view json);  // throws InvalidArgument

// A few lines for people.
std::string to_text(const Report& report);

inline constexpr std::string_view kReportNote = "report";  // the key under which a model carries its report

}  // namespace tightrope
