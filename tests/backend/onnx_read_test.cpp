// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "backend/files.h"
#include "backend/onnx_networks.h"
#include "onnx/messages.h"
#include "support/builders.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using test::Folder;
using test::move_to_file;
using test::OnnxBuilder;
using test::set;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;
using testing::UnorderedElementsAre;

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

// The constants of the main graph are mapped; all other messages with elements in a file are filled.
TEST(ReadNetwork, ReadsTensorsInFilesWhereverTheyAre) {
  const Folder folder;
  test::write(folder / "weights.bin", "0123456789abcdefg");
  OnnxBuilder net;
  net.input("b", {}, proto::TensorProto::BOOL).input("x", {2, 1}).output("y");
  std::vector<std::string> names;  // of all the tensors that are in the file, each from a byte of its own on
  const auto place = [&](proto::TensorProto& tensor, int type, std::int64_t extent) {
    tensor.set_data_type(type);
    tensor.add_dims(extent);
    move_to_file(tensor, "weights.bin", names.size());
    names.push_back(tensor.name());
  };
  proto::NodeProto& choice = net.node("If", {"b"}, {"y"});
  for (const char* branch : {"then_branch", "else_branch"}) {
    proto::NodeProto& inner = test::add_node(test::body(choice, branch, branch), "If", {"b"}, branch);
    for (const char* deep : {"then_branch", "else_branch"}) {
      const std::string name = std::string(branch) + deep;
      proto::GraphProto& body = test::body(inner, deep, name);
      proto::TensorProto& initializer = *body.add_initializer();
      initializer.set_name(name + "_w");
      place(initializer, proto::TensorProto::FLOAT, 2);
      proto::TensorProto& value = test::tensor_attribute(test::add_node(body, "Constant", {}, name + "_c"), "value");
      place(value, proto::TensorProto::INT16, 1);
      test::add_node(body, "Identity", {name + "_w"}, name);
    }
  }
  proto::SparseTensorProto& sparse = *net.graph().add_sparse_initializer();
  sparse.mutable_values()->set_name("sparse");
  place(*sparse.mutable_values(), proto::TensorProto::FLOAT, 1);
  place(*sparse.mutable_indices(), proto::TensorProto::INT64, 1);
  sparse.add_dims(3);
  proto::TensorProto& small = *net.graph().add_initializer();
  small.set_name("small");
  place(small, proto::TensorProto::UINT4, 3);
  proto::FunctionProto& function = *net.model.add_functions();
  function.set_name("F");
  function.set_domain("mine");
  function.add_node()->set_op_type("Constant");
  place(test::tensor_attribute(*function.mutable_node(0), "value"), proto::TensorProto::DOUBLE, 0);

  onnx::Network network = onnx::read_network(written(net, folder));
  std::filesystem::remove(folder / "weights.bin");
  std::vector<std::string> found;
  onnx::for_each_tensor(network.model, [&](proto::TensorProto& tensor) {
    EXPECT_EQ(tensor.data_location(), proto::TensorProto::DEFAULT);
    EXPECT_EQ(tensor.external_data_size(), 0);
    found.push_back(tensor.raw_data());
  });
  EXPECT_THAT(found, UnorderedElementsAre("01234567", "12", "23456789", "34", "456789ab", "56", "6789abcd", "78",
                                          "89ab", "9abcdefg", "ab", ""));
}

TEST(ReadNetwork, ChecksTensorsInFilesOfBodies) {
  const Folder folder;
  test::write(folder / "weights.bin", "0123456789");
  const auto refused = [&](int type, const std::string& location, const std::string& why) {
    OnnxBuilder net;
    net.input("b", {}, proto::TensorProto::BOOL).output("y");
    proto::GraphProto& body = test::body(net.node("If", {"b"}, {"y"}), "then_branch", "w");
    *body.add_initializer() = tensor_of(type, {2, 2});
    body.mutable_initializer(0)->set_name("w");
    move_to_file(*body.mutable_initializer(0), location, 0);
    EXPECT_THAT([&] { onnx::read_network(written(net, folder)); }, ThrowsMessage<IoError>(HasSubstr(why))) << why;
    EXPECT_THAT([&] { net.network(); }, ThrowsMessage<InvalidArgument>(HasSubstr("model")));
  };
  refused(proto::TensorProto::FLOAT, "weights.bin", "'weights.bin' ends after 10 bytes; 16 from 0 on are needed");
  refused(proto::TensorProto::FLOAT, "../weights.bin", "leaves the folder");
  refused(proto::TensorProto::INT4, "missing.bin", "there is no file");
  refused(proto::TensorProto::STRING, "weights.bin", "tensor 'w': elements of this type can't be in a file");
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

}  // namespace
}  // namespace tightrope
