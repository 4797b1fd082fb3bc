// SPDX-License-Identifier: Apache-2.0
// Damaged models: an error or a result, and nothing else. Under the address sanitizer this is the proof.
#include <gtest/gtest.h>

#include <random>

#include "backend/files.h"
#include "backend/onnx_networks.h"
#include "onnx/messages.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

using test::Folder;
using test::OnnxBuilder;
using test::set;
using test::write;

namespace fs = std::filesystem;
namespace proto = onnx::proto;

// A model with most of what a reader has to understand.
proto::ModelProto varied_model() {
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
  test::add_node(test::body(net.node("If", {"b"}, {"z"}), "then_branch", "inner"), "Relu", {"v"}, "inner");
  net.input("b", {}, proto::TensorProto::BOOL).output("z").output("s");
  return net.model;
}

constexpr std::size_t kTooLittle = 2500;  // bytes, for one file

// Tensors wherever a model may have them.
proto::ModelProto scattered_model() {
  OnnxBuilder net;
  net.input("x", {2, 16}).input("n", {}, proto::TensorProto::INT64).input("go", {}, proto::TensorProto::BOOL);
  net.weight("w", {16, 16}).weight("shared", {16}).ints("list", {3, 4});
  test::tensor_attribute(net.node("Constant", {}, {"c"}), "value") = net.graph().initializer(0);
  set(net.node("Constant", {}, {"k"}), "value_ints", std::vector<std::int64_t>{2, 16});
  net.node("MatMul", {"x", "w"}, {"a"});
  net.node("MatMul", {"a", "c"}, {"m"});
  net.node("Reshape", {"m", "k"}, {"r"});
  proto::GraphProto& loop = test::body(net.node("Loop", {"n", "go", "r"}, {"l"}), "body", "next");
  for (const char* name : {"i", "before", "carried"}) loop.add_input()->set_name(name);
  *loop.add_initializer() = net.graph().initializer(0);
  loop.mutable_initializer(0)->set_name("inside");
  test::add_node(loop, "MatMul", {"carried", "inside"}, "product");
  proto::NodeProto& choice = test::add_node(loop, "If", {"before"}, "carry");
  test::add_node(test::body(choice, "then_branch", "t"), "Add", {"product", "shared"}, "t");
  test::add_node(test::body(choice, "else_branch", "e"), "Add", {"carried", "product"}, "e");
  test::add_node(loop, "Identity", {"before"}, "next");
  loop.add_output()->set_name("carry");
  proto::SparseTensorProto& sparse = *net.graph().add_sparse_initializer();
  *sparse.mutable_values() = net.graph().initializer(1);
  sparse.mutable_values()->set_name("sparse");
  *sparse.mutable_indices() = net.graph().initializer(2);
  sparse.add_dims(32);
  net.node("Concat", {"sparse", "shared"}, {"s"});
  proto::TensorProto& small = *net.graph().add_initializer();
  small.set_name("small");
  small.set_data_type(proto::TensorProto::INT4);
  small.add_dims(3);
  small.set_raw_data("ab");
  net.node("DequantizeLinear", {"small", "one"}, {"d"});
  net.weight("one", {}).output("l").output("s").output("d").output("c");
  return net.model;
}

// Its tensors are in a file.
proto::ModelProto model_with_file(const Folder& folder) {
  proto::ModelProto model = scattered_model();
  write(folder / "weights.bin", std::string(1024, 'w'));
  onnx::for_each_tensor(model, [](proto::TensorProto& tensor) {
    if (tensor.data_type() == proto::TensorProto::FLOAT) test::move_to_file(tensor, "weights.bin", 0);
  });
  return model;
}

class Damage {
 public:
  explicit Damage(std::uint32_t seed) : random_(seed) {}

  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, std::max<std::size_t>(limit, 1) - 1)(random_);
  }

  void to_bytes(std::string& bytes) {
    for (std::size_t flips = below(4) + 1; flips-- > 0;) bytes[below(bytes.size())] ^= static_cast<char>(1 << below(8));
    if (below(5) == 0) bytes.resize(below(bytes.size()));
    if (below(7) == 0) bytes.insert(below(bytes.size() + 1), bytes.substr(below(bytes.size() + 1), below(40)));
  }

  void to_model(proto::ModelProto& model) {
    nodes_.clear();
    tensors_.clear();
    names_ = {"", "nothing", "x"};
    look_at(*model.mutable_graph());
    onnx::for_each_tensor(model, [&](proto::TensorProto& tensor) { tensors_.push_back(&tensor); });
    for (std::size_t changes = below(2) + 1; changes-- > 0;) change(model);
  }

 private:
  template <typename T>
  T& one_of(std::vector<T>& choices) {
    return choices[below(choices.size())];
  }
  std::int64_t extreme() {
    std::vector<std::int64_t> numbers = {std::numeric_limits<std::int64_t>::min(),
                                         std::numeric_limits<std::int64_t>::max(),
                                         std::int64_t{1} << 61,
                                         std::int64_t{1} << 32,
                                         -1,
                                         0,
                                         1,
                                         7};
    return one_of(numbers);
  }

  void look_at(proto::GraphProto& graph) {
    for (auto& node : *graph.mutable_node()) {
      nodes_.push_back(&node);
      for (const auto& output : node.output()) names_.push_back(output);
      for (auto& attribute : *node.mutable_attribute()) {
        if (attribute.has_g()) look_at(*attribute.mutable_g());
      }
    }
    for (const auto& initializer : graph.initializer()) names_.push_back(initializer.name());
  }

  void change(proto::ModelProto& model) {
    proto::NodeProto& node = *one_of(nodes_);
    proto::TensorProto& tensor = *one_of(tensors_);
    proto::GraphProto& graph = *model.mutable_graph();
    switch (below(14)) {
      case 0:  // cycles, and names that nobody gives
      case 1:
        if (node.input_size() > 0) *node.mutable_input(at(node.input_size())) = one_of(names_);
        break;
      case 2:  // names that are given twice
        *node.mutable_output(0) = one_of(names_);
        break;
      case 3:
        tensor.set_name(one_of(names_));
        break;
      case 4:
        if (tensor.dims_size() > 0) tensor.set_dims(at(tensor.dims_size()), extreme());
        break;
      case 5:
        tensor.add_dims(extreme());
        break;
      case 6:
        tensor.set_data_type(at(32));
        break;
      case 7:
        if (tensor.external_data_size() > 0) {
          const std::vector<std::string> values = {"-1", "8", "18446744073709551615", "../weights.bin", "", "1e3"};
          tensor.mutable_external_data(at(tensor.external_data_size()))->set_value(values[below(values.size())]);
        } else {
          tensor.set_data_location(proto::TensorProto::EXTERNAL);
        }
        break;
      case 8:
        node.set_op_type(one_of(nodes_)->op_type());
        break;
      case 9:
        if (node.attribute_size() > 0) change(*node.mutable_attribute(at(node.attribute_size())));
        break;
      case 10:
        node.clear_input();
        break;
      case 11: {
        const proto::NodeProto copy = node;
        *graph.add_node() = copy;
        nodes_.assign(1, graph.mutable_node(0));  // the others may have moved
        break;
      }
      case 12:
        model.mutable_opset_import(0)->set_version(extreme() % 32);
        break;
      default:
        graph.mutable_input(at(graph.input_size()))
            ->mutable_type()
            ->mutable_tensor_type()
            ->mutable_shape()
            ->add_dim()
            ->set_dim_value(extreme());
    }
  }

  void change(proto::AttributeProto& attribute) {
    attribute.set_i(extreme());
    for (auto& number : *attribute.mutable_ints()) number = extreme();
    if (below(4) == 0) attribute.add_ints(extreme());
    if (below(4) == 0) attribute.clear_ints();
    if (below(4) == 0) attribute.clear_t();
    if (below(4) == 0) attribute.clear_name();
  }

  int at(int size) { return static_cast<int>(below(static_cast<std::size_t>(size))); }

  std::mt19937 random_;
  std::vector<proto::NodeProto*> nodes_;
  std::vector<proto::TensorProto*> tensors_;
  std::vector<std::string> names_;
};

// True for a model that can be used.
bool survives(const Folder& folder, const std::string& bytes, std::size_t limit) {
  for (const char* name : {"model.onnx", "saved.onnx", "saved.onnx.data", "base.onnx", "base.onnx.data"})
    fs::remove(folder / name);  // replacing a file may take long
  write(folder / "model.onnx", bytes);
  try {
    onnx::Network network = onnx::read_network(folder / "model.onnx");
    onnx::save_network(network, folder / "saved.onnx", limit);
    onnx::normalize(network);
    const Graph graph = onnx::read_graph(network);
    for (const Placement placement : {Placement::kLean, Placement::kReference}) {
      QuantizeOptions options;
      options.placement = placement;
      try {
        place_and_explain(graph, options);
      } catch (const Error&) {
      }
    }
    onnx::save_network(network, folder / "base.onnx", limit);
  } catch (const Error&) {
    return false;
  }
  // What was read and written is a model.
  onnx::read_network(folder / "saved.onnx");
  onnx::read_network(folder / "base.onnx");
  return true;
}

TEST(DamagedModel, IsReadAndWrittenOrRefused) {
  const Folder folder;
  const std::vector<proto::ModelProto> models = {varied_model(), scattered_model(), model_with_file(folder)};
  Damage damage(1);
  int survivors = 0;
  for (int round = 0; round < 1000; ++round) {
    proto::ModelProto model = models[damage.below(models.size())];
    const bool in_structure = round % 2 == 0;
    if (in_structure) damage.to_model(model);
    std::string bytes = model.SerializeAsString();
    if (!in_structure) damage.to_bytes(bytes);
    SCOPED_TRACE(round);
    const std::size_t limit = round % 3 == 0 ? kTooLittle : onnx::kMessageLimit;
    EXPECT_NO_THROW(survivors += survives(folder, bytes, limit) ? 1 : 0);
  }
  EXPECT_GT(survivors, 200);
  EXPECT_LT(survivors, 800);
  for (const auto& model : models) EXPECT_TRUE(survives(folder, model.SerializeAsString(), kTooLittle));
}

}  // namespace
}  // namespace tightrope
