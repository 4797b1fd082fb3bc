// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "backend/onnx_networks.h"
#include "backend/onnx_runtime_test.h"
#include "backend/onnx_simulation.h"
#include "graph/site.h"
#include "statistics/collect.h"
#include "support/builders.h"
#include "tightrope/error.h"
#include "tightrope/onnx.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

using test::OnnxBuilder;
using test::sample_of;
using test::set;
using test::sines;
using testing::AllOf;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;
using testing::ThrowsMessage;

using Reduction = Probe::Reduction;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::unique_ptr<Model> model_of(const OnnxBuilder& net) { return from_onnx(net.model.SerializeAsString()); }

// "y" is what Relu makes of "x", at axes of any extent.
OnnxBuilder relu(const Shape& shape, std::int64_t opset = 17, ElementType type = ElementType::kF32) {
  OnnxBuilder net(opset);
  net.input("x", shape, onnx::to_data_type(type)).output("y").node("Relu", {"x"}, {"y"});
  return net;
}

ValueId value_of(const Model& model, const std::string& node) {
  return model.graph().node(model.graph().find_or_throw(node)).outputs.at(0);
}

class OnnxProbes : public test::OnnxRuntimeTest {
 protected:
  static std::vector<Tensor> run(const Model& model, const std::vector<Probe>& probes, const Tensor& x) {
    Sample sample;
    sample.inputs.push_back({"x", x});
    return model.compile({}, probes)->run(sample);
  }

  static Tensor floats(const std::vector<float>& values, Shape shape) {
    return Tensor::copy_of(values, std::move(shape));
  }
};

TEST_F(OnnxProbes, TakeTheFirstEntriesAlongTheFirstAxis) {
  for (const std::int64_t opset : {13, 18}) {
    const auto model = model_of(relu({-1, 2}, opset));
    const ValueId value = value_of(*model, "x");
    const auto outputs = run(*model, {{value, Reduction::kHead, {}, 1}, {value, Reduction::kHead, {}, 9}},
                             floats({1, -2, 3, 4}, {2, 2}));
    EXPECT_EQ(outputs[0].shape(), (Shape{1, 2}));
    EXPECT_THAT(outputs[0].to_floats(), ElementsAre(1, -2));
    EXPECT_THAT(outputs[1].to_floats(), ElementsAre(1, -2, 3, 4));
  }
}

TEST_F(OnnxProbes, ReduceInsideTheGraphAllAxesButTheKept) {
  for (const std::int64_t opset : {11, 13, 17, 18, 20, 21, 23}) {
    SCOPED_TRACE(opset);
    const auto model = model_of(relu({-1, 2, 2}, opset));
    const ValueId value = value_of(*model, "x");
    const std::vector<Probe> probes = {{value, Reduction::kMin, {}},      {value, Reduction::kMax, {1}},
                                       {value, Reduction::kMean, {1}},    {value, Reduction::kWhole, {}},
                                       {value, Reduction::kMean, {0, 2}}, {value, Reduction::kMax, {0, 1, 2}},
                                       {value, Reduction::kMax, {}},      {value, Reduction::kMin, {2}}};
    const auto outputs = run(*model, probes, floats({1, -2, 3, 4, 5, 6, 7, -8}, {2, 2, 2}));
    ASSERT_EQ(outputs.size(), probes.size());
    EXPECT_THAT(outputs[0].to_floats(), ElementsAre(-8));
    EXPECT_EQ(outputs[1].shape(), (Shape{1, 2, 1}));
    EXPECT_THAT(outputs[1].to_floats(), ElementsAre(6, 7));
    EXPECT_THAT(outputs[2].to_floats(), ElementsAre(2.5F, 1.5F));
    EXPECT_THAT(outputs[3].to_floats(), ElementsAre(1, -2, 3, 4, 5, 6, 7, -8));
    EXPECT_THAT(outputs[4].to_floats(), ElementsAre(2, 1, 6, -1));
    EXPECT_THAT(outputs[5].to_floats(), ElementsAre(1, -2, 3, 4, 5, 6, 7, -8));
    EXPECT_THAT(outputs[6].to_floats(), ElementsAre(7));
    EXPECT_THAT(outputs[7].to_floats(), ElementsAre(1, -8));
  }
}

TEST_F(OnnxProbes, GiveWhatPlainArithmeticGives) {
  const std::vector<float> values = sines(5UL * 7 * 11);
  for (const ElementType type : {ElementType::kF32, ElementType::kF16, ElementType::kF64}) {
    const auto model = model_of(relu({5, 7, 11}, 17, type));
    const ValueId value = value_of(*model, "x");
    const Tensor x = floats(values, {5, 7, 11}).cast(type);
    const std::vector<float> seen = x.to_floats();
    for (const int axis : {0, 1, 2}) {
      const std::array<std::size_t, 3> channels = {5, 7, 11};
      std::vector<float> low(channels[static_cast<std::size_t>(axis)], kInfinity);
      std::vector<float> high(low.size(), -kInfinity);
      std::vector<double> sum(low.size(), 0);
      for (std::size_t i = 0; i < seen.size(); ++i) {
        const std::size_t channel = std::array{i / 77, i / 11 % 7, i % 11}[static_cast<std::size_t>(axis)];
        low[channel] = std::min(low[channel], seen[i]);
        high[channel] = std::max(high[channel], seen[i]);
        sum[channel] += seen[i] / static_cast<double>(seen.size() / low.size());
      }
      const auto outputs = run(
          *model,
          {{value, Reduction::kMin, {axis}}, {value, Reduction::kMax, {axis}}, {value, Reduction::kMean, {axis}}}, x);
      for (const Tensor& output : outputs) EXPECT_EQ(output.type(), ElementType::kF32);
      EXPECT_EQ(outputs[0].to_floats(), low);
      EXPECT_EQ(outputs[1].to_floats(), high);
      EXPECT_THAT(outputs[2].to_floats(), Pointwise(FloatNear(1e-6F), sum));
    }
  }
}

TEST_F(OnnxProbes, SeeEveryValueOfTheGraphSeveralTimes) {
  OnnxBuilder net;
  net.input("x", {-1, 3, 4})
      .input("k", {2}, onnx::proto::TensorProto::INT64)
      .weight("w", {4, 2})
      .output("y")
      .output("x");
  net.node("MatMul", {"x", "w"}, {"product"});
  net.node("Relu", {"product"}, {"y"});
  net.node("Shape", {"product"}, {"shape"});
  net.node("Add", {"k", "k"}, {"k2"});
  const auto model = model_of(net);
  std::vector<Probe> probes;
  for (ValueId value = 0; value < static_cast<ValueId>(model->graph().values().size()); ++value) {
    for (int time = 0; time < 2; ++time) {
      probes.push_back({value, Reduction::kWhole, {}});
      probes.push_back({value, Reduction::kMax, {}});
    }
  }
  const auto outputs = model->compile({}, probes)->run(test::sines_for(net.model));
  for (std::size_t i = 0; i < probes.size(); i += 4) {
    const auto whole = outputs[i].to_floats();
    EXPECT_EQ(outputs[i].type(), model->graph().value(probes[i].value).type);
    EXPECT_THAT(outputs[i + 1].to_floats(), ElementsAre(*std::max_element(whole.begin(), whole.end())));
    EXPECT_EQ(outputs[i + 2].to_floats(), whole);
    EXPECT_EQ(outputs[i + 3].to_floats(), outputs[i + 1].to_floats());
  }
}

// Images of two channels: what is added there reaches all readers, but not the probes.
TEST_F(OnnxProbes, SeeAValueWithoutItsAddend) {
  for (const ElementType type : {ElementType::kF32, ElementType::kF16}) {
    OnnxBuilder net(17);
    net.input("x", {-1, 2, 2}, onnx::to_data_type(type)).output("y");
    net.node("Relu", {"x"}, {"r"});
    net.node("Add", {"r", "r"}, {"y"});
    const auto model = model_of(net);
    const ValueId middle = value_of(*model, "r");
    const std::vector<Probe> probes = {{value_of(*model, "y"), Reduction::kWhole, {}}, {middle, Reduction::kMean, {1}}};
    const Addend addend{middle, 1};
    const auto session = model->compile({}, probes, std::span(&addend, 1));
    const auto run_with = [&](const std::vector<float>& offset, float gain) {
      Sample sample;
      sample.inputs.push_back({"x", floats({1, 3, 5, 7}, {1, 2, 2}).cast(type)});
      sample.inputs.push_back({"", floats(offset, {2})});
      sample.inputs.push_back({"", floats({gain}, {1})});
      return session->run(sample);
    };
    const auto tried = run_with({10, 20}, 0);
    EXPECT_THAT(tried[0].to_floats(), ElementsAre(22, 26, 50, 54));
    EXPECT_THAT(tried[1].to_floats(), ElementsAre(2, 6));
    EXPECT_THAT(run_with({0, 1}, -1)[0].to_floats(), ElementsAre(-2, 2, 0, 4)) << "means held at 0 and 1";
  }
}

TEST_F(OnnxProbes, LetNoNanThrough) {
  for (const std::int64_t opset : {11, 13, 18, 21}) {
    for (const ElementType type : {ElementType::kF32, ElementType::kF16}) {
      const auto model = model_of(relu({2, 3, 20}, opset, type));
      const ValueId value = value_of(*model, "x");
      const auto session = model->compile(
          {}, std::vector<Probe>{
                  {value, Reduction::kMax, {}}, {value, Reduction::kMax, {1}}, {value, Reduction::kMax, {0, 1, 2}}});
      for (std::size_t place = 0; place < 120; ++place) {
        std::vector<float> values = sines(120);
        values[place] = kNan;
        Sample sample;
        sample.inputs.push_back({"x", floats(values, {2, 3, 20}).cast(type)});
        const auto outputs = session->run(sample);
        EXPECT_TRUE(std::isnan(outputs[0].to_floats()[0])) << place;
        for (std::size_t channel = 0; channel < 3; ++channel) {
          EXPECT_EQ(std::isnan(outputs[1].to_floats()[channel]), channel == place / 20 % 3) << place;
        }
        EXPECT_TRUE(std::isnan(outputs[2].to_floats()[place]));
      }
    }
  }
}

TEST_F(OnnxProbes, KeepInfinitiesAndValuesWhoseSquaresAreInfinite) {
  const auto model = model_of(relu({2, 4}));
  const ValueId value = value_of(*model, "x");
  const std::vector<Probe> probes = {{value, Reduction::kMin, {}},
                                     {value, Reduction::kMax, {}},
                                     {value, Reduction::kMin, {0}},
                                     {value, Reduction::kMax, {0}}};
  const auto outputs = run(*model, probes, floats({1, -kInfinity, kInfinity, 2, -3e38F, 3e38F, 3e38F, 0}, {2, 4}));
  EXPECT_THAT(outputs[0].to_floats(), ElementsAre(-kInfinity));
  EXPECT_THAT(outputs[1].to_floats(), ElementsAre(kInfinity));
  EXPECT_THAT(outputs[2].to_floats(), ElementsAre(-kInfinity, -3e38F));
  EXPECT_THAT(outputs[3].to_floats(), ElementsAre(kInfinity, 3e38F));
}

TEST_F(OnnxProbes, TakeScalars) {
  const auto model = model_of(relu({}));
  const ValueId value = value_of(*model, "x");
  const auto outputs =
      run(*model, {{value, Reduction::kMin, {}}, {value, Reduction::kMax, {}}, {value, Reduction::kMean, {}}},
          floats({2.5F}, {}));
  for (const Tensor& output : outputs) EXPECT_THAT(output.to_floats(), ElementsAre(2.5F));
  EXPECT_TRUE(std::isnan(run(*model, {{value, Reduction::kMax, {}}}, floats({kNan}, {}))[0].to_floats()[0]));
}

TEST_F(OnnxProbes, GiveMinimaAboveMaximaForNoElements) {
  for (const std::int64_t opset : {13, 18, 20}) {
    const auto model = model_of(relu({-1, 3}, opset));
    const ValueId value = value_of(*model, "x");
    for (const std::vector<int>& kept : {std::vector<int>(), {1}}) {
      const auto outputs =
          run(*model, {{value, Reduction::kMin, kept}, {value, Reduction::kMax, kept}}, floats({}, {0, 3}));
      EXPECT_THAT(outputs[0].to_floats(), testing::Each(kInfinity));
      EXPECT_THAT(outputs[1].to_floats(), testing::Each(-kInfinity));
      EXPECT_EQ(outputs[0].size(), kept.empty() ? 1U : 3U);
    }
  }
}

TEST_F(OnnxProbes, NeedAKnownRankForValuesPerChannel) {
  OnnxBuilder net = relu({});
  net.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  const auto model = model_of(net);
  const ValueId value = value_of(*model, "y");
  EXPECT_THAT([&] { model->compile({}, std::vector<Probe>{{value, Reduction::kMax, {1}}}); },
              ThrowsMessage<Unsupported>(AllOf(HasSubstr("node 'y'"), HasSubstr("no known rank"))));
  const auto outputs =
      run(*model, {{value, Reduction::kMin, {}}, {value, Reduction::kMax, {}}, {value, Reduction::kMean, {}}},
          floats({1, 2, 6}, {3, 1}));
  EXPECT_THAT(outputs[0].to_floats(), ElementsAre(1));
  EXPECT_THAT(outputs[1].to_floats(), ElementsAre(6));
  EXPECT_THAT(outputs[2].to_floats(), ElementsAre(3));
}

TEST_F(OnnxProbes, ComputeNothingThatNobodyAskedFor) {
  OnnxBuilder net(17);
  net.input("x", {2, 4}).output("y").ints("shape", {3, 3});
  net.node("Relu", {"x"}, {"relu"});
  net.node("Reshape", {"relu", "shape"}, {"y"});  // which fails
  const auto model = model_of(net);
  EXPECT_NO_THROW(run(*model, {{value_of(*model, "relu"), Reduction::kMax, {}}}, floats(sines(8), {2, 4})));
}

// x [1,3,6,6] -> conv -> relu -> conv2 -> y.
OnnxBuilder two_convolutions() {
  OnnxBuilder net;
  net.input("x", {1, 3, 6, 6}).output("y").weight("w", {4, 3, 3, 3}, sines(108)).weight("w2", {4, 4, 3, 3}, sines(144));
  net.node("Conv", {"x", "w"}, {"conv"});
  net.node("Relu", {"conv"}, {"relu"});
  net.node("Conv", {"relu", "w2"}, {"y"});
  return net;
}

TEST_F(OnnxProbes, LetCalibrationNameTheNodeThatGivesNan) {
  const auto model = model_of(two_convolutions());
  for (const std::size_t place : {0U, 1U, 35U, 36U, 60U, 107U}) {
    std::vector<Sample> samples;
    for (int i = 0; i < 4; ++i) samples.push_back(test::sines_for(two_convolutions().model, static_cast<float>(i)));
    auto values = sines(108);
    values[place] = kNan;
    samples[2] = sample_of(values, {1, 3, 6, 6}, "x");
    EXPECT_THAT([&] { quantize(*model, *dataset_of(samples)); },
                ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("node 'x'"), HasSubstr("item 2"), HasSubstr("NaN"))))
        << place;
  }
}

TEST_F(OnnxProbes, LetCalibrationFindTheRangesOfAllItems) {
  const auto model = model_of(two_convolutions());
  std::vector<Sample> samples;
  std::vector<float> low(4, kInfinity);
  std::vector<float> high(4, -kInfinity);
  std::vector<double> mean(4, 0);
  const Probe whole = {value_of(*model, "conv"), Reduction::kWhole, {}};
  const auto session = model->compile({}, std::span(&whole, 1));
  for (int item = 0; item < 9; ++item) {
    samples.push_back(test::sines_for(two_convolutions().model, static_cast<float>(item)));
    const auto values = session->run(samples.back())[0].to_floats();
    for (std::size_t i = 0; i < values.size(); ++i) {
      low[i / 16] = std::min(low[i / 16], values[i]);
      high[i / 16] = std::max(high[i / 16], values[i]);
      mean[i / 16] += values[i] / (16.0 * 9);
    }
  }
  const std::vector<StatisticRequest> requests = {{.value = whole.value, .channel_axes = {1}},
                                                  {.value = whole.value, .channel_axes = {1}, .mean = true}};
  const Statistics seen = collect(*model, *dataset_of(samples), requests, 300, 0);
  EXPECT_THAT(seen.observed[0].low, Pointwise(FloatNear(1e-5F), low));
  EXPECT_THAT(seen.observed[0].high, Pointwise(FloatNear(1e-5F), high));
  EXPECT_THAT(seen.observed[1].mean, Pointwise(FloatNear(1e-5F), mean));
}

}  // namespace
}  // namespace tightrope
