// SPDX-License-Identifier: Apache-2.0
#include "devices/tables.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/graph_builder.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using test::node_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr TargetDevice kAllDevices[] = {TargetDevice::kAny, TargetDevice::kCpu, TargetDevice::kCpuSpr,
                                        TargetDevice::kGpu, TargetDevice::kNpu};

// "8 S PC", with "narrow" and "+" (signed) or "-" (unsigned) where they apply.
std::string text_of(const QuantizerConfig& config) {
  std::string text = fmt::format("{} {} {}", config.bits, config.mode == Mode::kSymmetric ? "S" : "A",
                                 config.per_channel ? "PC" : "PT");
  if (config.narrow_range) text += " narrow";
  if (config.forced_sign) text += *config.forced_sign ? " +" : " -";
  return text;
}

std::string text_of(const std::vector<QuantizerConfig>& configs) {
  std::vector<std::string> texts;
  for (const QuantizerConfig& config : configs) texts.push_back(text_of(config));
  return fmt::format("{}", fmt::join(texts, ", "));
}

QuantizeOptions on(TargetDevice device, std::optional<int> activation_bits = {}, std::optional<int> weight_bits = {}) {
  QuantizeOptions options;
  options.target_device = device;
  options.activations.bits = activation_bits;
  options.weights.bits = weight_bits;
  return options;
}

QuantizeOptions with_preset(Preset preset) {
  QuantizeOptions options;
  options.preset = preset;
  return options;
}

Node depthwise() { return node_of("depthwise", "GroupConvolution", OpKind::kDepthwiseConvolution); }

Node embedding() {
  Node node = node_of("embedding", "Gather", OpKind::kEmbedding);
  node.device_op = DeviceOp::kEmbedding;
  return node;
}

struct ActivationRow {
  Node node;
  std::string_view performance;
  std::string_view mixed;
};

TEST(ActivationConfigs, FollowTheRowOfTheOperation) {
  const ActivationRow rows[] = {
      {node_of("conv", "Convolution"), "8 S PT, 16 S PT", "8 A PT, 16 A PT"},
      {depthwise(), "8 S PC, 8 S PT, 16 S PC, 16 S PT", "8 A PC, 8 A PT, 16 A PC, 16 A PT"},
      {node_of("fc", "MatMul"), "8 S PT, 16 S PT", "8 A PT, 16 A PT"},
      {node_of("add", "Add"), "8 S PT, 16 S PT", "8 A PT, 16 A PT"},
      {node_of("less", "Less"), "8 S PT, 16 S PT", "8 A PT, 16 A PT"},
      {node_of("not", "LogicalNot"), "8 S PT, 16 S PT", "8 A PT, 16 A PT"},
      {node_of("mean", "ReduceMean"), "8 S PT, 16 S PT", "8 A PT, 16 A PT"},
      {node_of("resize", "Interpolate"), "8 S PT", "8 A PT"},
      {node_of("lstm", "LSTMSequence"), "8 S PT, 16 S PT", "8 A PT, 16 A PT"},
      {node_of("attention", "ScaledDotProductAttention"), "8 S PT, 16 S PT", "8 S PT, 16 S PT"},
      {node_of("norm", "NormalizeL2"), "8 S PT", "8 A PT"},
  };
  for (const ActivationRow& row : rows) {
    EXPECT_EQ(text_of(activation_configs(row.node, with_preset(Preset::kPerformance))), row.performance)
        << row.node.name;
    EXPECT_EQ(text_of(activation_configs(row.node, with_preset(Preset::kMixed))), row.mixed) << row.node.name;
  }
}

TEST(WeightConfigs, FollowTheRowOfTheOperation) {
  constexpr std::string_view kWeight = "8 S PC narrow +, 8 S PT narrow +, 16 S PC narrow +, 16 S PT narrow +";
  const std::pair<Node, std::string_view> rows[] = {
      {node_of("conv", "Convolution"), kWeight},
      {depthwise(), kWeight},
      {node_of("fc", "MatMul"), kWeight},
      {node_of("lstm", "LSTMSequence"), kWeight},
      {embedding(),
       "8 S PC narrow +, 8 S PC +, 8 S PT narrow +, 8 S PT +, 16 S PC narrow +, 16 S PC +, 16 S PT narrow +, 16 S PT "
       "+"},
  };
  for (const auto& [node, symmetric] : rows) EXPECT_EQ(text_of(weight_configs(node, {})), symmetric) << node.name;
}

TEST(WeightConfigs, AreAsymmetricWhereThatIsAskedForAndThereIsAKernel) {
  QuantizeOptions options;
  options.weights.mode = Mode::kAsymmetric;
  for (const Node& node : {node_of("conv", "Convolution"), depthwise(), node_of("fc", "MatMul"), embedding()})
    EXPECT_EQ(text_of(weight_configs(node, options)), "8 A PC, 8 A PT, 16 A PC, 16 A PT") << node.name;
  EXPECT_THROW(weight_configs(node_of("lstm", "LSTMSequence"), options), InvalidArgument);
}

TEST(Configs, AreThoseOfTheCpuOnEveryDeviceWithEightBits) {
  for (const TargetDevice device : kAllDevices) {
    for (const Node& node : {node_of("conv", "Convolution"), node_of("resize", "Interpolate"), depthwise()}) {
      EXPECT_EQ(text_of(activation_configs(node, on(device))), text_of(activation_configs(node, {}))) << node.name;
      EXPECT_EQ(text_of(activation_configs(node, on(device, 8, 8))),
                text_of(activation_configs(node, on(TargetDevice::kAny, 8))))
          << node.name;
    }
    EXPECT_EQ(text_of(weight_configs(depthwise(), on(device))), text_of(weight_configs(depthwise(), {})));
  }
}

TEST(Configs, HaveFourBitsOnTheNpu) {
  const QuantizeOptions options = on(TargetDevice::kNpu, 4, 4);
  EXPECT_EQ(text_of(activation_configs(node_of("conv", "Convolution"), options)), "4 S PT");
  EXPECT_EQ(text_of(activation_configs(node_of("fc", "MatMul"), options)), "4 S PT");
  EXPECT_EQ(text_of(activation_configs(node_of("add", "Add"), options)), "4 S PT");
  EXPECT_EQ(text_of(weight_configs(node_of("conv", "Convolution"), options)), "4 S PC, 4 S PT");
  EXPECT_EQ(text_of(weight_configs(node_of("fc", "MatMul"), options)), "4 S PC, 4 S PT");
  EXPECT_EQ(text_of(weight_configs(depthwise(), options)), "4 S PC, 4 S PT");
  EXPECT_THROW(activation_configs(depthwise(), options), InvalidArgument);
  EXPECT_THROW(activation_configs(node_of("less", "Less"), options), InvalidArgument);
  EXPECT_THROW(activation_configs(node_of("lstm", "LSTMSequence"), options), InvalidArgument);
}

TEST(Configs, HaveTwoBitsForWeightsOfDepthwiseConvolutionsAndProductsOnTheNpu) {
  const QuantizeOptions options = on(TargetDevice::kNpu, {}, 2);
  EXPECT_EQ(text_of(weight_configs(depthwise(), options)), "2 S PC, 2 S PT");
  EXPECT_EQ(text_of(weight_configs(node_of("fc", "MatMul"), options)), "2 S PC, 2 S PT");
  EXPECT_THROW(weight_configs(node_of("conv", "Convolution"), options), InvalidArgument);
}

TEST(Configs, OfferFewBitsLastWhereAnyNumberWillDo) {
  EXPECT_EQ(text_of(activation_configs(node_of("conv", "Convolution"), on(TargetDevice::kNpu, {}, 4))),
            "8 S PT, 16 S PT, 4 S PT");
}

TEST(Configs, HaveNoFourBitsOnOtherDevices) {
  for (const TargetDevice device :
       {TargetDevice::kAny, TargetDevice::kCpu, TargetDevice::kCpuSpr, TargetDevice::kGpu}) {
    EXPECT_THROW(activation_configs(node_of("conv", "Convolution"), on(device, 4)), InvalidArgument);
    EXPECT_THROW(weight_configs(node_of("conv", "Convolution"), on(device, {}, 4)), InvalidArgument);
  }
}

TEST(ActivationConfigs, LeaveInterpolationUnrestrictedOnGpuAndNpu) {
  const Node resize = node_of("resize", "Interpolate");
  EXPECT_THROW(activation_configs(resize, on(TargetDevice::kCpu, 16)), InvalidArgument);
  EXPECT_EQ(text_of(activation_configs(resize, on(TargetDevice::kGpu, 16))), "8 S PT");
  EXPECT_EQ(text_of(activation_configs(resize, on(TargetDevice::kNpu, 16))), "8 S PT");
}

TEST(ActivationConfigs, KeepWhatTheConstraintsAllow) {
  const auto depthwise_with = [](const ConfigConstraints& wish) {
    QuantizeOptions options;
    options.activations = wish;
    return text_of(activation_configs(depthwise(), options));
  };
  EXPECT_EQ(depthwise_with({16, {}, {}, {}, {}, {}}), "16 S PC, 16 S PT");
  EXPECT_EQ(depthwise_with({{}, Mode::kAsymmetric, {}, {}, {}, {}}), "8 A PC, 8 A PT, 16 A PC, 16 A PT");
  EXPECT_EQ(depthwise_with({{}, {}, false, {}, {}, {}}), "8 S PT, 16 S PT");
  EXPECT_EQ(depthwise_with({{}, {}, {}, {}, false, {}}), "8 S PC, 8 S PT, 16 S PC, 16 S PT");
  EXPECT_THROW(depthwise_with({{}, {}, {}, {}, true, {}}), InvalidArgument);
  EXPECT_THROW(depthwise_with({{}, {}, {}, true, {}, {}}), InvalidArgument);
}

TEST(WeightConfigs, KeepWhatTheConstraintsAllow) {
  const auto table_with = [](const ConfigConstraints& wish) {
    QuantizeOptions options;
    options.weights = wish;
    return text_of(weight_configs(embedding(), options));
  };
  EXPECT_EQ(table_with({16, {}, true, {}, {}, {}}), "16 S PC narrow +, 16 S PC +");
  EXPECT_EQ(table_with({8, {}, {}, {}, false, {}}), "8 S PC +, 8 S PT +");
  EXPECT_EQ(table_with({8, {}, false, true, {}, {}}), "8 S PT narrow +, 8 S PT +");
  EXPECT_THROW(table_with({{}, {}, {}, false, {}, {}}), InvalidArgument);
}

TEST(ActivationConfigs, TakeTheWishAsItIsForWhatNoTableLists) {
  QuantizeOptions options;
  options.activations = {4, {}, true, false, true, {}};
  EXPECT_EQ(text_of(activation_configs(node_of("norm", "NormalizeL2"), options)), "4 S PC narrow -");
  EXPECT_EQ(text_of(output_configs(options)), "4 S PC narrow -");
}

TEST(Configs, NameWhatIsAskedForWhereThereIsNoKernel) {
  QuantizeOptions options = on(TargetDevice::kGpu, 4, 8);
  EXPECT_THAT([&] { activation_configs(node_of("conv1", "Convolution"), options); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("[placement] node 'conv1' (Convolution): device GPU"),
                                                   HasSubstr("activations of this kind: 4 bits, symmetric;"))));
  options.weights = {{}, Mode::kAsymmetric, true, false, true, {}};
  EXPECT_THAT([&] { weight_configs(node_of("lstm", "LSTMSequence"), options); },
              ThrowsMessage<InvalidArgument>(HasSubstr("node 'lstm' (LSTMSequence): device GPU has no kernel for "
                                                       "weights of this kind: asymmetric, per channel, forced to be "
                                                       "unsigned, narrow range;")));
}

TEST(ActivationMode, FollowsThePresetAndWithoutOneTheModelType) {
  QuantizeOptions options;
  EXPECT_EQ(activation_mode(options), Mode::kSymmetric);
  options.model_type = ModelType::kTransformer;
  EXPECT_EQ(activation_mode(options), Mode::kAsymmetric);
  options.preset = Preset::kPerformance;
  EXPECT_EQ(activation_mode(options), Mode::kSymmetric);
  options.model_type.reset();
  options.preset = Preset::kMixed;
  EXPECT_EQ(activation_mode(options), Mode::kAsymmetric);
  options.activations.mode = Mode::kSymmetric;
  EXPECT_EQ(activation_mode(options), Mode::kSymmetric);
}

TEST(EffectiveDevice, IsTheCpuForGpuAndNpuWithEightBits) {
  EXPECT_EQ(effective_device(on(TargetDevice::kGpu)), TargetDevice::kCpu);
  EXPECT_EQ(effective_device(on(TargetDevice::kNpu, 8, 8)), TargetDevice::kCpu);
  EXPECT_EQ(effective_device(on(TargetDevice::kNpu, 8, 4)), TargetDevice::kNpu);
  EXPECT_EQ(effective_device(on(TargetDevice::kGpu, 16, 8)), TargetDevice::kGpu);
  EXPECT_EQ(effective_device(on(TargetDevice::kCpuSpr)), TargetDevice::kCpuSpr);
}

TEST(NeedsOneScale, HoldsForOperationsOfTwoOperandsOnTheNpu) {
  EXPECT_TRUE(needs_one_scale(DeviceOp::kArithmetic, TargetDevice::kNpu));
  EXPECT_TRUE(needs_one_scale(DeviceOp::kComparison, TargetDevice::kNpu));
  EXPECT_FALSE(needs_one_scale(DeviceOp::kMatMul, TargetDevice::kNpu));
  EXPECT_FALSE(needs_one_scale(DeviceOp::kLogicalNot, TargetDevice::kNpu));
  EXPECT_FALSE(needs_one_scale(DeviceOp::kArithmetic, TargetDevice::kCpu));
}

TEST(ComputesInInt8, HoldsForConvolutionsProductsAndAttention) {
  for (const OpKind kind :
       {OpKind::kConvolution, OpKind::kDepthwiseConvolution, OpKind::kGroupConvolution, OpKind::kTransposedConvolution,
        OpKind::kGroupTransposedConvolution, OpKind::kMatMul, OpKind::kAttention})
    EXPECT_TRUE(computes_in_int8(kind));
  for (const OpKind kind : {OpKind::kAdd, OpKind::kLstm, OpKind::kEmbedding, OpKind::kConcat, OpKind::kOther})
    EXPECT_FALSE(computes_in_int8(kind));
}

TEST(Configs, HaveTheFormatOfTheModeOrOfTheirParameters) {
  const Node convolution = node_of("conv", "Convolution", OpKind::kConvolution);
  QuantizeOptions options;
  options.mode = NumberFormat::kF8E4M3;
  options.weights.format = NumberFormat::kF8E5M2;
  for (const QuantizerConfig& config : activation_configs(convolution, options)) {
    EXPECT_EQ(config.format, NumberFormat::kF8E4M3);
  }
  for (const QuantizerConfig& config : weight_configs(convolution, options)) {
    EXPECT_EQ(config.format, NumberFormat::kF8E5M2);
  }
  EXPECT_EQ(weight_configs(convolution, {})[0].format, NumberFormat::kInteger);
}

}  // namespace
}  // namespace tightrope
