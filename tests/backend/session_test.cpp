// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "backend/networks.h"
#include "tightrope/error.h"
#include "tightrope/openvino.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

using test::constant;
using test::network;
using test::op;
using test::parameter;
using test::small_network;
using test::wave_sample;
using test::wave_samples;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

template <typename T>
Sample named(const std::string& name, const std::vector<T>& values, Shape shape) {
  Sample sample;
  sample.inputs.push_back({name, Tensor::copy_of(std::span<const T>(values), std::move(shape))});
  return sample;
}

// y = 2 a + b over [?,2].
std::unique_ptr<Model> two_inputs() {
  const auto a = parameter("a", {-1, 2});
  const auto b = parameter("b", {-1, 2});
  const auto twice = op<ov::op::v1::Multiply>("twice", a, constant("two", {}, {2.0F}));
  return from_openvino(network({{"y", op<ov::op::v1::Add>("sum", twice, b)}}, {a, b}));
}

// Inputs i (i64) and f (f32), added as floats.
std::unique_ptr<Model> mixed_types() {
  const auto i = parameter("i", {3}, ov::element::i64);
  const auto f = parameter("f", {3});
  const auto wide = op<ov::op::v0::Convert>("wide", i, ov::element::f32);
  return from_openvino(network({{"y", op<ov::op::v1::Add>("sum", wide, f)}}, {i, f}));
}

Sample two(std::vector<Sample::Input> inputs) { return {std::move(inputs), {}}; }

Tensor floats(const std::vector<float>& values, Shape shape) {
  return Tensor::copy_of(std::span<const float>(values), std::move(shape));
}

Tensor integers(const std::vector<std::int64_t>& values, Shape shape) {
  return Tensor::copy_of(std::span<const std::int64_t>(values), std::move(shape));
}

TEST(Session, TakesInputsByNameAndByPosition) {
  const auto session = two_inputs()->compile();
  const Tensor a = floats({1, 2}, {1, 2});
  const Tensor b = floats({10, 20}, {1, 2});
  EXPECT_THAT(session->run(two({{"", a}, {"", b}}))[0].to_floats(), ElementsAre(12, 24));
  EXPECT_THAT(session->run(two({{"b", b}, {"a", a}}))[0].to_floats(), ElementsAre(12, 24));
  const auto wider = session->run(two({{"a", floats({1, 2, 3, 4}, {2, 2})}, {"b", floats({0, 0, 0, 1}, {2, 2})}}));
  EXPECT_EQ(wider[0].shape(), (Shape{2, 2}));
  EXPECT_THAT(wider[0].to_floats(), ElementsAre(2, 4, 6, 9));
}

// A sample of two_inputs() with an offset of two channels and a gain.
Sample two_and_addend(const std::vector<float>& offset, float gain) {
  return two({{"b", floats({0, 20}, {1, 2})},
              {"a", floats({1, 2}, {1, 2})},
              {"", floats(offset, {2})},
              {"", floats({gain}, {1})}});
}

TEST(Session, AddsAtRunTimeWhereAnAddendIs) {
  const auto model = two_inputs();
  const auto value = [&](const std::string& node) { return model->graph().node(model->graph().find(node)).outputs[0]; };
  const std::vector<Probe> probes = {{value("sum"), Probe::Reduction::kWhole, {}},
                                     {value("twice"), Probe::Reduction::kMean, {1}}};
  const Addend addend{value("twice"), -1};
  const auto session = model->compile({}, probes, std::span(&addend, 1));
  const auto tried = session->run(two_and_addend({100, 200}, 0));
  EXPECT_THAT(tried[0].to_floats(), ElementsAre(102, 224));
  EXPECT_THAT(tried[1].to_floats(), ElementsAre(2, 4)) << "probes see the value itself";
  EXPECT_THAT(session->run(two_and_addend({7, 8}, -1))[0].to_floats(), ElementsAre(7, 28)) << "held at its offset";
}

TEST(Session, ConvertsNumbersThatKeepTheirValue) {
  const auto session = mixed_types()->compile();
  for (int round = 0; round < 20; ++round) {
    const auto found = session->run(two({{"i", integers({1, 2, 3}, {3})}, {"f", integers({10, 20, round}, {3})}}));
    EXPECT_THAT(found[0].to_floats(), ElementsAre(11, 22, 3 + round));
  }
  std::vector<Sample> samples;
  for (int i = 0; i < 30; ++i)
    samples.push_back(two({{"i", integers({i, 0, 0}, {3}).cast(ElementType::kU8)}, {"f", integers({i, 0, 1}, {3})}}));
  session->run_all(dataset_of(samples)->read(), "test", [](std::size_t index, const std::vector<Tensor>& outputs) {
    EXPECT_THAT(outputs[0].to_floats(), ElementsAre(2 * static_cast<float>(index), 0, 1));
  });
}

TEST(Session, RefusesNumbersThatWouldLoseTheirFraction) {
  const auto session = mixed_types()->compile();
  EXPECT_THAT([&] { session->run(two({{"i", floats({1, 2, 3}, {3})}, {"f", floats({1, 2, 3}, {3})}})); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("'i'"), HasSubstr("f32"), HasSubstr("i64 is needed"))));
}

TEST(Session, RefusesIntegersThatAreTooLarge) {
  const auto i = parameter("i", {2}, ov::element::i32);
  const auto wide = op<ov::op::v0::Convert>("wide", i, ov::element::f32);
  const auto session = from_openvino(network({{"y", op<ov::op::v0::Relu>("relu", wide)}}, {i}))->compile();
  EXPECT_THAT(session->run(two({{"i", integers({1, 2}, {2})}}))[0].to_floats(), ElementsAre(1, 2));
  EXPECT_THAT([&] { session->run(two({{"i", integers({1, std::int64_t{1} << 40}, {2})}})); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("'i'"), HasSubstr("i64"), HasSubstr("beyond i32"))));
}

TEST(Session, GivesASingleSampleTheAxisOfTheBatch) {
  const auto session = two_inputs()->compile();
  const auto found = session->run(two({{"a", floats({1, 2}, {2})}, {"b", floats({3, 4}, {1, 2})}}));
  EXPECT_THAT(found[0].to_floats(), ElementsAre(5, 8));
  EXPECT_EQ(found[0].shape(), Shape({1, 2}));
}

TEST(Session, NamesTheInputThatDoesNotFit) {
  const auto session = two_inputs()->compile();
  const Tensor good = floats({1, 2}, {1, 2});
  const auto refused = [&](const Sample& sample, const std::vector<std::string>& parts) {
    try {
      session->run(sample);
      ADD_FAILURE() << "accepted; no " << parts[0];
    } catch (const InvalidArgument& error) {
      for (const std::string& part : parts) EXPECT_THAT(error.what(), HasSubstr(part));
    }
  };
  refused(two({{"a", good}, {"b", floats({1, 2, 3}, {1, 3})}}), {"'b'", "[1,3]", "[?,2]"});
  refused(two({{"", floats({1, 2, 3}, {3})}, {"", good}}), {"'0'", "[3]", "[?,2]"});
  refused(two({{"a", good}, {"c", good}}), {"no input 'c'", "'a'", "'b'"});
  refused(two({{"a", good}}), {"1 inputs", "needs 2", "'a'", "'b'"});
  refused(two({{"a", good}, {"a", good}}), {"'a'", "twice"});
  refused(two({{"a", good}, {"", Tensor()}}), {"'1'", "other"});
}

TEST(Session, NamesTheItemThatDoesNotFit) {
  const auto session = from_openvino(small_network())->compile({"CPU", "f32", true});
  auto samples = wave_samples({1, 3, 6, 6}, 5);
  samples[3] = named<float>("x", test::waves(3 * 5 * 5), {1, 3, 5, 5});
  EXPECT_THAT(
      [&] { session->run_all(dataset_of(samples)->read(), "calibration", [](std::size_t, std::vector<Tensor>) {}); },
      ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("calibration item 3"), HasSubstr("'x'"), HasSubstr("[1,3,5,5]"))));
}

TEST(Session, HandsResultsOverInTheOrderOfTheSamples) {
  const auto model = from_openvino(small_network());
  const auto samples = wave_samples({1, 3, 6, 6}, 50);
  const auto one_by_one = model->compile();
  const auto session = model->compile({"CPU", "f32", true});
  std::vector<std::size_t> order;
  const auto data = dataset_of(samples);
  for (int round = 0; round < 2; ++round) {
    order.clear();
    session->run_all(data->read(), "test", [&](std::size_t index, const std::vector<Tensor>& outputs) {
      order.push_back(index);
      const auto expected = one_by_one->run(samples[index])[0].to_floats();
      const auto found = outputs[0].to_floats();
      ASSERT_EQ(found.size(), expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-4F) << index;
    });
    std::vector<std::size_t> expected(50);
    for (std::size_t i = 0; i < 50; ++i) expected[i] = i;
    EXPECT_EQ(order, expected);
  }
}

// Whatever the number of requests, each output belongs to its own sample. A conversion to the type that is there
// vanishes as the runtime compiles, and leaves an input that is an output.
TEST(Session, GivesAnInputThatIsAnOutputBackAsItCame) {
  std::vector<Sample> samples;
  for (int i = 0; i < 60; ++i)
    samples.push_back(named<float>("x", std::vector<float>(3 * 16 * 16, static_cast<float>(i)), {1, 3, 16, 16}));
  const auto data = dataset_of(samples);
  for (const bool converts : {false, true}) {
    for (const bool is_alone : {false, true}) {
      const auto x = parameter("x", {-1, 3, -1, -1});
      const test::NodePtr converted = op<ov::op::v0::Convert>("same", x, ov::element::f32);
      std::vector<std::pair<std::string, ov::Output<ov::Node>>> outputs = {
          {"same", converts ? converted : x}, {"double", op<ov::op::v1::Add>("sum", x, x)}};
      if (is_alone) outputs.pop_back();
      const auto model = from_openvino(network(outputs, {x}));
      for (const int requests : {1, 2, 8}) {
        const auto session = model->compile({"CPU", "f32", true, requests});
        session->run_all(data->read(), "test", [&](std::size_t index, const std::vector<Tensor>& found) {
          EXPECT_TRUE(found[0].to_floats() == samples[index].inputs[0].tensor.to_floats()) << index;
        });
      }
      const auto session = model->compile();
      for (const Sample& sample : {samples[3], samples[5]})
        EXPECT_TRUE(session->run(sample)[0].to_floats() == sample.inputs[0].tensor.to_floats());
    }
  }
}

TEST(Session, RunsAsManyAtATimeAsAskedFor) {
  const auto model = from_openvino(small_network());
  const auto samples = wave_samples({1, 3, 6, 6}, 20);
  const auto data = dataset_of(samples);
  for (const int requests : {1, 3}) {
    const auto session = model->compile({"CPU", "f32", true, requests});
    std::int64_t read = 0;
    std::int64_t delivered = 0;
    const SampleReader next = [&, reader = data->read()] {
      EXPECT_LT(read++ - delivered, 2 * requests);
      return reader();
    };
    session->run_all(next, "test", [&](std::size_t index, const std::vector<Tensor>&) {
      EXPECT_EQ(static_cast<std::int64_t>(index), delivered++);
    });
    EXPECT_EQ(delivered, 20);
  }
}

TEST(Session, RunsNothingForNoSamples) {
  const auto session = two_inputs()->compile();
  session->run_all([]() -> std::optional<Sample> { return std::nullopt; }, "test",
                   [](std::size_t, std::vector<Tensor>) { ADD_FAILURE(); });
}

TEST(Session, LetsAnErrorOfTheReaderThrough) {
  const auto session = from_openvino(small_network())->compile({"CPU", "f32", true});
  int read = 0;
  const SampleReader next = [&]() -> std::optional<Sample> {
    if (read++ == 7) throw std::out_of_range("the reader's own");
    return wave_sample({1, 3, 6, 6}, static_cast<float>(read));
  };
  EXPECT_THAT([&] { session->run_all(next, "test", [](std::size_t, std::vector<Tensor>) {}); },
              ThrowsMessage<std::out_of_range>("the reader's own"));
  std::size_t done = 0;  // and is ready for more
  session->run_all(dataset_of(wave_samples({1, 3, 6, 6}, 3))->read(), "test",
                   [&](std::size_t, std::vector<Tensor>) { ++done; });
  EXPECT_EQ(done, 3U);
}

TEST(Session, LetsAnErrorOfTheReceiverThrough) {
  const auto session = from_openvino(small_network())->compile({"CPU", "f32", true});
  const auto data = dataset_of(wave_samples({1, 3, 6, 6}, 20));
  std::size_t done = 0;
  EXPECT_THAT(
      [&] {
        session->run_all(data->read(), "test", [&](std::size_t, std::vector<Tensor>) {
          if (++done == 4) throw std::out_of_range("the receiver's own");
        });
      },
      ThrowsMessage<std::out_of_range>("the receiver's own"));
  EXPECT_EQ(done, 4U);
}

TEST(Session, ForgetsTheStateBeforeEachSample) {
  const auto x = parameter("x", {1, 2});
  const auto variable = std::make_shared<ov::op::util::Variable>(
      ov::op::util::VariableInfo{ov::PartialShape{1, 2}, ov::element::f32, "memory"});
  const auto read = op<ov::op::v6::ReadValue>("read", constant("start", {1, 2}, {0.0F, 0.0F}), variable);
  const auto sum = op<ov::op::v1::Add>("sum", x, read);
  const auto assign = op<ov::op::v6::Assign>("assign", sum, variable);
  const auto result = op<ov::op::v0::Result>("y", sum);
  const auto model = from_openvino(
      std::make_shared<ov::Model>(ov::ResultVector{result}, ov::SinkVector{assign}, ov::ParameterVector{x}));
  const auto session = model->compile();
  const Sample sample = named<float>("x", {1, 2}, {1, 2});
  for (int i = 0; i < 3; ++i) EXPECT_THAT(session->run(sample)[0].to_floats(), ElementsAre(1, 2));
  session->run_all(
      dataset_of(std::vector<Sample>(10, sample))->read(), "test",
      [](std::size_t, const std::vector<Tensor>& outputs) { EXPECT_THAT(outputs[0].to_floats(), ElementsAre(1, 2)); });
}

TEST(Session, RefusesADeviceThatIsNotThere) {
  EXPECT_THAT([] { two_inputs()->compile({"TOASTER", "f32", false}); },
              ThrowsMessage<QuantizationError>(HasSubstr("'TOASTER'")));
}

TEST(Probes, ReduceInsideTheGraphAllAxesButTheKept) {
  const auto x = parameter("x", {-1, 2, 2});
  const auto model = from_openvino(network({{"y", op<ov::op::v0::Relu>("relu", x)}}, {x}));
  const ValueId value = model->graph().node(model->graph().find("x")).outputs[0];
  using Reduction = Probe::Reduction;
  const std::vector<Probe> probes = {{value, Reduction::kMin, {}},      {value, Reduction::kMax, {1}},
                                     {value, Reduction::kMean, {1}},    {value, Reduction::kWhole, {}},
                                     {value, Reduction::kMean, {0, 2}}, {value, Reduction::kMax, {0, 1, 2}}};
  const auto outputs = model->compile({}, probes)->run(named<float>("x", {1, -2, 3, 4, 5, 6, 7, -8}, {2, 2, 2}));
  ASSERT_EQ(outputs.size(), 6U);
  EXPECT_THAT(outputs[0].to_floats(), ElementsAre(-8));
  EXPECT_EQ(outputs[1].shape(), (Shape{1, 2, 1}));
  EXPECT_THAT(outputs[1].to_floats(), ElementsAre(6, 7));
  EXPECT_THAT(outputs[2].to_floats(), ElementsAre(2.5F, 1.5F));
  EXPECT_THAT(outputs[3].to_floats(), ElementsAre(1, -2, 3, 4, 5, 6, 7, -8));
  EXPECT_THAT(outputs[4].to_floats(), ElementsAre(2, 1, 6, -1));
  EXPECT_THAT(outputs[5].to_floats(), ElementsAre(1, -2, 3, 4, 5, 6, 7, -8));
}

TEST(Probes, TakeTheFirstEntriesAlongTheFirstAxis) {
  const auto x = parameter("x", {-1, 2});
  const auto model = from_openvino(network({{"y", op<ov::op::v0::Relu>("relu", x)}}, {x}));
  const ValueId value = model->graph().node(model->graph().find("x")).outputs[0];
  const std::vector<Probe> probes = {{value, Probe::Reduction::kHead, {}, 1}, {value, Probe::Reduction::kHead, {}, 9}};
  const auto outputs = model->compile({}, probes)->run(named<float>("x", {1, -2, 3, 4}, {2, 2}));
  EXPECT_EQ(outputs[0].shape(), (Shape{1, 2}));
  EXPECT_THAT(outputs[0].to_floats(), ElementsAre(1, -2));
  EXPECT_THAT(outputs[1].to_floats(), ElementsAre(1, -2, 3, 4));
}

TEST(Probes, SeeEveryValueOfTheGraph) {
  const auto model = from_openvino(small_network());
  const Graph& graph = model->graph();
  std::vector<Probe> probes;
  for (ValueId value = 0; value < static_cast<ValueId>(graph.values().size()); ++value) {
    if (graph.node(graph.value(value).producer).kind != OpKind::kResult)
      probes.push_back({value, Probe::Reduction::kWhole, {}});
  }
  const auto outputs = model->compile({}, probes)->run(wave_sample({1, 3, 6, 6}));
  ASSERT_EQ(outputs.size(), probes.size());
  for (std::size_t i = 0; i < probes.size(); ++i) {
    Shape shape = graph.value(probes[i].value).shape;
    for (std::int64_t& extent : shape) extent = extent < 0 ? 1 : extent;  // the one sample
    EXPECT_EQ(outputs[i].shape(), shape) << graph.value(probes[i].value).name;
  }
}

TEST(Probes, NeedAKnownRankToReduce) {
  const auto x = parameter("x", ov::PartialShape::dynamic());
  const auto model = from_openvino(network({{"y", op<ov::op::v0::Relu>("relu", x)}}, {x}));
  const std::vector<Probe> probes = {
      {model->graph().node(model->graph().find("relu")).outputs[0], Probe::Reduction::kMax, {}}};
  EXPECT_THAT([&] { model->compile({}, probes); }, ThrowsMessage<Unsupported>(HasSubstr("'relu'")));
}

TEST(Calibration, FindsANanWhereverItStands) {
  const auto model = from_openvino(small_network());
  for (const std::size_t place : {0U, 1U, 35U, 36U, 60U, 107U}) {
    auto samples = wave_samples({1, 3, 6, 6}, 4);
    auto values = test::waves(108);
    values[place] = std::numeric_limits<float>::quiet_NaN();
    samples[2] = named<float>("x", values, {1, 3, 6, 6});
    EXPECT_THAT([&] { quantize(*model, *dataset_of(samples)); }, ThrowsMessage<InvalidArgument>(HasSubstr("NaN")))
        << place;
  }
}

}  // namespace
}  // namespace tightrope
