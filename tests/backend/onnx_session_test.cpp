// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <numeric>
#include <thread>

#include "backend/onnx_bytes.h"
#include "backend/onnx_networks.h"
#include "backend/onnx_runtime_test.h"
#include "onnx/runtime.h"
#include "onnx/session.h"
#include "onnx/tensors.h"
#include "tightrope/error.h"

#ifdef __SANITIZE_THREAD__
// ONNX Runtime is not built for the sanitizer, which therefore does not see how its threads wait for each other.
extern "C" const char* __tsan_default_suppressions() { return "race:libonnxruntime.so\n"; }
#endif

namespace tightrope {
namespace {

using onnx::make_session;
using test::kOnnxFloat;
using test::kOnnxInt64;
using test::onnx_constant;
using test::onnx_model;
using test::OnnxBuilder;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

namespace fs = std::filesystem;

const CompileOptions kThroughput = {"CPU", "f32", true};

class OnnxSession : public test::OnnxRuntimeTest {};

std::unique_ptr<Session> session_of(const std::string& model, const CompileOptions& options = {},
                                    const std::vector<std::string>& outputs = {}) {
  return make_session(onnx::parse_network(model), options, outputs);
}

Tensor floats(const std::vector<float>& values, Shape shape) {
  return Tensor::copy_of(std::span<const float>(values), std::move(shape));
}

Tensor integers(const std::vector<std::int64_t>& values, Shape shape) {
  return Tensor::copy_of(std::span<const std::int64_t>(values), std::move(shape));
}

Sample sample_of(std::vector<Sample::Input> inputs) { return {std::move(inputs), {}}; }

// y = 2 a + b over [?,2].
std::string two_inputs() {
  return onnx_model({{"a", kOnnxFloat, {-1, 2}}, {"b", kOnnxFloat, {-1, 2}}}, {{"y", kOnnxFloat, {-1, 2}}},
                    {{"Add", {"a", "a"}, {"twice"}, {}}, {"Add", {"twice", "b"}, {"y"}, {}}});
}

// Inputs i (i64) and f (f32), added as floats.
std::string mixed_types() {
  return onnx_model({{"i", kOnnxInt64, {3}}, {"f", kOnnxFloat, {3}}}, {{"y", kOnnxFloat, {3}}},
                    {{"Cast", {"i"}, {"wide"}, {{"to", kOnnxFloat}}}, {"Add", {"wide", "f"}, {"y"}, {}}});
}

std::vector<float> waves(std::size_t count, float phase = 0) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = std::sin(0.37F * static_cast<float>(i) + phase);
  return values;
}

// x [?,32] through three layers of matrix product and Tanh.
std::string layers() {
  std::vector<test::OnnxNode> nodes;
  std::string last = "x";
  for (int i = 0; i < 3; ++i) {
    const std::string name = std::to_string(i);
    nodes.push_back({"MatMul", {last, "w"}, {"product" + name}, {}});
    nodes.push_back({"Tanh", {"product" + name}, {"layer" + name}, {}});
    last = "layer" + name;
  }
  return onnx_model({{"x", kOnnxFloat, {-1, 32}}}, {{"layer2", kOnnxFloat, {-1, 32}}}, nodes,
                    {onnx_constant("w", kOnnxFloat, {32, 32}, waves(1024))});
}

// Samples of `layers` that take the longer to run the earlier they come in each group of five.
std::vector<Sample> uneven_samples(int count) {
  std::vector<Sample> samples;
  for (int i = 0; i < count; ++i) {
    const std::int64_t rows = i % 5 == 0 ? 500 : 5 - i % 5;
    samples.push_back(
        sample_of({{"x", floats(waves(static_cast<std::size_t>(rows) * 32, static_cast<float>(i)), {rows, 32})}}));
  }
  return samples;
}

std::vector<std::byte> raw(const Tensor& tensor) {
  const auto* const data = static_cast<const std::byte*>(tensor.data());
  return {data, data + tensor.bytes()};
}

TEST_F(OnnxSession, TakesInputsByNameAndByPosition) {
  const auto session = session_of(two_inputs());
  const Tensor a = floats({1, 2}, {1, 2});
  const Tensor b = floats({10, 20}, {1, 2});
  EXPECT_THAT(session->run(sample_of({{"", a}, {"", b}}))[0].to_floats(), ElementsAre(12, 24));
  EXPECT_THAT(session->run(sample_of({{"b", b}, {"a", a}}))[0].to_floats(), ElementsAre(12, 24));
}

TEST_F(OnnxSession, TakesAnyBatchWhereTheModelLeavesItOpen) {
  const auto session = session_of(two_inputs());
  const auto wide = session->run(sample_of({{"a", floats({1, 2, 3, 4}, {2, 2})}, {"b", floats({0, 0, 0, 1}, {2, 2})}}));
  EXPECT_EQ(wide[0].shape(), (Shape{2, 2}));
  EXPECT_THAT(wide[0].to_floats(), ElementsAre(2, 4, 6, 9));
  const auto empty = session->run(sample_of({{"a", floats({}, {0, 2})}, {"b", floats({}, {0, 2})}}));
  EXPECT_EQ(empty[0].shape(), (Shape{0, 2}));
}

TEST_F(OnnxSession, TakesAScalar) {
  const auto session =
      session_of(onnx_model({{"x", kOnnxFloat, {}}}, {{"y", kOnnxFloat, {}}}, {{"Neg", {"x"}, {"y"}, {}}}));
  const auto outputs = session->run(sample_of({{"x", floats({3}, {})}}));
  EXPECT_EQ(outputs[0].shape(), Shape{});
  EXPECT_THAT(outputs[0].to_floats(), ElementsAre(-3));
}

TEST_F(OnnxSession, ConvertsNumbersThatKeepTheirValue) {
  const auto session = session_of(mixed_types());
  for (int round = 0; round < 20; ++round) {
    const auto found =
        session->run(sample_of({{"i", integers({1, 2, 3}, {3})}, {"f", integers({10, 20, round}, {3})}}));
    EXPECT_THAT(found[0].to_floats(), ElementsAre(11, 22, 3 + round));
  }
  std::vector<Sample> samples;
  for (int i = 0; i < 30; ++i) {
    samples.push_back(
        sample_of({{"i", integers({i, 0, 0}, {3}).cast(ElementType::kU8)}, {"f", integers({i, 0, 1}, {3})}}));
  }
  session->run_all(dataset_of(samples)->read(), "test", [](std::size_t index, const std::vector<Tensor>& outputs) {
    EXPECT_THAT(outputs[0].to_floats(), ElementsAre(2 * static_cast<float>(index), 0, 1));
  });
}

TEST_F(OnnxSession, RefusesNumbersThatWouldLoseTheirFraction) {
  const auto session = session_of(mixed_types());
  EXPECT_THAT([&] { session->run(sample_of({{"i", floats({1, 2, 3}, {3})}, {"f", floats({1, 2, 3}, {3})}})); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("'i'"), HasSubstr("f32"), HasSubstr("i64 is needed"))));
}

TEST_F(OnnxSession, CarriesEveryElementType) {
  const std::vector<std::pair<ElementType, std::int64_t>> types = {
      {ElementType::kBoolean, 9}, {ElementType::kI8, 3},   {ElementType::kU8, 2},    {ElementType::kI16, 5},
      {ElementType::kU16, 4},     {ElementType::kI32, 6},  {ElementType::kU32, 12},  {ElementType::kI64, 7},
      {ElementType::kU64, 13},    {ElementType::kF16, 10}, {ElementType::kBF16, 16}, {ElementType::kF32, 1},
      {ElementType::kF64, 11}};
  for (const auto& [type, number] : types) {
    const auto session =
        session_of(onnx_model({{"x", number, {3}}}, {{"y", number, {3}}}, {{"Identity", {"x"}, {"y"}, {}}}));
    const Tensor x = integers({0, 1, 1}, {3}).cast(type);
    const auto outputs = session->run(sample_of({{"x", x}}));
    EXPECT_EQ(outputs[0].type(), type);
    EXPECT_EQ(raw(outputs[0]), raw(x)) << name_of(type);
  }
}

TEST_F(OnnxSession, ComputesInHalfAndDoublePrecision) {
  for (const auto& [type, number] : {std::pair(ElementType::kF16, 10), std::pair(ElementType::kF64, 11)}) {
    const auto session =
        session_of(onnx_model({{"x", number, {3}}}, {{"y", number, {3}}}, {{"Add", {"x", "x"}, {"y"}, {}}}));
    const auto outputs = session->run(sample_of({{"x", floats({0.5F, -1.25F, 3}, {3})}}));
    EXPECT_EQ(outputs[0].type(), type);
    EXPECT_THAT(outputs[0].to_floats(), ElementsAre(1, -2.5F, 6));
  }
}

TEST_F(OnnxSession, NamesTheInputThatDoesNotFit) {
  const auto session = session_of(two_inputs());
  const Tensor good = floats({1, 2}, {1, 2});
  const auto refused = [&](const Sample& sample, const std::vector<std::string>& parts) {
    try {
      session->run(sample);
      ADD_FAILURE() << "accepted; no " << parts[0];
    } catch (const InvalidArgument& error) {
      for (const std::string& part : parts) EXPECT_THAT(error.what(), HasSubstr(part));
    }
  };
  refused(sample_of({{"a", good}, {"b", floats({1, 2, 3}, {1, 3})}}), {"sample", "'b'", "[1,3]", "[?,2]"});
  refused(sample_of({{"", floats({1, 2, 3}, {3})}, {"", good}}), {"'0'", "[3]", "[?,2]"});
  refused(sample_of({{"a", good}, {"c", good}}), {"no input 'c'", "'a' f32 [?,2]", "'b' f32 [?,2]"});
  refused(sample_of({{"a", good}}), {"1 inputs", "needs 2", "'a'", "'b'"});
  refused(sample_of({{"a", good}, {"a", good}}), {"'a'", "twice"});
  refused(sample_of({{"a", good}, {"", Tensor()}}), {"'1'", "other"});
}

TEST_F(OnnxSession, NamesTheItemThatDoesNotFit) {
  const auto session = session_of(layers(), kThroughput);
  auto samples = uneven_samples(6);
  samples[3] = sample_of({{"x", floats(waves(31), {1, 31})}});
  EXPECT_THAT(
      [&] { session->run_all(dataset_of(samples)->read(), "calibration", [](std::size_t, std::vector<Tensor>) {}); },
      ThrowsMessage<InvalidArgument>(
          AllOf(HasSubstr("calibration item 3"), HasSubstr("'x'"), HasSubstr("[1,31]"), HasSubstr("[?,32]"))));
}

TEST_F(OnnxSession, NamesTheItemThatTheModelDoesNotRunOn) {
  const std::string model =
      onnx_model({{"x", kOnnxFloat, {-1}}}, {{"y", kOnnxFloat, {2, 2}}}, {{"Reshape", {"x", "shape"}, {"y"}, {}}},
                 {onnx_constant<std::int64_t>("shape", kOnnxInt64, {2}, {2, 2})});
  const auto session = session_of(model, kThroughput);
  std::vector<Sample> samples(20, sample_of({{"x", floats({1, 2, 3, 4}, {4})}}));
  samples[5] = samples[7] = sample_of({{"x", floats({1, 2, 3}, {3})}});
  std::size_t done = 0;
  EXPECT_THAT(
      [&] { session->run_all(dataset_of(samples)->read(), "test", [&](std::size_t, std::vector<Tensor>) { ++done; }); },
      ThrowsMessage<QuantizationError>(AllOf(HasSubstr("[run] test item 5"), HasSubstr("Reshape"))));
  EXPECT_EQ(done, 5U);
}

TEST_F(OnnxSession, HandsResultsOverInTheOrderOfTheSamples) {
  const auto samples = uneven_samples(100);
  const auto one_by_one = session_of(layers());
  const auto session = session_of(layers(), kThroughput);
  const auto data = dataset_of(samples);
  for (int round = 0; round < 2; ++round) {
    std::vector<std::size_t> order;
    session->run_all(data->read(), "test", [&](std::size_t index, const std::vector<Tensor>& outputs) {
      order.push_back(index);
      EXPECT_EQ(raw(outputs[0]), raw(one_by_one->run(samples[index])[0])) << index;
    });
    std::vector<std::size_t> expected(samples.size());
    std::iota(expected.begin(), expected.end(), 0U);
    EXPECT_EQ(order, expected);
  }
}

TEST_F(OnnxSession, RunsAsManyAtATimeAsAskedFor) {
  const auto samples = uneven_samples(20);
  const auto data = dataset_of(samples);
  for (const int requests : {1, 3}) {
    CompileOptions options = kThroughput;
    options.requests = requests;
    std::int64_t read = 0;
    std::int64_t delivered = 0;
    const SampleReader next = [&, reader = data->read()] {
      EXPECT_LT(read++ - delivered, 2 * requests);
      return reader();
    };
    session_of(layers(), options)->run_all(next, "test", [&](std::size_t index, const std::vector<Tensor>&) {
      EXPECT_EQ(static_cast<std::int64_t>(index), delivered++);
    });
    EXPECT_EQ(delivered, 20);
  }
}

TEST_F(OnnxSession, HoldsFewItemsAtATime) {
  const auto session = session_of(layers(), kThroughput);
  const auto limit = 2 * std::max(1U, std::thread::hardware_concurrency());
  std::size_t read = 0;
  std::size_t done = 0;
  const auto data = dataset_of(uneven_samples(60));
  const SampleReader next = [&, inner = data->read()] {
    EXPECT_LT(read - done, limit);
    ++read;
    return inner();
  };
  session->run_all(next, "test", [&](std::size_t, std::vector<Tensor>) { ++done; });
  EXPECT_EQ(done, 60U);
}

TEST_F(OnnxSession, RunsOnSeveralThreadsOfTheCaller) {
  const auto samples = uneven_samples(20);
  const auto session = session_of(layers(), kThroughput);
  std::vector<std::vector<std::byte>> expected;
  for (const Sample& sample : samples) expected.push_back(raw(session->run(sample)[0]));
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      session->run_all(dataset_of(samples)->read(), "test", [&](std::size_t index, const std::vector<Tensor>& outputs) {
        if (raw(outputs[0]) != expected[index]) ++wrong;
      });
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST_F(OnnxSession, KeepsOutputsAliveWithoutTheSession) {
  auto session = session_of(two_inputs());
  const auto outputs = session->run(sample_of({{"a", floats({1, 2}, {1, 2})}, {"b", floats({1, 1}, {1, 2})}}));
  session.reset();
  EXPECT_THAT(outputs[0].to_floats(), ElementsAre(3, 5));
}

TEST_F(OnnxSession, RunsNothingForNoSamples) {
  const auto session = session_of(two_inputs());
  session->run_all([]() -> std::optional<Sample> { return std::nullopt; }, "test",
                   [](std::size_t, std::vector<Tensor>) { ADD_FAILURE(); });
}

TEST_F(OnnxSession, LetsAnErrorOfTheReaderThrough) {
  const auto session = session_of(layers(), kThroughput);
  const auto samples = uneven_samples(10);
  std::size_t read = 0;
  const SampleReader next = [&]() -> std::optional<Sample> {
    if (read == 7) throw std::out_of_range("the reader's own");
    return samples[read++];
  };
  EXPECT_THAT([&] { session->run_all(next, "test", [](std::size_t, std::vector<Tensor>) {}); },
              ThrowsMessage<std::out_of_range>("the reader's own"));
  std::size_t done = 0;  // and is ready for more
  session->run_all(dataset_of(samples)->read(), "test", [&](std::size_t, std::vector<Tensor>) { ++done; });
  EXPECT_EQ(done, samples.size());
}

TEST_F(OnnxSession, LetsAnErrorOfTheReceiverThrough) {
  const auto session = session_of(layers(), kThroughput);
  const auto data = dataset_of(uneven_samples(20));
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

TEST_F(OnnxSession, GivesTheOutputsThatWereAskedFor) {
  const std::string model = onnx_model({{"x", kOnnxFloat, {2}}}, {{"n", kOnnxFloat, {2}}, {"y", kOnnxFloat, {2}}},
                                       {{"Neg", {"x"}, {"n"}, {}}, {"Add", {"n", "n"}, {"y"}, {}}});
  const Sample sample = sample_of({{"x", floats({1, -2}, {2})}});
  const auto all = session_of(model)->run(sample);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_THAT(all[0].to_floats(), ElementsAre(-1, 2));
  EXPECT_THAT(all[1].to_floats(), ElementsAre(-2, 4));
  const auto chosen = session_of(model, {}, {"y", "n", "y"})->run(sample);
  ASSERT_EQ(chosen.size(), 3U);
  EXPECT_THAT(chosen[0].to_floats(), ElementsAre(-2, 4));
  EXPECT_THAT(chosen[1].to_floats(), ElementsAre(-1, 2));
  EXPECT_THAT(chosen[2].to_floats(), ElementsAre(-2, 4));
  EXPECT_THAT([&] { session_of(model, {}, {"y", "z"}); }, ThrowsMessage<InvalidArgument>(HasSubstr("no output 'z'")));
}

TEST_F(OnnxSession, GivesOutputsThatAreInputsOrConstants) {
  const std::string model =
      onnx_model({{"x", kOnnxFloat, {2}}}, {{"same", kOnnxFloat, {2}}, {"w", kOnnxFloat, {2}}, {"x", kOnnxFloat, {2}}},
                 {{"Identity", {"x"}, {"same"}, {}}}, {onnx_constant<float>("w", kOnnxFloat, {2}, {7, 8})});
  auto session = session_of(model);
  const auto first = session->run(sample_of({{"x", floats({1, 2}, {2})}}));
  const auto second = session->run(sample_of({{"x", floats({3, 4}, {2})}}));
  session.reset();
  EXPECT_THAT(first[0].to_floats(), ElementsAre(1, 2));
  EXPECT_THAT(first[1].to_floats(), ElementsAre(7, 8));
  EXPECT_THAT(first[2].to_floats(), ElementsAre(1, 2));
  EXPECT_THAT(second[0].to_floats(), ElementsAre(3, 4));
  EXPECT_THAT(second[2].to_floats(), ElementsAre(3, 4));
}

TEST_F(OnnxSession, RefusesOutputsThatAreNoNumbers) {
  const std::string sequence_type =
      test::Message().text(4, test::Message().text(1, test::onnx_tensor_type(kOnnxFloat, {2}).bytes).bytes).bytes;
  const std::string output =
      test::Message().text(12, test::Message().text(1, "list").text(2, sequence_type).bytes).bytes;
  const std::string sequence =
      onnx_model({{"x", kOnnxFloat, {2}}}, {}, {{"SequenceConstruct", {"x"}, {"list"}, {}}}, {}, output);
  EXPECT_THAT([&] { session_of(sequence); }, ThrowsMessage<Unsupported>(HasSubstr("output 'list' is no tensor")));
  const std::string text =
      onnx_model({{"x", test::kOnnxString, {2}}}, {{"y", test::kOnnxString, {2}}}, {{"Identity", {"x"}, {"y"}, {}}});
  EXPECT_THAT([&] { session_of(text); }, ThrowsMessage<Unsupported>(HasSubstr("input 'x' has elements of type 8")));
}

TEST_F(OnnxSession, ReadsExternalDataBesideTheModel) {
  const fs::path folder = fs::path(testing::TempDir()) / "tightrope_external";
  fs::create_directories(folder);
  const std::string model = onnx_model({{"x", kOnnxFloat, {2}}}, {{"y", kOnnxFloat, {2}}},
                                       {{"Add", {"x", "w"}, {"y"}, {}}}, {{"w", kOnnxFloat, {2}, {}, "w.bin"}});
  const std::vector<float> values = {10, 20};
  std::ofstream(folder / "w.bin", std::ios::binary).write(reinterpret_cast<const char*>(values.data()), 8);
  std::ofstream(folder / "model.onnx", std::ios::binary) << model;
  const Sample sample = sample_of({{"x", floats({1, 2}, {2})}});
  const auto session = make_session(onnx::read_network(folder / "model.onnx"), {});
  fs::remove_all(folder);
  EXPECT_THAT(session->run(sample)[0].to_floats(), ElementsAre(11, 22));
}

// Values over 1 kB are handed over in memory, smaller ones in the bytes.
TEST_F(OnnxSession, TakesLargeConstantsOfEveryType) {
  std::vector<float> values(32 * 32);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 100);
  std::vector<float> truths(values);
  for (float& value : truths) value = std::min(value, 1.0F);
  for (const auto type : {ElementType::kBoolean, ElementType::kI8, ElementType::kU8, ElementType::kI16,
                          ElementType::kU16, ElementType::kI32, ElementType::kU32, ElementType::kI64, ElementType::kU64,
                          ElementType::kF16, ElementType::kBF16, ElementType::kF32, ElementType::kF64}) {
    OnnxBuilder net;
    net.input("x", {1, 32}).output("y");
    test::set(net.node("Cast", {"w"}, {"floats"}), "to", std::int64_t{kOnnxFloat});
    net.node("MatMul", {"x", "floats"}, {"y"});
    OnnxBuilder::describe(*net.graph().mutable_output(0), "y", {1, 32}, kOnnxFloat);
    onnx::Network network = net.weight("w", {32, 32}).network();
    const auto& expected = type == ElementType::kBoolean ? truths : values;
    network.constants["w"] = floats(expected, {32, 32}).cast(type);
    network.model.mutable_graph()->mutable_initializer(0)->set_data_type(onnx::to_data_type(type));
    std::vector<float> first(32, 0);
    first[2] = 1;
    const auto session = make_session(network, {});
    EXPECT_EQ(session->run(sample_of({{"x", floats(first, {1, 32})}}))[0].to_floats(),
              std::vector<float>(expected.begin() + 64, expected.begin() + 96))
        << name_of(type);
  }
}

TEST_F(OnnxSession, NeedsTheNetworkNoLonger) {
  OnnxBuilder net;
  net.input("x", {1, 32}).output("y").output("w").weight("w", {32, 32});
  net.node("Add", {"x", "w"}, {"y"});
  auto values = std::make_shared<std::vector<float>>(1024, 1.0F);
  onnx::Network network = net.network();
  network.constants["w"] = Tensor(ElementType::kF32, {32, 32}, {values, values->data()});
  const auto session = make_session(network, {});
  network = {};
  std::ranges::fill(*values, 9.0F);
  const auto outputs = session->run(sample_of({{"x", floats(waves(32), {1, 32})}}));
  EXPECT_FLOAT_EQ(outputs[0].to_floats()[1], 1 + waves(32)[1]);
  EXPECT_THAT(outputs[1].to_floats(), Each(1.0F));
}

TEST_F(OnnxSession, TakesLargeConstantsWhereverTheyAreRead) {
  OnnxBuilder net;
  net.input("x", {1, 32}).input("b", {}, onnx::proto::TensorProto::BOOL).output("y").output("c");
  net.weight("w", {32, 32}).weight("unused", {32, 32}).weight("inner", {32, 32}).weight("default", {32, 32});
  net.input("default", {32, 32});
  for (const char* name : {"c", "d", "nothing"}) {
    auto& tensor = test::tensor_attribute(net.node("Constant", {}, {name}), "value");
    tensor = net.graph().initializer(0);
  }
  net.node("Transpose", {"w"}, {"turned"});  // computed when the model is compiled
  net.node("Sin", {"turned"}, {"sine"});
  net.node("Neg", {"sine"}, {"negative"});
  net.node("Mul", {"negative", "default"}, {"dead"});
  net.node("Sub", {"sine", "sine"}, {"zeros"});
  auto& choice = net.node("If", {"b"}, {"chosen"});
  test::add_node(test::body(choice, "then_branch", "t"), "MatMul", {"x", "inner"}, "t");
  test::add_node(test::body(choice, "else_branch", "e"), "MatMul", {"x", "d"}, "e");
  net.node("Sum", {"chosen", "zeros"}, {"y"});
  std::vector<float> first(32, 0);
  first[1] = 1;
  for (const onnx::Network& network : {net.network(), net.base()}) {
    const auto session = make_session(network, {});
    const auto outputs =
        session->run(sample_of({{"x", floats(first, {1, 32})}, {"b", integers({1}, {}).cast(ElementType::kBoolean)}}));
    EXPECT_EQ(outputs[0].to_floats()[3], 35);
    EXPECT_EQ(outputs[1].to_floats()[1023], 1023);
  }
}

TEST_F(OnnxSession, InfersShapesFromLongLists) {
  OnnxBuilder net;
  net.input("x", {200}).output("p7").ints("sizes", std::vector<std::int64_t>(200, 1));
  std::vector<std::string> parts;
  for (int i = 0; i < 200; ++i) parts.push_back("p" + std::to_string(i));
  net.node("Split", {"x", "sizes"}, parts);
  const auto session = make_session(net.network(), {});
  EXPECT_EQ(session->run(sample_of({{"x", floats(waves(200), {200})}}))[0].to_floats(), std::vector{waves(200)[7]});
}

TEST_F(OnnxSession, RefusesOperatorsThatTheRuntimeDoesNotKnow) {
  const std::string unknown =
      onnx_model({{"x", kOnnxFloat, {2}}}, {{"y", kOnnxFloat, {2}}}, {{"Fry", {"x"}, {"y"}, {}}});
  EXPECT_THAT([&] { session_of(unknown); }, ThrowsMessage<QuantizationError>(HasSubstr("Fry")));
}

TEST_F(OnnxSession, RefusesADeviceThatIsNotThere) {
  EXPECT_THAT([] { session_of(two_inputs(), {"TOASTER", "f32", false}); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("'TOASTER'"), HasSubstr("CPU"))));
}

TEST_F(OnnxSession, RefusesOtherPrecisionsThanTheModels) {
  EXPECT_THAT([] { session_of(two_inputs(), {"CPU", "bf16", false}); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("'bf16'"), HasSubstr("'f32' is needed"))));
  EXPECT_NO_THROW(session_of(two_inputs(), {"CPU", "", false}));
}

// In a process of its own, which has not opened the library yet: says what happens there.
void open_with(const char* path) {
  setenv("TIGHTROPE_ONNXRUNTIME", path, 1);
  try {
    session_of(two_inputs());
    std::cerr << "opened";
  } catch (const IoError& error) {
    std::cerr << (error.writing() ? "writing" : "reading") << ": " << error.what();
  }
  std::exit(0);
}

class OnnxRuntime : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(OnnxRuntime, SaysWhatToInstallWhereItIsMissing) {
  EXPECT_EXIT(open_with("/nowhere/libonnxruntime.so"), testing::ExitedWithCode(0),
              "reading: .*TIGHTROPE_ONNXRUNTIME.*/nowhere/libonnxruntime.so.*pip install onnxruntime");
}

TEST_F(OnnxRuntime, RefusesALibraryOfAnotherKind) {
  EXPECT_EXIT(open_with("libz.so.1"), testing::ExitedWithCode(0), "not that of ONNX Runtime");
}

TEST_F(OnnxRuntime, RefusesALibraryThatIsOlderThanTheHeaders) {
  EXPECT_EXIT(open_with(TIGHTROPE_TEST_OLD_ONNXRUNTIME), testing::ExitedWithCode(0),
              "is ONNX Runtime 1.10.2; ONNX Runtime 1.[0-9]+ or newer is needed.*pip install onnxruntime");
}

TEST_F(OnnxRuntime, RefusesAPathThatHoldsNoLibrary) {
  const auto told = [] {
    onnx::set_onnxruntime_library("/nowhere/library.so");
    open_with("");
  };
  EXPECT_EXIT(told(), testing::ExitedWithCode(0), "that was set: /nowhere/library.so");
}

TEST_F(OnnxRuntime, LooksElsewhereWhereTheFolderHasNone) {
  const auto told = [] {
    onnx::set_onnxruntime_library(testing::TempDir());
    open_with("");
  };
  EXPECT_EXIT(told(), testing::ExitedWithCode(0), "opened|no libonnxruntime.so was found; .*pip install onnxruntime");
}

TEST_F(OnnxRuntime, IsTriedAgainAfterAFailure) {
  if (!fs::exists(TIGHTROPE_TEST_ONNXRUNTIME)) GTEST_SKIP() << "the package onnxruntime is not installed";
  const auto twice = [] {
    setenv("TIGHTROPE_ONNXRUNTIME", "/nowhere/libonnxruntime.so", 1);
    EXPECT_THROW(onnx::runtime(), IoError);
    onnx::set_onnxruntime_library(TIGHTROPE_TEST_ONNXRUNTIME);
    open_with("");
  };
  EXPECT_EXIT(twice(), testing::ExitedWithCode(0), "opened");
}

}  // namespace
}  // namespace tightrope
