// SPDX-License-Identifier: Apache-2.0
#include "placement/patterns.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "graph/data_flow.h"
#include "support/graph_builder.h"

namespace tightrope {

void PrintTo(const PatternRow& row, std::ostream* out) { *out << row.name << ": " << row.structure; }

namespace {

using test::GraphBuilder;
using testing::ElementsAre;
using testing::IsEmpty;

// The pattern as a graph of its own: classes become one of their types, contexts and inputs of the first member a
// parameter, missing second operands a constant.
class Written {
 public:
  explicit Written(std::string_view structure, Vocabulary vocabulary = Vocabulary::kOpenVino) {
    net.graph.vocabulary = vocabulary;
    std::string_view rest = structure;
    while (!rest.empty()) read_chain(take(rest, ';'));
    std::map<std::string, ValueId> values;
    for (const std::string& name : order()) values[name] = build(name, values);
    for (const auto& [name, value] : values) {
      if (net.graph.value(value).uses.empty() &&
          net.graph.node(net.graph.value(value).producer).kind != OpKind::kResult)
        net.result(value);
    }
  }

  GraphBuilder net;
  std::vector<std::string> members;  // that belong to the match, in the order of the structure

 private:
  static std::string take(std::string_view& text, char separator) {
    const auto end = text.find(separator);
    std::string taken(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    const auto first = taken.find_first_not_of(' ');
    return first == std::string::npos ? "" : taken.substr(first, taken.find_last_not_of(' ') - first + 1);
  }

  void read_chain(const std::string& chain) {
    std::string_view rest = chain;
    std::string previous;
    int count = 0;
    while (!rest.empty()) {
      std::string word = take(rest, '>');
      const bool twice = word.ends_with('=');
      if (twice) word = word.substr(0, word.find_last_not_of(" =") + 1);
      const std::string name = declare(word);
      for (int i = 0; i < count; ++i) inputs_[name].push_back(previous);
      previous = name;
      count = twice ? 2 : 1;
    }
  }

  std::string declare(std::string word) {
    if (types_.contains(word)) return word;
    std::string name = fmt::format("n{}", types_.size());
    if (const auto colon = word.find(':'); colon != std::string::npos) {
      name = word.substr(0, colon);
      word = word.substr(colon + 1);
    }
    const bool counts = word[0] != '-' && word != "*";
    if (word[0] == '-') word = word.substr(1);
    const bool onnx = net.graph.vocabulary == Vocabulary::kOnnx;
    const std::map<std::string, std::string> examples = {
        {"LINEAR", onnx ? "Conv" : "Convolution"}, {"ACTIVATION", "Elu"}, {"ARITHMETIC", onnx ? "Sub" : "Subtract"},
        {"ELEMENTWISE", onnx ? "Max" : "Maximum"}, {"?", "Tanh"},         {"*", "Tanh"}};
    const std::string first = word.substr(0, word.find('|'));
    types_[name] = examples.contains(first) ? examples.at(first) : first;
    names_.push_back(name);
    if (counts) members.push_back(name);
    return name;
  }

  std::vector<std::string> order() const {
    std::vector<std::string> sorted;
    while (sorted.size() < names_.size()) {
      for (const std::string& name : names_) {
        const auto done = [&](const std::string& other) { return std::ranges::find(sorted, other) != sorted.end(); };
        const auto inputs = inputs_.find(name);
        if (!done(name) && (inputs == inputs_.end() || std::ranges::all_of(inputs->second, done)))
          sorted.push_back(name);
      }
    }
    return sorted;
  }

  ValueId build(const std::string& name, const std::map<std::string, ValueId>& values) {
    const std::string& type = types_.at(name);
    if (type == "Parameter") return net.input(name);
    std::vector<ValueId> inputs;
    if (const auto found = inputs_.find(name); found != inputs_.end()) {
      for (const std::string& input : found->second) inputs.push_back(values.at(input));
    }
    if (inputs.empty()) inputs.push_back(net.input(name + "/x"));
    const Node row = test::node_of(name, type, OpKind::kOther, net.graph.vocabulary);
    const OpKind kind = type == "Result"                          ? OpKind::kResult
                        : type == "Conv" || type == "Convolution" ? OpKind::kConvolution
                                                                  : OpKind::kOther;
    if (kind == OpKind::kConvolution) return net.conv(name, inputs[0]);
    if (inputs.size() == 1 && (row.roles & kIsElementwise)) inputs.push_back(net.constant(name + "/c"));
    return net.add(name, type, kind, inputs);
  }

  std::map<std::string, std::string> types_;
  std::map<std::string, std::vector<std::string>> inputs_;
  std::vector<std::string> names_;
};

std::vector<std::string> names_of(const PatternMatch& match, const Graph& graph) {
  std::vector<std::string> names;
  for (const NodeId id : match.nodes) names.push_back(graph.node(id).name);
  return names;
}

std::vector<PatternMatch> find(const GraphBuilder& net, std::span<const PatternRow> rows, bool closed = true) {
  return find_patterns(net.graph, data_flow(net.graph), rows, closed);
}

void expect_found(const PatternRow& row, Vocabulary vocabulary) {
  const Written written(row.structure, vocabulary);
  const auto found = find(written.net, std::span(&row, 1));
  ASSERT_EQ(found.size(), 1U) << row.structure;
  EXPECT_EQ(found[0].name, row.name);
  EXPECT_EQ(names_of(found[0], written.net.graph), written.members);
}

class EveryRow : public testing::TestWithParam<PatternRow> {};
class EveryOnnxRow : public EveryRow {};

// The graph of a row is found by the row itself.
TEST_P(EveryRow, FindsTheGraphThatItDescribes) { expect_found(GetParam(), Vocabulary::kOpenVino); }
TEST_P(EveryOnnxRow, FindsTheGraphThatItDescribes) { expect_found(GetParam(), Vocabulary::kOnnx); }

std::vector<PatternRow> all_rows(Vocabulary vocabulary) {
  std::vector<PatternRow> rows;
  for (const auto table : {fused_patterns(vocabulary), ignored_patterns(vocabulary)})
    rows.insert(rows.end(), table.begin(), table.end());
  return rows;
}

INSTANTIATE_TEST_SUITE_P(OpenVino, EveryRow, testing::ValuesIn(all_rows(Vocabulary::kOpenVino)),
                         [](const auto& row) { return fmt::format("{}_{}", row.index, row.param.name); });
INSTANTIATE_TEST_SUITE_P(Onnx, EveryOnnxRow, testing::ValuesIn(all_rows(Vocabulary::kOnnx)),
                         [](const auto& row) { return fmt::format("{}_{}", row.index, row.param.name); });

constexpr PatternRow kConvRelu[] = {{"conv_relu", "Convolution > Relu"}};

TEST(FindPatterns, TakesAMatchOnlyIfNobodyElseReadsItsInside) {
  GraphBuilder net;
  const ValueId conv = net.conv("conv", net.input("x"));
  net.result(net.relu("relu", conv));
  ASSERT_EQ(find(net, kConvRelu).size(), 1U);
  net.result(net.other("tanh", "Tanh", conv));
  EXPECT_THAT(find(net, kConvRelu), IsEmpty());
  EXPECT_EQ(find(net, kConvRelu, false).size(), 1U);
}

TEST(FindPatterns, IgnoresWhatIsOutsideTheFlowOfData) {
  GraphBuilder net;
  const ValueId conv = net.conv("conv", net.input("x"));
  net.shape_of("shape", conv);
  net.result(net.relu("relu", conv));
  EXPECT_EQ(find(net, kConvRelu).size(), 1U);
}

TEST(FindPatterns, RefusesAnOperandFromOutside) {
  constexpr PatternRow kBias[] = {{"bias", "Convolution > Add"}};
  GraphBuilder net;
  const ValueId x = net.input("x");
  net.result(net.sum("residual", net.conv("conv", x), x));
  EXPECT_THAT(find(net, kBias), IsEmpty());
}

TEST(FindPatterns, PrefersTheLargerPattern) {
  constexpr PatternRow kRows[] = {{"short", "Convolution > Add"}, {"long", "Convolution > Add > Relu"}};
  GraphBuilder net;
  net.result(net.relu("relu", net.bias("bias", net.conv("conv", net.input("x")))));
  const auto found = find(net, kRows);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "long");
}

TEST(FindPatterns, GivesEachOperationToOneMatchTheFirstByRank) {
  constexpr PatternRow kRows[] = {{"pair", "Relu > Relu"}};
  GraphBuilder net;
  ValueId x = net.input("x");
  for (const char* name : {"a", "b", "c"}) x = net.relu(name, x);
  net.result(x);
  const auto found = find(net, kRows);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(names_of(found[0], net.graph), ElementsAre("a", "b"));
}

TEST(FindPatterns, TellsOneReadFromTwo) {
  constexpr PatternRow kOnce[] = {{"once", "Relu > Multiply"}};
  constexpr PatternRow kTwice[] = {{"twice", "Relu => Multiply"}};
  GraphBuilder net;
  const ValueId relu = net.relu("relu", net.input("x"));
  net.result(net.add("square", "Multiply", OpKind::kOther, {relu, relu}));
  EXPECT_THAT(find(net, kOnce), IsEmpty());
  EXPECT_EQ(find(net, kTwice).size(), 1U);
}

}  // namespace
}  // namespace tightrope
