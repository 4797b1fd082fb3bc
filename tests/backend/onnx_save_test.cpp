// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <numeric>

#include "backend/files.h"
#include "backend/onnx_networks.h"

namespace tightrope {
namespace {

using onnx::Network;
using onnx::parse_network;
using onnx::read_network;
using onnx::save_network;
using onnx::to_bytes;
using test::bytes_of;
using test::Folder;
using test::FullDisk;
using test::OnnxBuilder;
using test::while_writing;
using test::write;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::Throws;
using testing::ThrowsMessage;
using testing::UnorderedElementsAre;

namespace fs = std::filesystem;
namespace proto = onnx::proto;

constexpr std::size_t kTooLittle = 3000;  // bytes, for the networks below

// A weight of 1.6 kB, a Constant node of 1.2 kB, a list of 128 integers, and small tensors.
OnnxBuilder layers() {
  OnnxBuilder net;
  net.input("x", {1, 20}).weight("w", {20, 20}).weight("b", {20}).ints("list", std::vector<std::int64_t>(128, 7));
  net.node("MatMul", {"x", "w"}, {"product"});
  net.node("Add", {"product", "b"}, {"sum"});
  proto::TensorProto& tensor = test::tensor_attribute(net.node("Constant", {}, {"c"}), "value");
  tensor.set_data_type(proto::TensorProto::FLOAT);
  for (const int extent : {15, 20}) tensor.add_dims(extent);
  for (int i = 0; i < 300; ++i) tensor.add_float_data(static_cast<float>(i) / 4);
  net.node("Add", {"sum", "c"}, {"y"});
  net.node("Identity", {"list"}, {"z"});
  net.output("y").output("z").output("c");
  return net;
}

// A tensor of the model as the file has it: where its elements are, or how many bytes of them are in the message.
using Place = std::pair<std::string, std::size_t>;

Place place_of(const proto::TensorProto& tensor) {
  for (const auto& entry : tensor.external_data()) {
    if (entry.key() == "offset") return {tensor.external_data(0).value(), std::stoul(entry.value())};
  }
  return {"", tensor.raw_data().size()};
}

std::map<std::string, Place> places_in(const std::string& bytes) {
  proto::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(bytes));
  std::map<std::string, Place> places;
  for (const auto& initializer : model.graph().initializer()) places[initializer.name()] = place_of(initializer);
  for (const auto& node : model.graph().node()) {
    if (node.op_type() == "Constant") places[node.output(0)] = place_of(node.attribute(0).t());
  }
  return places;
}

void expect_same(const Network& found, const Network& expected) {
  EXPECT_EQ(found.model.SerializeAsString(), expected.model.SerializeAsString());
  ASSERT_EQ(found.constants.size(), expected.constants.size());
  for (const auto& [name, tensor] : expected.constants)
    EXPECT_EQ(found.constants.at(name).to_floats(), tensor.to_floats()) << name;
}

std::string text(const float* values, std::size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof(float)};
}

// As layers(), with the weight at an offset of a file of the folder.
Network layers_with_file(const Folder& folder, std::size_t offset) {
  OnnxBuilder net = layers();
  std::vector<float> values(400);
  std::iota(values.begin(), values.end(), 1.0F);
  write(folder / "weights.bin", std::string(offset, '-') + text(values.data(), values.size()));
  test::move_to_file(*net.graph().mutable_initializer(0), "weights.bin", offset);
  write(folder / "model.onnx", net.model.SerializeAsString());
  return read_network(folder / "model.onnx");
}

TEST(SaveNetwork, WritesOneFileWhereThatIsEnough) {
  const Folder folder;
  const Network network = layers().network();
  save_network(network, folder / "model.onnx");
  EXPECT_THAT(folder.files(), ElementsAre("model.onnx"));
  EXPECT_THAT(onnx::files_of(network, folder / "model.onnx"), ElementsAre(folder / "model.onnx"));
  EXPECT_TRUE(bytes_of(folder / "model.onnx") == to_bytes(network));
  expect_same(read_network(folder / "model.onnx"), network);
  const std::size_t size = to_bytes(network).size();
  EXPECT_EQ(onnx::files_of(network, "model.onnx", size).size(), 1U);
  EXPECT_EQ(onnx::files_of(network, "model.onnx", size - 1).size(), 2U);
}

TEST(SaveNetwork, WritesLargerTensorsToASecondFileWhereOneIsNotEnough) {
  const Folder folder;
  const Network network = layers().network();
  save_network(network, folder / "model.onnx", kTooLittle);
  EXPECT_THAT(folder.files(), ElementsAre("model.onnx", "model.onnx.data"));
  EXPECT_THAT(onnx::files_of(network, folder / "model.onnx", kTooLittle),
              ElementsAre(folder / "model.onnx", folder / "model.onnx.data"));
  EXPECT_THAT(places_in(bytes_of(folder / "model.onnx")),
              UnorderedElementsAre(Pair("c", Place("model.onnx.data", 0)), Pair("w", Place("model.onnx.data", 4096)),
                                   Pair("b", Place("", 80)), Pair("list", Place("", 1024))));
  EXPECT_EQ(fs::file_size(folder / "model.onnx.data"), 4096U + 1600);
  expect_same(read_network(folder / "model.onnx"), network);
}

TEST(SaveNetwork, WritesWhatBodiesHoldToTheSecondFile) {
  const Folder folder;
  const std::vector<float> values(400, 2.5F);
  OnnxBuilder net;
  net.input("condition", {}, proto::TensorProto::BOOL).output("y");
  proto::NodeProto& outer = net.node("If", {"condition"}, {"y"});
  proto::GraphProto& body = test::body(outer, "then_branch", "inner");
  proto::NodeProto& inner = test::add_node(body, "If", {"condition"}, "inner");
  for (proto::GraphProto* branch : {&test::body(outer, "else_branch", "e"), &test::body(inner, "then_branch", "e1"),
                                    &test::body(inner, "else_branch", "e2")}) {
    test::add_node(*branch, "Identity", {branch->output(0).name() + "w"}, branch->output(0).name());
    proto::TensorProto& tensor = *branch->add_initializer();
    tensor.set_name(branch->output(0).name() + "w");
    tensor.set_data_type(proto::TensorProto::FLOAT);
    tensor.add_dims(400);
    tensor.set_raw_data(text(values.data(), 400));
  }
  const Network network = net.network();
  save_network(network, folder / "model.onnx", kTooLittle);
  EXPECT_LT(fs::file_size(folder / "model.onnx"), 1000U);
  EXPECT_EQ(fs::file_size(folder / "model.onnx.data"), 2U * 4096 + 1600);
  expect_same(read_network(folder / "model.onnx"), network);
}

TEST(SaveNetwork, ReplacesTheFilesThatTheNetworkIsMappedFrom) {
  const Folder folder;
  save_network(layers().network(), folder / "model.onnx", kTooLittle);
  const Network network = read_network(folder / "model.onnx");
  Network changed = network;
  const std::vector<float> values(400, -1);
  changed.constants["w"] = Tensor::copy_of(std::span<const float>(values), {20, 20});
  save_network(changed, folder / "model.onnx", kTooLittle);
  expect_same(network, layers().network());
  expect_same(read_network(folder / "model.onnx"), changed);
  save_network(network, folder / "model.onnx");
  EXPECT_TRUE(bytes_of(folder / "model.onnx") == to_bytes(layers().network()));
}

TEST(SaveNetwork, LeavesAloneWhatIsMappedFromAFileWithItsTemporaryName) {
  const Folder folder;
  OnnxBuilder net;
  net.input("x", {1, 2}).weight("w", {2, 2}).output("y");
  net.node("MatMul", {"x", "w"}, {"y"});
  const std::vector<float> values = {4, 3, 2, 1};
  write(folder / "model.onnx.partial", text(values.data(), 4));
  test::move_to_file(*net.graph().mutable_initializer(0), "model.onnx.partial", 0);
  write(folder / "old.onnx", net.model.SerializeAsString());
  save_network(read_network(folder / "old.onnx"), folder / "model.onnx");
  EXPECT_EQ(read_network(folder / "model.onnx").constants.at("w").to_floats(), values);
}

TEST(SaveNetwork, SaysWhatIsWrongWithAPath) {
  const Folder folder;
  const Network network = layers().network();
  fs::create_directories(folder / "folder.onnx");
  fs::create_directories(folder / "data.onnx.data");
  write(folder / "file", "");
  const auto refused = [&](const std::string& name, const std::string& why) {
    EXPECT_THAT([&] { save_network(network, folder / name, kTooLittle); },
                Throws<IoError>(AllOf(while_writing(true), testing::Property(&IoError::what, HasSubstr(why)),
                                      testing::Property(&IoError::what, HasSubstr(name)))))
        << name;
  };
  refused("model.xml", "ends in .onnx");
  refused("model", "ends in .onnx");
  refused("folder.onnx", "it is a folder");
  refused("data.onnx", "it is a folder");
  refused("missing/model.onnx", "there is no folder");
  refused("file/model.onnx", "there is no folder");
  EXPECT_THAT(folder.files(), ElementsAre("data.onnx.data", "file", "folder.onnx"));
  EXPECT_NO_THROW(save_network(network, folder / "data.onnx")) << "one file is enough";
}

TEST(SaveNetwork, LeavesNothingBehindOnAFullDisk) {
  const Folder folder;
  write(folder / "model.onnx", "old model");
  write(folder / "model.onnx.data", "old data");
  const Network network = layers().network();
  for (const std::size_t limit : {onnx::kMessageLimit, kTooLittle}) {
    for (const rlim_t bytes : {0U, 100U, 1300U, 4000U}) {
      const FullDisk disk(bytes);
      EXPECT_THAT([&] { save_network(network, folder / "model.onnx", limit); }, Throws<IoError>(while_writing(true)))
          << bytes;
    }
  }
  EXPECT_THAT(folder.files(), ElementsAre("model.onnx", "model.onnx.data"));
  EXPECT_EQ(bytes_of(folder / "model.onnx"), "old model");
  EXPECT_EQ(bytes_of(folder / "model.onnx.data"), "old data");
}

TEST(SaveNetwork, RefusesWhatIsTooLargeWithoutItsTensors) {
  const Folder folder;
  EXPECT_THAT([&] { save_network(layers().network(), folder / "model.onnx", 500); },
              ThrowsMessage<Unsupported>(HasSubstr("more than one ONNX file holds (500)")));
  EXPECT_THAT(folder.files(), IsEmpty());
}

TEST(ToBytes, HoldsTensorsOfFilesWhereThereIsRoom) {
  const Folder folder;
  const std::string bytes = to_bytes(layers_with_file(folder, 8));
  EXPECT_EQ(places_in(bytes).at("w"), Place("", 1600));
}

TEST(ToBytes, LeavesTensorsInTheirFilesWhereThereIsNone) {
  const Folder folder;
  for (const std::size_t offset : {0U, 8U, 5U}) {  // at 5 they are copied to be aligned
    Network network = layers_with_file(folder, offset);
    const std::string bytes = to_bytes(network, kTooLittle);
    EXPECT_THAT(places_in(bytes),
                UnorderedElementsAre(Pair("w", Place("weights.bin", offset)), Pair("c", Place("", 1200)),
                                     Pair("b", Place("", 80)), Pair("list", Place("", 1024))));
    expect_same(parse_network(bytes, folder.path()), network);
    network.constants["w"] = network.constants.at("w").cast(ElementType::kF16);
    network.model.mutable_graph()->mutable_initializer(0)->set_data_type(proto::TensorProto::FLOAT16);
    EXPECT_EQ(places_in(to_bytes(network, kTooLittle + 500)).at("w"), Place("", 800)) << "it was changed";
  }
}

TEST(ToBytes, HoldsTensorsWithoutElements) {
  const Folder folder;
  write(folder / "empty.bin", "");
  OnnxBuilder net;
  net.input("x", {1}).output("y").weight("w", {0});
  test::move_to_file(*net.graph().mutable_initializer(0), "empty.bin", 0);
  net.node("Concat", {"x", "w"}, {"y"});
  write(folder / "model.onnx", net.model.SerializeAsString());
  const Network network = read_network(folder / "model.onnx");
  expect_same(parse_network(to_bytes(network)), network);
}

TEST(ToBytes, LeavesTensorsInTheirFilesThatGotOtherShapes) {
  const Folder folder;
  Network network = layers_with_file(folder, 8);
  network.constants["half"] = network.constants.at("w").slice(10, 10).reshape({100, 2});
  proto::TensorProto& half = *network.model.mutable_graph()->add_initializer();
  half.set_name("half");
  half.set_data_type(proto::TensorProto::FLOAT);
  for (const int extent : {100, 2}) half.add_dims(extent);
  const std::string bytes = to_bytes(network, kTooLittle);
  EXPECT_EQ(places_in(bytes).at("half"), Place("weights.bin", 808));
  expect_same(parse_network(bytes, folder.path()), network);
}

TEST(ToBytes, RefusesWhatIsTooLargeWithoutTensorsInFiles) {
  const Folder folder;
  EXPECT_THAT([&] { to_bytes(layers().network(), kTooLittle); },
              ThrowsMessage<Unsupported>(HasSubstr("more than one ONNX file holds (3000)")));
  EXPECT_THROW(to_bytes(layers_with_file(folder, 0), 2000), Unsupported);
}

TEST(ToBytes, LeavesTheTensorsOfALargeModelInTheirFile) {
  const Folder folder;
  constexpr std::int64_t kRows = 3 << 20;  // of 1 kB
  write(folder / "large.bin", "");
  if (truncate((folder / "large.bin").c_str(), kRows << 10) != 0)
    GTEST_SKIP() << "no room for a file with a hole of 3 GB";
  OnnxBuilder net;
  net.input("i", {1}, proto::TensorProto::INT64).output("y");
  proto::TensorProto& table = *net.graph().add_initializer();
  table.set_name("table");
  table.set_data_type(proto::TensorProto::INT8);
  for (const std::int64_t extent : {kRows, std::int64_t{1} << 10}) table.add_dims(extent);
  test::move_to_file(table, "large.bin", 0);
  net.node("Gather", {"table", "i"}, {"y"});
  write(folder / "model.onnx", net.model.SerializeAsString());
  Network network = read_network(folder / "model.onnx");
  EXPECT_THAT(network.constants.at("table").slice(kRows - 1, 1).to_floats(), Each(0.0F));
  onnx::normalize(network);
  const std::string bytes = to_bytes(network);
  EXPECT_LT(bytes.size(), 1000U);
  EXPECT_EQ(parse_network(bytes, folder.path()).constants.at("table").size(), static_cast<std::size_t>(kRows) << 10);
  EXPECT_EQ(onnx::files_of(network, "model.onnx").size(), 2U);
}

}  // namespace
}  // namespace tightrope
