// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "backend/networks.h"
#include "backend/onnx_networks.h"
#include "support/builders.h"
#include "tightrope/error.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

using test::Folder;
using test::OnnxBuilder;
using test::set;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

namespace proto = onnx::proto;

OnnxBuilder product_with(proto::TensorProto tensor) {
  OnnxBuilder net;
  net.input("x", {1, 2});
  tensor.set_name("w");
  *net.graph().add_initializer() = std::move(tensor);
  net.node("MatMul", {"x", "w"}, {"y"});
  net.output("y");
  return net;
}

proto::TensorProto tensor_of(int type, const std::vector<std::int64_t>& dims) {
  proto::TensorProto tensor;
  tensor.set_data_type(type);
  for (const auto dim : dims) tensor.add_dims(dim);
  return tensor;
}

proto::TensorProto external(const std::string& location) {
  proto::TensorProto tensor = tensor_of(proto::TensorProto::FLOAT, {2, 1});
  tensor.set_data_location(proto::TensorProto::EXTERNAL);
  auto& entry = *tensor.add_external_data();
  entry.set_key("location");
  entry.set_value(location);
  return tensor;
}

std::filesystem::path written(const OnnxBuilder& net, const Folder& folder) {
  std::ofstream(folder / "model.onnx", std::ios::binary) << net.model.SerializeAsString();
  return folder / "model.onnx";
}

TEST(ReadNetwork, KnowsEveryFormOfElements) {
  auto floats = tensor_of(proto::TensorProto::FLOAT, {2});
  floats.add_float_data(1.5F);
  floats.add_float_data(-2);
  auto raw = tensor_of(proto::TensorProto::DOUBLE, {1});
  const double three = 3;
  raw.set_raw_data(&three, sizeof three);
  auto half = tensor_of(proto::TensorProto::FLOAT16, {1});
  half.add_int32_data(0x3C00);
  auto bfloat = tensor_of(proto::TensorProto::BFLOAT16, {1});
  bfloat.add_int32_data(0x4000);
  auto bytes = tensor_of(proto::TensorProto::INT8, {2});
  bytes.add_int32_data(-7);
  bytes.add_int32_data(8);
  const auto read = [](const proto::TensorProto& tensor) {
    return product_with(tensor).network().constants.at("w").to_floats();
  };
  EXPECT_THAT(read(floats), ElementsAre(1.5F, -2.0F));
  EXPECT_THAT(read(raw), ElementsAre(3.0F));
  EXPECT_THAT(read(half), ElementsAre(1.0F));
  EXPECT_THAT(read(bfloat), ElementsAre(2.0F));
  EXPECT_THAT(read(bytes), ElementsAre(-7.0F, 8.0F));
}

TEST(ReadNetwork, KeepsElementsOnceHoweverOftenTheModelIsCopied) {
  const onnx::Network network = product_with(tensor_of(proto::TensorProto::FLOAT, {0})).network();
  OnnxBuilder net;
  net.input("x", {1, 2}).weight("w", {2, 2}).output("y");
  net.node("MatMul", {"x", "w"}, {"y"});
  const onnx::Network first = net.network();
  const onnx::Network second = first;
  EXPECT_EQ(first.constants.at("w").data(), second.constants.at("w").data());
  EXPECT_TRUE(first.model.graph().initializer(0).raw_data().empty());
}

TEST(ReadNetwork, MapsTensorsInFilesBesideTheModel) {
  const Folder folder;
  const std::vector<float> values = {0, 1, 2, 3};
  std::ofstream(folder / "weights.bin", std::ios::binary).write(reinterpret_cast<const char*>(values.data()), 16);
  auto tensor = external("weights.bin");
  auto& offset = *tensor.add_external_data();
  offset.set_key("offset");
  offset.set_value("8");
  const onnx::Network network = onnx::read_network(written(product_with(tensor), folder));
  EXPECT_THAT(network.constants.at("w").to_floats(), ElementsAre(2.0F, 3.0F));
}

TEST(ReadNetwork, RefusesTensorsThatAreNotBelowTheFolderOfTheModel) {
  const Folder folder;
  const auto refused = [&](const std::string& location, const std::string& why) {
    const auto path = written(product_with(external(location)), folder);
    EXPECT_THAT([&] { onnx::read_network(path); },
                ThrowsMessage<IoError>(AllOf(HasSubstr(why), HasSubstr("model.onnx"))))
        << location;
  };
  std::ofstream(folder / "short.bin") << "abc";
  std::filesystem::create_symlink(folder / "short.bin", folder / "link.bin");
  refused("../weights.bin", "leaves the folder");
  refused("a/../../weights.bin", "leaves the folder");
  refused("/etc/passwd", "leaves the folder");
  refused("", "leaves the folder");
  refused("link.bin", "is a link");
  refused("missing.bin", "no file");
  refused("short.bin", "ends after 3 bytes");
  EXPECT_THAT([&] { product_with(external("short.bin")).network(); },
              ThrowsMessage<InvalidArgument>(
                  AllOf(HasSubstr("the folder of this file is not known"), HasSubstr("external_data_dir"))));
}

TEST(ReadNetwork, RefusesElementsThatDontFitTheirExtents) {
  const auto refused = [](const proto::TensorProto& tensor, const std::string& why) {
    EXPECT_THAT([&] { product_with(tensor).network(); }, ThrowsMessage<InvalidArgument>(HasSubstr(why)));
  };
  refused(tensor_of(proto::TensorProto::FLOAT, {2, 3}), "24 bytes are needed");
  refused(tensor_of(proto::TensorProto::FLOAT, {-2}), "an extent is -2");
  refused(tensor_of(proto::TensorProto::FLOAT, {1LL << 40, 1LL << 40}), "more elements than any memory holds");
}

TEST(ReadNetwork, RefusesWhatIsNoGraph) {
  const auto refused = [](const OnnxBuilder& net, const std::string& why) {
    EXPECT_THAT([&] { net.network(); }, ThrowsMessage<InvalidArgument>(HasSubstr(why)));
  };
  OnnxBuilder cycle;
  cycle.input("x", {1}).output("a");
  cycle.node("Add", {"x", "b"}, {"a"});
  cycle.node("Relu", {"a"}, {"b"});
  refused(cycle, "node 'a' (Add): it reads what is computed from its own output");
  OnnxBuilder dangling;
  dangling.input("x", {1}).output("a");
  dangling.node("Add", {"x", "nothing"}, {"a"});
  refused(dangling, "node 'a' (Add): it reads 'nothing', which nobody gives");
  OnnxBuilder twice;
  twice.input("x", {1}).output("a");
  twice.node("Relu", {"x"}, {"a"});
  twice.node("Elu", {"x"}, {"a"});
  refused(twice, "'a' is given twice");
  OnnxBuilder unnamed;
  unnamed.input("x", {1}).output("elsewhere");
  refused(unnamed, "output 'elsewhere'");
  refused(OnnxBuilder(), "no graph with outputs");
}

TEST(ReadNetwork, SaysWhichOperatorSetsItKnows) {
  for (const std::int64_t opset : {6, 29}) {
    OnnxBuilder net(opset);
    net.input("x", {1}).output("x");
    EXPECT_THAT([&] { net.network(); },
                ThrowsMessage<Unsupported>(HasSubstr("has version " + std::to_string(opset) + "; versions 7 to 28")));
  }
}

TEST(ReadNetwork, NamesTheFileThatIsNoModel) {
  const Folder folder;
  std::ofstream(folder / "text.onnx") << "not a model";
  EXPECT_THAT([&] { onnx::read_network(folder / "text.onnx"); },
              ThrowsMessage<IoError>(AllOf(HasSubstr("text.onnx"), HasSubstr("damaged"))));
  EXPECT_THAT([&] { onnx::read_network(folder / "none.onnx"); }, ThrowsMessage<IoError>(HasSubstr("none.onnx")));
}

TEST(ReadNetwork, WritesWhatItHasRead) {
  OnnxBuilder net;
  net.input("x", {1, 2}).weight("w", {2, 2}).output("y").output("c");
  net.node("MatMul", {"x", "w"}, {"y"});
  auto& value = *net.node("Constant", {}, {"c"}).add_attribute();
  value.set_name("value");
  *value.mutable_t() = tensor_of(proto::TensorProto::FLOAT, {1});
  value.mutable_t()->add_float_data(5);
  const std::string bytes = onnx::to_bytes(net.network());
  const onnx::Network again = onnx::parse_network({bytes.data(), bytes.size()});
  EXPECT_THAT(again.constants.at("w").to_floats(), ElementsAre(0.0F, 1.0F, 2.0F, 3.0F));
  EXPECT_THAT(again.constants.at("c").to_floats(), ElementsAre(5.0F));
  EXPECT_EQ(onnx::to_bytes(again), bytes);
}

// A model with most of what a reader has to understand.
std::string varied_model() {
  OnnxBuilder net(11);
  net.input("x", {1, 4, 8, 8})
      .weight("w", {4, 4, 3, 3})
      .weight("d", {4, 1, 3, 3})
      .weight("m", {4, 6})
      .ints("axes", {0, -1});
  net.node("Conv", {"x", "w"}, {"c"});
  set(net.node("Conv", {"c", "d"}, {"e"}), "group", std::int64_t{4});
  net.node("Relu", {"e"}, {"r"});
  net.node("GlobalAveragePool", {"r"}, {"g"});
  net.node("Reshape", {"g", "axes"}, {"f"});
  set(net.node("Transpose", {"m"}, {"t"}), "perm", std::vector<std::int64_t>{1, 0});
  set(net.node("Gemm", {"f", "t"}, {"y"}), "transB", std::int64_t{1});
  set(net.node("Softmax", {"y"}, {"s"}), "axis", std::int64_t{1});
  set(net.node("Unsqueeze", {"s"}, {"u"}), "axes", std::vector<std::int64_t>{0});
  set(net.node("Concat", {"u", "u"}, {"v"}), "axis", std::int64_t{2});
  auto& choice = net.node("If", {"b"}, {"z"});
  auto& body = *choice.add_attribute();
  body.set_name("then_branch");
  body.set_type(proto::AttributeProto::GRAPH);
  auto& inner = *body.mutable_g()->add_node();
  inner.set_op_type("Relu");
  inner.add_input("v");
  inner.add_output("inner");
  body.mutable_g()->add_output()->set_name("inner");
  net.input("b", {}, proto::TensorProto::BOOL).output("z").output("s");
  return net.model.SerializeAsString();
}

// An error or a result, and nothing else: under the address sanitizer this is the proof.
TEST(ReadNetwork, SurvivesDamage) {
  const std::string whole = varied_model();
  std::mt19937 random(1);
  const auto below = [&](std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
  };
  int read = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string bytes = whole;
    for (std::size_t flips = below(4) + 1; flips-- > 0;) bytes[below(bytes.size())] ^= static_cast<char>(1 << below(8));
    if (round % 5 == 0) bytes.resize(below(bytes.size()));
    if (round % 7 == 0) bytes.insert(below(bytes.size() + 1), bytes.substr(below(bytes.size() + 1), below(40)));
    try {
      onnx::Network network = onnx::parse_network({bytes.data(), bytes.size()});
      onnx::normalize(network);
      const Graph graph = onnx::read_graph(network);
      ++read;
      for (const Placement placement : {Placement::kLean, Placement::kReference}) {
        QuantizeOptions options;
        options.placement = placement;
        place_and_explain(graph, options);
      }
      onnx::to_bytes(network);
    } catch (const Error&) {
    }
  }
  EXPECT_GT(read, 50);
}

}  // namespace
}  // namespace tightrope
