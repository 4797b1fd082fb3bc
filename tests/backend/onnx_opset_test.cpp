// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/onnx_networks.h"
#include "support/builders.h"
#include "tightrope/error.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

using test::LogCapture;
using test::OnnxBuilder;
using test::set;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

// The node that gives "y", carried over to operator set 13.
class Raised {
 public:
  Raised(std::int64_t opset, const std::function<void(OnnxBuilder&)>& add, const Shape& x = {1, 4, 8, 8}) {
    OnnxBuilder net(opset);
    net.input("x", x).output("y");
    add(net);
    base_ = net.base();
    EXPECT_EQ(onnx::opset_of(base_.model), 13) << log.text(LogLevel::kWarning);
  }

  const onnx::proto::NodeProto& node() const { return base_.model.graph().node(base_.model.graph().node_size() - 1); }
  std::vector<float> operand(int port) const {
    return node().input(port).empty() ? std::vector<float>{-99} : base_.constants.at(node().input(port)).to_floats();
  }
  int attributes() const { return node().attribute_size(); }
  LogCapture log;

 private:
  onnx::Network base_;
};

using Ints = std::vector<std::int64_t>;

TEST(RaiseOpset, MovesAttributesToInputs) {
  const Raised squeeze(11, [](auto& net) { set(net.node("Squeeze", {"x"}, {"y"}), "axes", Ints{0}); });
  EXPECT_THAT(squeeze.operand(1), ElementsAre(0));
  const Raised unsqueeze(7, [](auto& net) { set(net.node("Unsqueeze", {"x"}, {"y"}), "axes", Ints{0, 2}); });
  EXPECT_THAT(unsqueeze.operand(1), ElementsAre(0, 2));
  const Raised sum(12, [](auto& net) { set(net.node("ReduceSum", {"x"}, {"y"}), "axes", Ints{2, 3}); });
  EXPECT_THAT(sum.operand(1), ElementsAre(2, 3));
  const Raised split(11, [](auto& net) { set(net.node("Split", {"x"}, {"y", "z"}), "split", Ints{1, 3}); });
  EXPECT_THAT(split.operand(1), ElementsAre(1, 3));
  const Raised top(9, [](auto& net) { set(net.node("TopK", {"x"}, {"y", "z"}), "k", std::int64_t{2}); });
  EXPECT_THAT(top.operand(1), ElementsAre(2));
  const Raised slice(9, [](auto& net) {
    auto& node = net.node("Slice", {"x"}, {"y"});
    set(node, "starts", Ints{1});
    set(node, "ends", Ints{-1});
    set(node, "axes", Ints{3});
  });
  EXPECT_THAT(slice.operand(1), ElementsAre(1));
  EXPECT_THAT(slice.operand(2), ElementsAre(-1));
  EXPECT_THAT(slice.operand(3), ElementsAre(3));
  for (const Raised* raised : {&squeeze, &unsqueeze, &sum, &split, &top, &slice}) EXPECT_EQ(raised->attributes(), 0);
}

TEST(RaiseOpset, GivesBoundsTheTypeOfTheData) {
  const Raised both(10, [](auto& net) {
    auto& node = net.node("Clip", {"x"}, {"y"});
    set(node, "min", 0.0F);
    set(node, "max", 6.0F);
  });
  EXPECT_THAT(both.operand(1), ElementsAre(0));
  EXPECT_THAT(both.operand(2), ElementsAre(6));
  const Raised upper(7, [](auto& net) { set(net.node("Clip", {"x"}, {"y"}), "max", 6.0F); });
  EXPECT_EQ(upper.node().input(1), "");
  EXPECT_THAT(upper.operand(2), ElementsAre(6));
  const Raised pad(7, [](auto& net) {
    auto& node = net.node("Pad", {"x"}, {"y"});
    set(node, "pads", Ints{0, 0, 1, 1, 0, 0, 1, 1});
    set(node, "value", 3.0F);
  });
  EXPECT_THAT(pad.operand(1), ElementsAre(0, 0, 1, 1, 0, 0, 1, 1));
  EXPECT_THAT(pad.operand(2), ElementsAre(3));
}

TEST(RaiseOpset, DropsWhatCountsInTrainingOnly) {
  const Raised dropout(7, [](auto& net) { set(net.node("Dropout", {"x"}, {"y"}), "ratio", 0.5F); });
  EXPECT_EQ(dropout.attributes(), 0);
  EXPECT_EQ(dropout.node().input_size(), 1);
  const Raised norm(7,
                    [](auto& net) { set(net.node("BatchNormalization", {"x"}, {"y"}), "spatial", std::int64_t{1}); });
  EXPECT_EQ(norm.attributes(), 0);
}

TEST(RaiseOpset, TurnsUpsampleIntoResize) {
  const Raised raised(9, [](auto& net) { net.weight("f", {4}, {1, 1, 2, 2}).node("Upsample", {"x", "f"}, {"y"}); });
  EXPECT_EQ(raised.node().op_type(), "Resize");
  EXPECT_EQ(raised.node().input(1), "");
  EXPECT_THAT(raised.operand(2), ElementsAre(1, 1, 2, 2));
}

TEST(RaiseOpset, KeepsSoftmaxOverOneAxis) {
  const Raised last(11, [](auto& net) { net.node("Softmax", {"x"}, {"y"}); }, {2, 10});
  EXPECT_EQ(last.node().attribute(0).i(), 1);
  const Raised flat(11, [](auto& net) { net.node("Softmax", {"x"}, {"y"}); }, {2, 10, 1, 1});
  EXPECT_EQ(flat.node().attribute(0).i(), 1);
}

// The operator set stays, and the warning says why.
void expect_obstacle(std::int64_t opset, const std::function<void(OnnxBuilder&)>& add, const std::string& why) {
  LogCapture log;
  OnnxBuilder net(opset);
  net.input("x", {1, 4, 8, 8}).output("y");
  add(net);
  const onnx::Network base = net.base();
  EXPECT_EQ(onnx::opset_of(base.model), opset);
  EXPECT_THAT(log.text(LogLevel::kWarning), HasSubstr(why));
  EXPECT_FALSE(onnx::read_graph(base).per_channel);
}

TEST(RaiseOpset, LeavesAModelAsItIsWhereAnOperatorChangedItsMeaning) {
  expect_obstacle(
      11, [](auto& net) { net.node("Softmax", {"x"}, {"y"}); },
      "node 'y' (Softmax) can't be carried over: it goes over "
      "several axes of [1,4,8,8]");
  expect_obstacle(11, [](auto& net) { net.node("Invented", {"x"}, {"y"}); }, "node 'y' (Invented) is not known");
  expect_obstacle(
      11,
      [](auto& net) {
        auto& body = *net.node("If", {"x"}, {"y"}).add_attribute();
        body.set_name("then_branch");
        body.mutable_g()->add_node()->set_op_type("Squeeze");
      },
      "(Squeeze) in the body of node 'y' (If)");
}

TEST(RaiseOpset, NeedsASetThatHasQuantizers) {
  const auto refused = [](int opset, const std::function<void(OnnxBuilder&)>& add, const char* why) {
    OnnxBuilder net(opset);
    net.input("x", {1, 4, 8, 8}).output("y");
    add(net);
    EXPECT_THAT([&] { net.base(); }, ThrowsMessage<Unsupported>(AllOf(HasSubstr("has no quantization"),
                                                                      HasSubstr("node 'y'"), HasSubstr(why))));
  };
  refused(
      9, [](auto& net) { net.weight("f", {4}, {1, 1, 0.5F, 0.5F}).node("Upsample", {"x", "f"}, {"y"}); }, "it shrinks");
  refused(
      8, [](auto& net) { set(net.node("BatchNormalization", {"x"}, {"y"}), "spatial", std::int64_t{0}); },
      "statistics");
}

TEST(RaiseOpset, LeavesOneScalePerTensorWhereItFails) {
  OnnxBuilder net(11);
  net.input("x", {1, 4, 8, 8}).weight("w", {4, 4, 1, 1}).output("y");
  net.node("Conv", {"x", "w"}, {"c"});
  net.node("Softmax", {"c"}, {"y"});
  LogCapture log;
  const Graph graph = onnx::read_graph(net.base());
  for (const Quantizer& quantizer : place(graph).quantizers) {
    EXPECT_FALSE(quantizer.config.per_channel);
    EXPECT_THAT(quantizer.channel_axes, IsEmpty());
  }
  QuantizeOptions options;
  options.weights.per_channel = true;
  EXPECT_THAT([&] { place(graph, options); }, ThrowsMessage<InvalidArgument>(HasSubstr("operator set 13")));
}

}  // namespace
}  // namespace tightrope
