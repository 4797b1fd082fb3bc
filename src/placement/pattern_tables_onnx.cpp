// SPDX-License-Identifier: Apache-2.0
// ONNX has no single operator for some activations; exporters write them as small arrangements. A row may use two words
// more than patterns.h knows, which expand() replaces:
//   SCALE_SHIFT   a product and a sum
//   ACTIVATIONS   a single activation, or one of the arrangements
#include <fmt/format.h>

#include <array>
#include <deque>
#include <string>
#include <vector>

#include "placement/patterns.h"

namespace tightrope {
namespace {

constexpr std::uint8_t kNotOnSpr = kOnCpu | kOnGpu | kOnNpu;
constexpr std::uint8_t kOnCpuAndGpu = kOnCpu | kOnGpu;

// Between equally large matches the earlier row wins.
constexpr PatternRow kFused[] = {
    {"mvn", "r:ReduceMean > s:Sub > Pow > ReduceMean > Add|Sum > Sqrt > d:Div; s > d; x:* > r; x > s"},
    {"mvn_scale_shift",
     "r:ReduceMean > s:Sub > Pow > ReduceMean > Add|Sum > Sqrt > d:Div > SCALE_SHIFT; s > d; x:* > r; x > s"},
    {"gelu", "d:Div|Mul > Erf > Add|Sum|Sub > m:Mul|Div; x:* > d; x > m"},
    {"swish_with_sigmoid", "s:Sigmoid > m:Mul; x:* > s; x > m"},
    {"swish_with_hard_sigmoid", "s:HardSigmoid > m:Mul; x:* > s; x > m"},
    {"hswish_activation", "x:? > Add|Sum > Relu|Clip > m:Mul > Div; x > m"},
    {"hswish_activation_without_denominator", "x:? > Add|Sum > Relu|Clip > m:Mul; x > m"},
    {"scale_shift", "m:Mul > Add|Sum|Sub; * > m"},
    {"scale_shift_activations", "m:Mul > Add|Sum|Sub > ACTIVATIONS; * > m"},
    {"shift_scale", "Add|Sum|Sub > Mul|Div"},
    {"input_scale_shift", "Parameter > SCALE_SHIFT"},
    {"input_shift_scale", "Parameter > Add|Sum|Sub > Mul|Div"},
    {"input_processing", "Parameter > Add|Sum|Mul"},
    {"activations_batch_norm", "ACTIVATIONS > BatchNormalization"},
    {"activations_scale_shift", "ACTIVATIONS > SCALE_SHIFT"},
    {"arithmetic_batch_norm", "ARITHMETIC > BatchNormalization"},
    {"arithmetic_activations", "ARITHMETIC > ACTIVATIONS"},
    {"arithmetic_scale_shift", "ARITHMETIC > SCALE_SHIFT"},
    {"arithmetic_batch_norm_activations", "ARITHMETIC > BatchNormalization > ACTIVATIONS"},
    {"arithmetic_scale_shift_activations", "ARITHMETIC > SCALE_SHIFT > ACTIVATIONS"},
    {"arithmetic_activations_batch_norm", "ARITHMETIC > ACTIVATIONS > BatchNormalization"},
    {"arithmetic_activations_scale_shift", "ARITHMETIC > ACTIVATIONS > SCALE_SHIFT"},
    {"batch_norm_activations", "BatchNormalization > ACTIVATIONS"},
    {"batch_norm_scale_shift_activations", "BatchNormalization > SCALE_SHIFT > ACTIVATIONS"},
    {"linear_arithmetic", "LINEAR > ARITHMETIC"},
    {"linear_arithmetic_twice", "LINEAR => ARITHMETIC"},
    {"linear_batch_norm", "LINEAR > BatchNormalization"},
    {"linear_activations", "LINEAR > ACTIVATIONS"},
    {"linear_batch_norm_activations", "LINEAR > BatchNormalization > ACTIVATIONS"},
    {"linear_scale_shift_activations", "LINEAR > SCALE_SHIFT > ACTIVATIONS"},
    {"linear_activations_batch_norm", "LINEAR > ACTIVATIONS > BatchNormalization"},
    {"linear_activations_scale_shift", "LINEAR > ACTIVATIONS > SCALE_SHIFT"},
    {"linear_batch_norm_scale_shift_activations", "LINEAR > BatchNormalization > SCALE_SHIFT > ACTIVATIONS"},
    {"linear_squeeze_activations", "LINEAR > Squeeze > ACTIVATIONS"},
    {"linear_squeeze_arithmetic_activations", "LINEAR > Squeeze > ARITHMETIC > ACTIVATIONS"},
    {"linear_arithmetic_activations", "LINEAR > ARITHMETIC > ACTIVATIONS"},
    {"linear_shift_scale", "LINEAR > Add|Sum|Sub > Mul|Div"},
    {"linear_arithmetic_activations_arithmetic", "LINEAR > ARITHMETIC > ACTIVATIONS > ARITHMETIC"},
    {"linear_scale_shift", "LINEAR > SCALE_SHIFT", kOnCpuAndGpu},
};

constexpr PatternRow kIgnored[] = {
    {"multihead_attention_output", "Softmax > m:MatMul|Gemm; Reshape|Transpose|Split|Gather|Squeeze|Concat > m",
     kNotOnSpr, true},
    {"multihead_attention_output",
     "Softmax > Reshape > m:MatMul|Gemm; Reshape|Transpose|Split|Gather|Squeeze|Concat > m", kNotOnSpr, true},
    {"rope", "MatMul > Transpose > c:Concat > Cos; c > Sin", kEverywhere, true},
    {"sam_pe", "MatMul > m:Mul > Cos > c:Concat; m > Sin > c", kEverywhere, true},
    {"se_block",
     "g:-ReduceMean|GlobalAveragePool > Conv > ACTIVATIONS > Conv > Sigmoid|HardSigmoid > m:-Mul; x:* > g; x > m"},
};

// What an activation is made of: from the operation before it, "x", on; "y" is its last operation.
struct Arrangement {
  std::string_view first;  // reads x
  std::string_view rest;   // up to y
  bool rejoins;            // y reads x, too
};

constexpr std::array<Arrangement, 6> kActivations = {{
    {"y:ACTIVATION", "", false},
    {"f:Sigmoid", " > y:Mul", true},
    {"f:HardSigmoid", " > y:Mul", true},
    {"f:Add|Sum", " > Relu|Clip > y:Mul", true},
    {"f:Add|Sum", " > Relu|Clip > z:Mul > y:Div", true},
    {"f:Div|Mul", " > Erf > Add|Sum|Sub > y:Mul|Div", true},
}};

std::string replaced(std::string text, std::string_view word, std::string_view by) {
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + by.size()))
    text.replace(at, word.size(), by);
  return text;
}

// The structure with ACTIVATIONS, which stands once in its first chain, replaced.
std::string with_activation(const std::string& structure, const Arrangement& activation) {
  constexpr std::string_view kWord = "ACTIVATIONS";
  const auto at = structure.find(kWord);
  std::string before = structure.substr(0, at);
  std::string after = structure.substr(at + kWord.size());
  const std::string body = std::string(activation.first) + std::string(activation.rest);
  if (!activation.rejoins) return before + "ACTIVATION" + after;
  const std::string_view joint = body.find("z:") == std::string::npos ? "y" : "z";
  if (before.empty()) return body + after + fmt::format("; p:* > f; p > {}", joint);
  // The word before it needs a name.
  const auto end = before.rfind(" > ");
  const auto start = before.rfind(' ', end - 1);
  const auto word = start == std::string::npos ? 0 : start + 1;
  before.insert(word, "p:");
  return before + body + after + fmt::format("; p > {}", joint);
}

struct Table {
  std::deque<std::string> structures;  // what the rows point to
  std::vector<PatternRow> rows;
};

Table expand(std::span<const PatternRow> rows) {
  Table table;
  for (const PatternRow& row : rows) {
    const std::string structure = replaced(std::string(row.structure), "SCALE_SHIFT", "Mul > Add|Sum|Sub");
    const bool once = structure.find("ACTIVATIONS") == std::string::npos;
    for (const Arrangement& activation : kActivations) {
      table.structures.push_back(once ? structure : with_activation(structure, activation));
      table.rows.push_back({row.name, table.structures.back(), row.devices, row.only_transformers});
      if (once) break;
    }
  }
  return table;
}

}  // namespace

std::span<const PatternRow> fused_patterns_of_onnx() {
  static const Table table = expand(kFused);
  return table.rows;
}

std::span<const PatternRow> ignored_patterns_of_onnx() {
  static const Table table = expand(kIgnored);
  return table.rows;
}

}  // namespace tightrope
