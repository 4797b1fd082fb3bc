// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/networks.h"
#include "graph/site.h"
#include "ranges/fit.h"
#include "statistics/collect.h"
#include "support/builders.h"
#include "tightrope/error.h"
#include "tightrope/openvino.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

using test::constant;
using test::convolution;
using test::count_of;
using test::network;
using test::node_called;
using test::NodePtr;
using test::op;
using test::output_quantizer;
using test::parameter;
using test::small_network;
using test::source_of;
using test::text_of;
using test::wave_sample;
using test::wave_samples;
using test::weights;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing::ThrowsMessage;

const Shape kSampleShape = {1, 3, 6, 6};

Quantizer input_quantizer(const std::string& node, int port, float low, float high) {
  Quantizer quantizer = output_quantizer(node, {node}, low, high);
  quantizer.kind = SiteKind::kInput;
  quantizer.port = port;
  return quantizer;
}

Quantizer weight_quantizer(const std::string& node, std::vector<float> low, std::vector<float> high,
                           std::vector<int> axes, int levels = 255) {
  Quantizer quantizer = test::weight_quantizer(node, {1}, levels);
  quantizer.config.per_channel = !axes.empty();
  quantizer.channel_axes = std::move(axes);
  quantizer.range = {std::move(low), std::move(high), levels};
  return quantizer;
}

Plan plan_of(std::vector<Quantizer> quantizers, std::vector<BiasShift> shifts = {}) {
  Plan plan;
  plan.quantizers = std::move(quantizers);
  plan.bias_shifts = std::move(shifts);
  return plan;
}

std::shared_ptr<ov::Model> rewritten(const std::shared_ptr<ov::Model>& model, const Plan& plan) {
  return to_openvino(*from_openvino(model)->apply(plan));
}

std::vector<float> constant_values(const NodePtr& node) {
  return ov::as_type_ptr<ov::op::v0::Constant>(node)->cast_vector<float>();
}

// Without the runtime's own quantization of what a matrix product with 8-bit weights reads. By name of the output.
std::map<std::string, std::vector<float>> exact_outputs(const std::shared_ptr<ov::Model>& model) {
  auto request = ov::Core()
                     .compile_model(model, "CPU", ov::hint::inference_precision(ov::element::f32),
                                    ov::hint::dynamic_quantization_group_size(0))
                     .create_infer_request();
  auto values = test::waves(108);
  request.set_input_tensor(ov::Tensor(ov::element::f32, {1, 3, 6, 6}, values.data()));
  request.infer();
  std::map<std::string, std::vector<float>> outputs;
  for (const char* name : {"y", "depth"}) {
    const auto output = request.get_tensor(name);
    outputs[name].assign(output.data<float>(), output.data<float>() + output.get_size());
  }
  return outputs;
}

TEST(Rewrite, SharesOneQuantizerAmongTheConsumersOfAnOutput) {
  const auto model = rewritten(small_network(), plan_of({output_quantizer("relu1", {"conv2"}, 0, 2.5F)}));
  ASSERT_EQ(count_of(*model, "FakeQuantize"), 1U);
  const auto quantizer = node_called(*model, "relu1/fq_output_0");
  EXPECT_EQ(source_of(quantizer, 0)->get_friendly_name(), "relu1");
  for (const char* consumer : {"conv2", "depthwise"}) EXPECT_EQ(source_of(node_called(*model, consumer), 0), quantizer);
  EXPECT_EQ(source_of(node_called(*model, "sum"), 1), quantizer);
  EXPECT_EQ(source_of(node_called(*model, "shape_of"), 0)->get_friendly_name(), "relu1") << "a shape needs no elements";
  EXPECT_EQ(ov::as_type_ptr<ov::op::v0::FakeQuantize>(quantizer)->get_levels(), 256U);
  for (const std::size_t port : {1U, 3U}) EXPECT_THAT(constant_values(source_of(quantizer, port)), ElementsAre(0));
  for (const std::size_t port : {2U, 4U}) {
    EXPECT_THAT(constant_values(source_of(quantizer, port)), ElementsAre(2.5F));
    EXPECT_EQ(source_of(quantizer, port)->get_shape(), ov::Shape{});
  }
}

TEST(Rewrite, QuantizesOneInputAlone) {
  const auto model = rewritten(small_network(), plan_of({input_quantizer("conv2", 0, 0, 2)}));
  ASSERT_EQ(count_of(*model, "FakeQuantize"), 1U);
  const auto quantizer = node_called(*model, "conv2/fq_input_0");
  EXPECT_EQ(source_of(node_called(*model, "conv2"), 0), quantizer);
  EXPECT_EQ(source_of(node_called(*model, "sum"), 1)->get_friendly_name(), "relu1");
  EXPECT_EQ(source_of(node_called(*model, "depthwise"), 0)->get_friendly_name(), "relu1");
}

TEST(Rewrite, MakesEqualInputQuantizersOfATensorOneNode) {
  const auto model =
      rewritten(small_network(), plan_of({input_quantizer("conv2", 0, 0, 2), input_quantizer("sum", 1, 0, 2),
                                          input_quantizer("depthwise", 0, 0, 3)}));
  EXPECT_EQ(count_of(*model, "FakeQuantize"), 2U);
  EXPECT_EQ(source_of(node_called(*model, "sum"), 1), source_of(node_called(*model, "conv2"), 0));
  EXPECT_NE(source_of(node_called(*model, "depthwise"), 0), source_of(node_called(*model, "conv2"), 0));
}

TEST(Rewrite, GivesEachChannelItsRange) {
  Quantizer quantizer = input_quantizer("depthwise", 0, 0, 1);
  quantizer.channel_axes = {1};
  quantizer.range = {{0, 0, 0, 0}, {1, 2, 3, 4}, 256};
  const auto model = rewritten(small_network(), plan_of({quantizer}));
  const auto high = source_of(node_called(*model, "depthwise/fq_input_0"), 2);
  EXPECT_EQ(high->get_shape(), (ov::Shape{1, 4, 1, 1}));
  EXPECT_THAT(constant_values(high), ElementsAre(1, 2, 3, 4));
}

TEST(Rewrite, StoresWeightsInEightBits) {
  const std::vector<float> high = {1, 0.5F, 2, 1};
  const auto model = rewritten(small_network(), plan_of({weight_quantizer("conv1", {-1, -0.5F, -2, -1}, high, {0})}));
  const auto multiply = source_of(node_called(*model, "conv1"), 1);
  EXPECT_EQ(multiply->get_friendly_name(), "conv1/fq_weights_1");
  ASSERT_STREQ(multiply->get_type_name(), "Multiply");
  EXPECT_EQ(source_of(multiply, 1)->get_shape(), (ov::Shape{4, 1, 1, 1}));
  EXPECT_THAT(constant_values(source_of(multiply, 1)), ElementsAre(2 / 254.0F, 1 / 254.0F, 4 / 254.0F, 2 / 254.0F));
  const auto convert = source_of(multiply, 0);
  ASSERT_STREQ(convert->get_type_name(), "Convert");
  EXPECT_EQ(convert->get_element_type(), ov::element::f32);
  const auto levels = source_of(convert, 0);
  ASSERT_EQ(levels->get_element_type(), ov::element::i8);
  EXPECT_EQ(levels->get_shape(), (ov::Shape{4, 3, 3, 3}));
  const auto found = constant_values(levels);
  const auto weight = test::waves(108);
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i], std::clamp(std::nearbyint(weight[i] / (high[i / 27] / 127)), -127.0F, 127.0F)) << i;
  }
}

TEST(Rewrite, SubtractsAZeroPointWhereTheRangeIsNotCentered) {
  const auto model = rewritten(small_network(), plan_of({weight_quantizer("fc", {-1.1F}, {0.9F}, {}, 256)}));
  const auto multiply = source_of(node_called(*model, "fc"), 1);
  const auto subtract = source_of(multiply, 0);
  ASSERT_STREQ(subtract->get_type_name(), "Subtract");
  ASSERT_STREQ(source_of(subtract, 0)->get_type_name(), "Convert");
  const float scale = 2 / 255.0F;
  EXPECT_NEAR(constant_values(source_of(multiply, 1)).at(0), scale, 1e-7F);
  EXPECT_NEAR(constant_values(source_of(subtract, 1)).at(0), -128 + 1.1F / scale, 1e-4F);
}

TEST(Rewrite, KeepsAWeightThatTwoOperationsShareOnce) {
  const auto x = parameter("x", {1, 3, 6, 6});
  const auto w = weights("w", {4, 3, 3, 3});
  const auto model = network({{"y", convolution("a", x, w)}, {"z", convolution("b", x, w)}}, {x});
  const auto one = [](const std::string& node, float high) { return weight_quantizer(node, {-high}, {high}, {}); };
  EXPECT_EQ(count_of(*rewritten(model, plan_of({one("a", 1), one("b", 1)})), "Multiply"), 1U);
  const auto apart = rewritten(model, plan_of({one("a", 1), one("b", 2)}));
  EXPECT_EQ(count_of(*apart, "Multiply"), 2U);
  const auto reverted = rewritten(model, plan_of({one("a", 1)}));
  EXPECT_EQ(source_of(node_called(*reverted, "b"), 1)->get_friendly_name(), "w");
}

TEST(Rewrite, OfAnEmptyPlanIsTheOriginalOperationForOperation) {
  const auto x = parameter("x", {1, 3, 6, 6});
  const auto conv = convolution("conv", x, test::reshape("chain", weights("w", {36, 3}), {4, 3, 3, 3}));
  const auto model = network({{"y", conv}}, {x});
  EXPECT_EQ(text_of(*rewritten(model, {})), text_of(*model)) << "not even folded";
  EXPECT_EQ(text_of(*rewritten(small_network(), {})), text_of(*small_network()));
}

TEST(Rewrite, AddsAShiftToTheBiasThatIsThere) {
  const auto original = small_network();
  const auto model = rewritten(original, plan_of({}, {{"conv1", {1, 2, 3, 4}}}));
  EXPECT_EQ(model->get_ops().size(), original->get_ops().size());
  const auto bias = source_of(node_called(*model, "bias1"), 1);
  EXPECT_EQ(bias->get_friendly_name(), "conv1/corrected_bias");
  const auto before = test::waves(4, 0.3F);
  EXPECT_THAT(constant_values(bias), ElementsAre(before[0] + 1, before[1] + 2, before[2] + 3, before[3] + 4));
}

TEST(Rewrite, LeavesABiasThatAnotherOperationSharesAlone) {
  const auto x = parameter("x", {1, 3, 6, 6});
  const auto b = constant("b", {1, 4, 1, 1}, {1, 1, 1, 1});
  const auto add = [&](const std::string& name, float phase) {
    return op<ov::op::v1::Add>(name + "_bias", convolution(name, x, weights("w" + name, {4, 3, 3, 3}, phase)), b);
  };
  const auto model =
      rewritten(network({{"y", add("a", 0)}, {"z", add("c", 1)}}, {x}), plan_of({}, {{"a", {1, 2, 3, 4}}}));
  EXPECT_THAT(constant_values(source_of(node_called(*model, "a_bias"), 1)), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(constant_values(source_of(node_called(*model, "c_bias"), 1)), ElementsAre(1, 1, 1, 1));
}

TEST(Rewrite, InsertsABiasWhereThereIsNone) {
  const auto model = rewritten(small_network(), plan_of({}, {{"depthwise", {1, 2, 3, 4}}, {"conv2", {5, 6, 7, 8}}}));
  const auto add = source_of(node_called(*model, "depth/result"), 0);
  EXPECT_EQ(add->get_friendly_name(), "depthwise/add_bias_shift");
  EXPECT_EQ(source_of(add, 0)->get_friendly_name(), "depthwise");
  EXPECT_EQ(source_of(node_called(*model, "sum"), 0)->get_friendly_name(), "conv2/add_bias_shift")
      << "an addition of two activations is no bias";
}

TEST(Rewrite, KeepsTheNamesOfInputsAndOutputs) {
  const auto model = rewritten(
      small_network(),
      plan_of({output_quantizer("x", {}, -1, 1), output_quantizer("fc", {}, -9, 9)}, {{"depthwise", {1, 2, 3, 4}}}));
  EXPECT_NO_THROW(model->input("x"));
  for (std::size_t i = 0; i < 3; ++i) {
    const char* name = std::array{"y", "depth", "shape"}[i];
    EXPECT_NO_THROW(model->output(name)) << name;
    EXPECT_EQ(model->output(i).get_names().count(name), 1U) << name;
  }
}

double rounded(double value, double low, double high, int levels) {
  const double step = (high - low) / (levels - 1);
  return std::nearbyint((std::clamp(value, low, high) - low) / step) * step + low;
}

// The same network with float constants that were rounded here.
std::shared_ptr<ov::Model> with_weights_rounded_here(const ov::Model& original,
                                                     const std::vector<Quantizer>& quantizers) {
  const auto reference = original.clone();
  for (const Quantizer& quantizer : quantizers) {
    const auto node = node_called(*reference, quantizer.node);
    auto values = constant_values(source_of(node, 1));
    const Range& range = quantizer.range;
    const std::size_t length = values.size() / range.low.size();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = rounded(values[i], range.low[i / length], range.high[i / length], range.levels);
      values[i] = static_cast<float>(value);
    }
    node->input(1).replace_source_output(constant("rounded", source_of(node, 1)->get_shape(), values));
  }
  return reference;
}

// One weight may lie on the edge between two levels in one arithmetic and not in the other; none does in these tests.
void expect_equal_outputs(const std::shared_ptr<ov::Model>& a, const std::shared_ptr<ov::Model>& b,
                          const std::string& what, float tolerance = 1e-5F) {
  auto right = exact_outputs(b);
  for (const auto& [name, left] : exact_outputs(a)) {
    ASSERT_EQ(left.size(), right[name].size());
    for (std::size_t i = 0; i < left.size(); ++i) {
      EXPECT_NEAR(left[i], right[name][i], tolerance * std::max(1.0F, std::abs(left[i]))) << what << ", " << name << i;
    }
  }
}

TEST(Rewrite, ComputesWithRoundedWeights) {
  const auto original = small_network();
  const std::vector<Quantizer> quantizers = {
      weight_quantizer("conv1", {-1, -0.5F, -2, -1}, {1, 0.5F, 2, 1}, {0}),
      weight_quantizer("conv2", {-0.9F, -0.9F, -0.9F, -0.5F}, {1, 1, 1, 0.8F}, {0}, 256),
      weight_quantizer("fc", {-1, -1, -1, -1, -1}, {1, 1, 1, 1, 1}, {0}),
      weight_quantizer("depthwise", {-1, -1, -1, -0.7F}, {1, 1, 1, 0.7F}, {0, 1})};
  expect_equal_outputs(with_weights_rounded_here(*original, quantizers), rewritten(original, plan_of(quantizers)),
                       "weights");
}

// Quantizers for all weights of the small network, with the ranges that fit them.
std::vector<Quantizer> fitted_weights(const QuantizerConfig& config) {
  const auto read = from_openvino(small_network());
  std::vector<Quantizer> quantizers;
  for (const auto& [node, axes] : std::vector<std::pair<std::string, std::vector<int>>>{
           {"conv1", {0}}, {"conv2", {0}}, {"fc", {0}}, {"depthwise", {0, 1}}}) {
    Quantizer quantizer = weight_quantizer(node, {}, {}, config.per_channel ? axes : std::vector<int>());
    quantizer.config = config;
    const Tensor weight = read->constant(value_of(quantizer, read->graph()));
    quantizer.range = fit_weight(weight, quantizer.channel_axes, config, false);
    quantizers.push_back(quantizer);
  }
  return quantizers;
}

// The small network with quantized activations, so that its layers may run in 8 bits, and these weights.
Plan with_activations(const std::vector<Quantizer>& weights) {
  Plan plan = plan_of({output_quantizer("x", {}, -1.28F, 1.27F), output_quantizer("relu1", {}, 0, 5.1F)});
  plan.quantizers.insert(plan.quantizers.end(), weights.begin(), weights.end());
  return plan;
}

TEST(Rewrite, ComputesWithWeightsOfEveryConfiguration) {
  const auto original = small_network();
  for (const int bits : {2, 4, 8, 10}) {
    for (const QuantizerConfig& config : {QuantizerConfig{bits, Mode::kSymmetric, true, true, true},
                                          QuantizerConfig{bits, Mode::kSymmetric, false, false, true},
                                          QuantizerConfig{bits, Mode::kSymmetric, true, false, false},
                                          QuantizerConfig{bits, Mode::kAsymmetric, true, true, {}},
                                          QuantizerConfig{bits, Mode::kAsymmetric, false, false, {}}}) {
      const auto weights = fitted_weights(config);
      const auto reference = rewritten(with_weights_rounded_here(*original, weights), with_activations({}));
      expect_equal_outputs(
          reference, rewritten(original, with_activations(weights)),
          fmt::format("{} bits, mode {}, narrow {}", bits, static_cast<int>(config.mode), config.narrow_range));
    }
  }
}

TEST(Rewrite, LeavesWeightsOfMoreThanEightBitsInFloatingPoint) {
  const auto original = small_network();
  const auto quantizers = fitted_weights({16, Mode::kSymmetric, true, true, true});
  const auto model = rewritten(original, plan_of(quantizers));
  const auto quantizer = source_of(node_called(*model, "conv1"), 1);
  EXPECT_EQ(quantizer->get_friendly_name(), "conv1/fq_weights_1");
  ASSERT_STREQ(quantizer->get_type_name(), "FakeQuantize");
  EXPECT_EQ(ov::as_type_ptr<ov::op::v0::FakeQuantize>(quantizer)->get_levels(), 65535U);
  EXPECT_EQ(source_of(quantizer, 0)->get_friendly_name(), "w1");
  EXPECT_EQ(source_of(quantizer, 2)->get_shape(), (ov::Shape{4, 1, 1, 1}));
  EXPECT_EQ(count_of(*model, "FakeQuantize"), 4U);
  // Some weights go to the next level in one arithmetic and not in the other: 1 / 32767 of the widest.
  expect_equal_outputs(with_weights_rounded_here(*original, quantizers), model, "16 bits", 1e-4F);
}

Quantizer in_float8(Quantizer quantizer, NumberFormat format) {
  quantizer.config.format = format;
  return quantizer;
}

TEST(Rewrite, PutsAFakeConvertWhereLevelsAreFloatingPoint) {
  const auto model =
      rewritten(small_network(), plan_of({in_float8(output_quantizer("x", {}, -4, 4), NumberFormat::kF8E4M3),
                                          in_float8(input_quantizer("conv2", 0, -7, 7), NumberFormat::kF8E5M2)}));
  const auto convert = source_of(node_called(*model, "conv1"), 0);
  EXPECT_EQ(convert->get_friendly_name(), "x/fc_output_0");
  ASSERT_STREQ(convert->get_type_name(), "FakeConvert");
  EXPECT_EQ(ov::as_type_ptr<ov::op::v13::FakeConvert>(convert)->get_destination_element_type(), ov::element::f8e4m3);
  EXPECT_THAT(constant_values(source_of(convert, 1)), ElementsAre(112));
  EXPECT_THAT(constant_values(source_of(convert, 2)), ElementsAre(0));
  const auto other = source_of(node_called(*model, "conv2"), 0);
  EXPECT_EQ(other->get_friendly_name(), "conv2/fc_input_0");
  EXPECT_THAT(constant_values(source_of(other, 1)), ElementsAre(8192));
}

TEST(Rewrite, StoresWeightsAs8BitFloatingPoint) {
  const auto original = small_network();
  for (const NumberFormat format : {NumberFormat::kF8E4M3, NumberFormat::kF8E5M2}) {
    QuantizerConfig config{8, Mode::kSymmetric, true, true, true};
    config.format = format;
    const auto weights = fitted_weights(config);
    const auto model = rewritten(original, plan_of(weights));
    const auto multiply = source_of(node_called(*model, "conv1"), 1);
    EXPECT_EQ(multiply->get_friendly_name(), "conv1/fc_weights_1");
    const bool is_e4m3 = format == NumberFormat::kF8E4M3;
    const auto stored = source_of(source_of(multiply, 0), 0);
    EXPECT_EQ(stored->get_element_type(), is_e4m3 ? ov::element::f8e4m3 : ov::element::f8e5m2);
    const auto levels = constant_values(stored);
    const auto scales = constant_values(source_of(multiply, 1));
    const auto values = constant_values(node_called(*original, "w1"));
    ASSERT_EQ(scales.size(), 4U);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float scale = scales[i / (values.size() / scales.size())];
      const float half_step = std::abs(values[i]) / (is_e4m3 ? 16 : 8) + scale * (is_e4m3 ? 1e-3F : 1e-5F);
      EXPECT_NEAR(levels[i] * scale, values[i], half_step) << i;
    }
  }
}

TEST(Rewrite, KeepsWeightsInFloatingPointInFrontOfAFakeConvert) {
  QuantizerConfig config{8, Mode::kSymmetric, true, true, true};
  config.format = NumberFormat::kF8E4M3;
  Plan plan = plan_of(fitted_weights(config));
  plan.compress_weights = false;
  const auto model = rewritten(small_network(), plan);
  EXPECT_EQ(count_of(*model, "FakeConvert"), 4U);
  const auto convert = source_of(node_called(*model, "conv1"), 1);
  EXPECT_EQ(convert->get_friendly_name(), "conv1/fc_weights_1");
  EXPECT_EQ(source_of(convert, 0)->get_friendly_name(), "w1");
  EXPECT_EQ(source_of(convert, 1)->get_shape(), (ov::Shape{4, 1, 1, 1}));
}

TEST(Rewrite, KeepsWeightsInFloatingPointWhereThePlanSaysSo) {
  const auto original = small_network();
  const auto weights = fitted_weights({8, Mode::kSymmetric, true, true, true});
  Plan plan = plan_of(weights);
  plan.compress_weights = false;
  const auto model = rewritten(original, plan);
  const auto quantizer = source_of(node_called(*model, "conv1"), 1);
  EXPECT_EQ(quantizer->get_friendly_name(), "conv1/fq_weights_1");
  EXPECT_STREQ(quantizer->get_type_name(), "FakeQuantize");
  EXPECT_EQ(source_of(quantizer, 0)->get_friendly_name(), "w1");
  expect_equal_outputs(rewritten(original, plan_of(weights)), model, "stored in 8 bits and in floats");
}

TEST(Rewrite, MovesWeightsByTheirRounding) {
  const auto original = small_network();
  auto weights = fitted_weights({8, Mode::kSymmetric, true, true, true});
  const auto levels_of = [&](const std::vector<Quantizer>& quantizers) {
    return constant_values(
        source_of(source_of(source_of(node_called(*rewritten(original, plan_of(quantizers)), "conv1"), 1), 0), 0));
  };
  const auto nearest = levels_of(weights);
  const auto conv1 = std::ranges::find(weights, "conv1", &Quantizer::node);
  conv1->rounding.assign(108, 0);
  conv1->rounding[3] = 2;
  conv1->rounding[100] = -1;
  auto expected = nearest;
  expected[3] = std::min(expected[3] + 2, 127.0F);
  expected[100] = std::max(expected[100] - 1, -127.0F);
  EXPECT_EQ(levels_of(weights), expected);
  Plan floats = plan_of(weights);
  floats.compress_weights = false;
  expect_equal_outputs(rewritten(original, plan_of(weights)), rewritten(original, floats),
                       "stored in 8 bits and in floats");
  conv1->rounding.pop_back();
  EXPECT_THAT([&] { rewritten(original, plan_of(weights)); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("conv1"), HasSubstr("107 elements for 108"))));
}

TEST(Rewrite, StoresLevelsFromZeroWithoutAZeroPoint) {
  const auto stored = [](float high, int levels) {
    const auto model = rewritten(small_network(), plan_of({weight_quantizer("fc", {0}, {high}, {}, levels)}));
    const auto multiply = source_of(node_called(*model, "fc"), 1);
    EXPECT_STREQ(source_of(multiply, 0)->get_type_name(), "Convert") << "no Subtract";
    const auto values = constant_values(source_of(source_of(multiply, 0), 0));
    EXPECT_EQ(*std::max_element(values.begin(), values.end()), static_cast<float>(levels - 1));
    EXPECT_EQ(*std::min_element(values.begin(), values.end()), 0);
    return source_of(source_of(multiply, 0), 0)->get_element_type();
  };
  EXPECT_EQ(stored(0.9F, 256), ov::element::u8);
  EXPECT_EQ(stored(0.9F, 128), ov::element::i8) << "which runs in 8 bits, where u8 does not";
  EXPECT_EQ(stored(0.9F, 16), ov::element::i8);
}

TEST(Rewrite, LetsConvolutionsRunInEightBitsWhereWeightsHaveFewer) {
  for (const int bits : {2, 4, 8}) {
    const auto weights = fitted_weights({bits, Mode::kSymmetric, true, true, true});
    const auto compiled = ov::Core().compile_model(rewritten(small_network(), with_activations(weights)), "CPU",
                                                   ov::hint::inference_precision(ov::element::f32));
    std::vector<std::string> kernels;
    for (const auto& node : compiled.get_runtime_model()->get_ordered_ops()) {
      const auto& facts = node->get_rt_info();
      if (facts.at("layerType").as<std::string>() != "Convolution") continue;
      kernels.push_back(facts.at("primitiveType").as<std::string>());
    }
    EXPECT_THAT(kernels, testing::SizeIs(3));
    EXPECT_THAT(kernels, testing::Each(testing::MatchesRegex(".*[iI]8"))) << bits << " bits";
  }
}

TEST(Rewrite, ComputesWithARangePerChannelOnAnyAxis) {
  const Shape shape = {2, 3, 4};
  const auto x = parameter("x", {2, 3, 4});
  const auto read = from_openvino(network({{"y", op<ov::op::v0::Exp>("exp", op<ov::op::v0::Relu>("relu", x))}}, {x}));
  for (const int axis : {0, 1, 2}) {
    for (const Mode mode : {Mode::kSymmetric, Mode::kAsymmetric}) {
      Quantizer quantizer = input_quantizer("relu", 0, 0, 0);
      quantizer.channel_axes = {axis};
      quantizer.config = {4, mode, true, false, {}};
      const StatisticRequest request{.value = value_of(quantizer, read->graph()), .channel_axes = {axis}};
      const auto samples = wave_samples(shape, 3);
      const auto seen = collect(*read, *dataset_of(samples), std::span(&request, 1), 300, 0);
      quantizer.range = fit_activation(seen.observed[0], quantizer.config);
      ASSERT_EQ(quantizer.range.low.size(), static_cast<std::size_t>(shape[static_cast<std::size_t>(axis)]));
      const auto found = read->apply(plan_of({quantizer}))->compile()->run(samples[1])[0].to_floats();
      const auto values = samples[1].inputs[0].tensor.to_floats();
      for (std::size_t i = 0; i < found.size(); ++i) {
        const std::size_t channel = std::array{i / 12, i / 4 % 3, i % 4}[static_cast<std::size_t>(axis)];
        const double value = rounded(values[i], quantizer.range.low[channel], quantizer.range.high[channel], 16);
        EXPECT_NEAR(found[i], std::exp(std::max(value, 0.0)), 1e-4) << axis << ", element " << i;
      }
    }
  }
}

TEST(Rewrite, ComputesWithRoundedActivations) {
  const auto x = parameter("x", {1, 8});
  const auto model = network({{"y", op<ov::op::v0::Exp>("exp", op<ov::op::v0::Relu>("relu", x))}}, {x});
  Sample sample;
  const std::vector<float> values = {-1, 0, 0.3F, 0.5F, 0.51F, 1, 2, 7};
  sample.inputs.push_back({"x", Tensor::copy_of(std::span<const float>(values), {1, 8})});
  const auto found = from_openvino(model)
                         ->apply(plan_of({output_quantizer("relu", {}, 0, 2, 5)}))
                         ->compile()
                         ->run(sample)[0]
                         .to_floats();
  const std::vector<float> rounded = {0, 0, 0.5F, 0.5F, 0.5F, 1, 2, 2};
  for (std::size_t i = 0; i < rounded.size(); ++i) EXPECT_NEAR(found[i], std::exp(rounded[i]), 1e-4F) << values[i];
}

TEST(Rewrite, ShiftsTheOutputByTheShift) {
  const auto model = small_network();
  const auto before = from_openvino(model)->compile()->run(wave_sample(kSampleShape))[1].to_floats();
  const auto after = from_openvino(model)
                         ->apply(plan_of({}, {{"depthwise", {1, 2, 3, 4}}}))
                         ->compile()
                         ->run(wave_sample(kSampleShape))[1]
                         .to_floats();
  ASSERT_EQ(before.size(), 16U);
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_NEAR(after[i], before[i] + 1 + static_cast<float>(i / 4), 1e-5F);
}

TEST(Rewrite, RefusesAPlanOfAnotherModel) {
  const auto read = from_openvino(small_network());
  const auto refused = [&](const Plan& plan, const std::string& part) {
    EXPECT_THAT([&] { read->apply(plan); },
                ThrowsMessage<InvalidArgument>(AllOf(StartsWith("[plan] node"), HasSubstr(part))));
  };
  refused(plan_of({output_quantizer("nowhere", {}, 0, 1)}), "'nowhere' is not in the model");
  refused(plan_of({}, {{"nowhere", {1}}}), "'nowhere'");
  refused(plan_of({input_quantizer("conv2", 2, 0, 1)}), "port 2");
  refused(plan_of({input_quantizer("conv2", -1, 0, 1)}), "port -1");
  refused(plan_of({output_quantizer("shape_of", {}, 0, 1)}), "not floating point");
  refused(plan_of({weight_quantizer("sum", {-1}, {1}, {})}), "no floating-point constant");
  refused(plan_of({weight_quantizer("conv1", {-1, -1}, {1, 1}, {0})}), "2 ranges for 4 channels");
  refused(plan_of({weight_quantizer("conv1", {-1, -1, -1, -1}, {1, 1, 1, 1}, {4})}), "axis 4");
  refused(plan_of({weight_quantizer("conv1", {}, {}, {})}), "no range");
  refused(plan_of({}, {{"conv1", {1, 2}}}), "conv1");
  refused(plan_of({}, {{"conv2", {1, 2}}}), "conv2");
  refused(plan_of({}, {{"shape_of", {1, 2}}}), "shape_of");
}

TEST(WholeJob, LeavesTheCallersNetworkUntouched) {
  const auto model = small_network();
  const std::string before = text_of(*model);
  const auto result = quantize(*from_openvino(model), *dataset_of(wave_samples(kSampleShape, 4)));
  result.model->compile()->run(wave_sample(kSampleShape));
  EXPECT_EQ(text_of(*model), before);
  EXPECT_EQ(to_openvino(*from_openvino(model)), model);
}

TEST(WholeJob, StaysCloseToTheFloatModel) {
  const auto read = from_openvino(small_network());
  const auto samples = wave_samples(kSampleShape, 10);
  QuantizeOptions options;
  options.overflow_fix = OverflowFix::kDisable;
  const auto result = quantize(*read, *dataset_of(samples), options);
  EXPECT_THAT(result.report.quantized, ElementsAre("conv1", "conv2", "depthwise", "fc", "sum"));
  const auto exact = read->compile();
  const auto rounded = result.model->compile();
  double error = 0;
  double size = 0;
  for (const Sample& sample : samples) {
    const auto a = exact->run(sample)[0].to_floats();
    const auto b = rounded->run(sample)[0].to_floats();
    for (std::size_t i = 0; i < a.size(); ++i) {
      error += (a[i] - b[i]) * (a[i] - b[i]);
      size += a[i] * a[i];
    }
  }
  EXPECT_LT(std::sqrt(error / size), 0.08);
  EXPECT_GT(error, 0);
}

TEST(WholeJob, KeepsTheMetricUnderControl) {
  const auto read = from_openvino(small_network());
  const auto samples = wave_samples(kSampleShape, 12);
  std::vector<std::vector<float>> targets;
  const auto exact = read->compile();
  for (const Sample& sample : samples) targets.push_back(exact->run(sample)[0].to_floats());
  const auto fidelity = [&](Session& session, const Dataset& data) {
    double error = 0;
    session.run_all(data.read(), "validation", [&](std::size_t item, const std::vector<Tensor>& outputs) {
      const auto found = outputs[0].to_floats();
      for (std::size_t i = 0; i < found.size(); ++i) error += std::abs(found[i] - targets[item][i]);
    });
    return -error;
  };
  const auto data = dataset_of(samples);
  const double loss = -fidelity(*quantize(*read, *data).model->compile(), *data);
  AccuracyOptions limit;
  limit.max_drop = loss / 2;
  const auto result = quantize_with_accuracy_control(*read, *data, *data, fidelity, {}, limit);
  EXPECT_EQ(result.report.status, "met");
  EXPECT_THAT(result.report.reverted, Not(testing::IsEmpty()));
  EXPECT_NEAR(fidelity(*result.model->compile(), *data), *result.report.final_metric, 1e-6);
  EXPECT_LE(*result.report.drop, limit.max_drop);
}

}  // namespace
}  // namespace tightrope
