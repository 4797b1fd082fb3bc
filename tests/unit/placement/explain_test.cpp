// SPDX-License-Identifier: Apache-2.0
#include "placement/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/plan_text.h"

namespace tightrope {
namespace {

using test::GraphBuilder;
using test::ignoring;
using testing::HasSubstr;

QuantizeOptions reference() {
  QuantizeOptions options;
  options.placement = Placement::kReference;
  return options;
}

Decision decision(const GraphBuilder& net, const std::string& name, const QuantizeOptions& options = {}) {
  return place_and_explain(net.graph, options).decisions.at(static_cast<std::size_t>(net.graph.find(name)));
}

// "rule: sentences", in capitals where it runs in 8 bits.
std::string explained(const GraphBuilder& net, const std::string& name, const QuantizeOptions& options = {}) {
  const Decision found = decision(net, name, options);
  return (found.in_int8 ? "INT8 " : "") + found.rule + ": " + found.why;
}

// What runs in 8 bits.

TEST(Explain, SaysWhereTheQuantizersOfAnOperationSit) {
  GraphBuilder net;
  net.result(net.conv("conv2", net.relu("relu", net.conv("conv1", net.input("x")))));
  EXPECT_EQ(explained(net, "conv1"),
            "INT8 faster in 8 bits: Runs in 8 bits. An activation is quantized where 'x' (Parameter) gives it: 8 bits, "
            "symmetric, per tensor; that is an input of the model. Its weight at input 1 is quantized: 8 bits, "
            "symmetric, per channel.");
  EXPECT_THAT(decision(net, "conv2").why, HasSubstr("where 'relu' (Relu) gives it: 8 bits, symmetric, per tensor; not "
                                                    "further up, because Relu changes values."));
}

TEST(Explain, NamesTheRuleOfAResidual) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.sum("sum", x, net.conv("conv", x)));
  EXPECT_EQ(decision(net, "sum").rule, "fuses with a convolution");
  EXPECT_THAT(decision(net, "sum").why, HasSubstr("where 'relu' (Relu) gives it"));
}

TEST(Explain, NamesTheRuleOfATable) {
  GraphBuilder net;
  net.result(net.matmul("fc", net.embedding("rows", net.input("ids", ElementType::kI64))));
  EXPECT_EQ(explained(net, "rows"),
            "INT8 smaller in 8 bits: Runs in 8 bits. Its weight at input 0 is quantized: 8 bits, symmetric, per "
            "channel.");
  EXPECT_THAT(decision(net, "fc").why, HasSubstr("where 'rows' (Gather) gives it: 8 bits, symmetric, per tensor; that "
                                                 "is a row of its table."));
  EXPECT_THAT(decision(net, "fc", reference()).why,
              HasSubstr("The table of 'rows' (Gather) at input 0 is quantized: 8 bits, symmetric, per tensor."));
}

TEST(Explain, NamesTheRuleOfAnOutput) {
  GraphBuilder net;
  net.result(net.conv("conv", net.input("x")));
  QuantizeOptions options;
  options.quantize_outputs = true;
  EXPECT_EQ(
      explained(net, "conv/result", options),
      "INT8 quantized outputs: Is returned in 8 bits. An activation is quantized where 'conv' (Convolution) gives "
      "it: 8 bits, symmetric, per tensor; not further up, because Convolution changes values.");
}

TEST(Explain, NamesTheDeviceTableInReferencePlacement) {
  GraphBuilder net;
  net.result(net.other("mean", "ReduceMean", net.relu("relu", net.input("x"))));
  EXPECT_EQ(decision(net, "mean", reference()).rule, "device table");
}

// Why a quantizer went no further up.

TEST(Explain, NamesTheOperationThatReadsTheTensorInFloatingPoint) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", x));
  net.result(net.other("softmax", "Softmax", x));
  EXPECT_THAT(decision(net, "conv").why,
              HasSubstr("at input 0 of the operation itself: 8 bits, symmetric, per tensor; not further up, because "
                        "'softmax' (Softmax) reads the same tensor in floating point."));
}

TEST(Explain, NamesTheOperationThatReadsAnotherOutputInFloatingPoint) {
  GraphBuilder net;
  const ValueId split = net.move("split", "Split", net.relu("relu", net.input("x")), {}, 2);
  net.result(net.conv("conv", net.outputs_of(split)[0]));
  net.result(net.other("softmax", "Softmax", net.outputs_of(split)[1]));
  EXPECT_THAT(decision(net, "conv").why,
              HasSubstr("where 'split' (Split) gives it: 8 bits, symmetric, per tensor; not further up, because "
                        "'softmax' (Softmax) reads another output of Split in floating point."));
  EXPECT_THAT(decision(net, "conv", reference()).why,
              HasSubstr("at input 0 of the operation itself: 8 bits, symmetric, per tensor; not further up, because "
                        "'softmax' (Softmax) reads another output of Split in floating point."));
}

TEST(Explain, NamesTheDataMoverThatAQuantizerSitsAt) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", net.move("pool", "MaxPool", x)));
  net.result(net.other("softmax", "Softmax", x));
  EXPECT_THAT(decision(net, "conv").why, HasSubstr("at input 0 of 'pool' (MaxPool): "));
}

TEST(Explain, SaysWhereReadersDoNotAgree) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", x));
  net.result(net.attention("attention", x, net.input("k"), net.input("v")));
  QuantizeOptions options;
  options.preset = Preset::kMixed;
  EXPECT_THAT(decision(net, "conv", options).why,
              HasSubstr("because the readers of what 'relu' (Relu) gives agree on no configuration."));
  options.propagation_rule = PropagationRule::kDoNotMergeBranches;
  EXPECT_THAT(decision(net, "conv", options).why,
              HasSubstr("because the readers of what 'relu' (Relu) gives keep quantizers of their own under the "
                        "propagation rule."));
}

TEST(Explain, SaysWhereAConcatenationAlsoTakesInConstants) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.input("x"));
  net.result(net.conv("conv", net.concat("concat", {x, net.constant("c")})));
  EXPECT_THAT(decision(net, "conv").why,
              HasSubstr("because not all that 'concat' (Concat) takes in is data in floating point."));
}

TEST(Explain, SaysWhyAQuantizerCannotPassADataMover) {
  GraphBuilder net;
  net.result(net.matmul("fc", net.move("squeeze", "Squeeze", net.relu("relu", net.input("x")))));
  EXPECT_THAT(decision(net, "fc", ignoring({"squeeze"})).why,
              HasSubstr("not further up, because Squeeze is in the ignored scope."));
  QuantizeOptions options;
  options.model_type = ModelType::kTransformer;
  EXPECT_THAT(decision(net, "fc", options).why,
              HasSubstr("not further up, because Squeeze stays in floating point in transformers."));
}

TEST(Explain, SaysWhereADataMoverIsPartOfAnIgnoredPattern) {
  GraphBuilder net;
  const ValueId x = net.relu("relu", net.bias("bias", net.conv("conv", net.input("x"))));
  const ValueId scaled = net.eltwise("scaled", "Multiply", net.move("unsqueeze", "Unsqueeze", x));
  net.result(net.conv("last", net.move("squeeze", "Squeeze", net.bias("shift", scaled))));
  EXPECT_THAT(decision(net, "last", reference()).why,
              HasSubstr("not further up, because Squeeze is part of the pattern fc_bn_hswish_activation, which loses "
                        "accuracy in 8 bits."));
}

TEST(Explain, NamesAStateOfTheModel) {
  GraphBuilder net;
  net.result(net.conv("conv", net.add("state", "ReadValue", OpKind::kState, {})));
  EXPECT_THAT(decision(net, "conv").why, HasSubstr("where 'state' (ReadValue) gives it: 8 bits, symmetric, per tensor; "
                                                   "that is a state of the model."));
}

TEST(Explain, NamesWhatMakesTheTensorWhereEachEdgeHasAQuantizer) {
  GraphBuilder net;
  const ValueId split = net.other("best", "TopK", net.relu("relu", net.input("x")));
  net.result(net.conv("conv2", net.another_output(split)));
  net.result(net.conv("conv1", split));
  EXPECT_THAT(decision(net, "conv1", reference()).why,
              HasSubstr("at input 0 of the operation itself: 8 bits, symmetric, per tensor; not further up, because "
                        "TopK changes values."));
}

// What stays in floating point.

TEST(Explain, NamesTheIgnoredScope) {
  GraphBuilder net;
  net.result(net.conv("conv", net.input("x")));
  EXPECT_EQ(explained(net, "conv", ignoring({"conv"})), "ignored scope: Convolution is in the ignored scope.");
}

TEST(Explain, NamesAnIgnoredPattern) {
  GraphBuilder net;
  const ValueId x = net.conv("conv", net.input("x"));
  net.result(net.other("not", "LogicalNot", net.eltwise("equal", "Equal", x)));
  EXPECT_EQ(
      explained(net, "equal"),
      "ignored pattern equal_logicalnot: Equal is part of the pattern equal_logicalnot, which loses accuracy in 8 "
      "bits.");
}

TEST(Explain, NamesTheModelType) {
  GraphBuilder net;
  net.result(net.other("mean", "ReduceMean", net.conv("conv", net.input("x"))));
  QuantizeOptions options;
  options.model_type = ModelType::kTransformer;
  EXPECT_EQ(explained(net, "mean", options), "model type: ReduceMean stays in floating point in transformers.");
}

TEST(Explain, NamesTheSelectionOfPostProcessing) {
  GraphBuilder net;
  const ValueId scores = net.other("scores", "Softmax", net.conv("conv", net.input("x")));
  net.result(net.other("best", "TopK", scores));
  EXPECT_EQ(
      explained(net, "scores"),
      "post-processing: Softmax is post-processing: no weights lie between it and an output on a path with 'best' "
      "(TopK).");
}

TEST(Explain, NamesTheFirstOfFusedOperations) {
  GraphBuilder net;
  net.result(net.relu("relu", net.bias("bias", net.conv("conv", net.input("x")))));
  for (const QuantizeOptions& options : {QuantizeOptions(), reference()}) {
    EXPECT_EQ(explained(net, "bias", options),
              "fused: It runs as part of 'conv' (Convolution), pattern linear_arithmetic_activations.");
  }
}

TEST(Explain, TellsDataMoversFromOperationsWithoutAKernel) {
  GraphBuilder net;
  net.result(net.other("tanh", "Tanh", net.move("pool", "MaxPool", net.conv("conv", net.input("x")))));
  EXPECT_EQ(explained(net, "pool"),
            "moves data: It only moves data: quantizers pass through it, and it runs in 8 bits where its input is in 8 "
            "bits.");
  EXPECT_EQ(explained(net, "tanh"), "no kernel: Tanh has no 8-bit kernel.");
}

TEST(Explain, TellsInputsOutputsConstantsAndShapes) {
  GraphBuilder net;
  const ValueId x = net.input("x");
  net.result(net.conv("conv", x));
  net.result(net.other("double", "Convert", net.shape_of("shape", x), ElementType::kI64));
  EXPECT_EQ(explained(net, "x"), "input: It is an input of the model.");
  EXPECT_EQ(explained(net, "conv/result"), "output: It is an output of the model.");
  EXPECT_EQ(explained(net, "conv/w"), "constant: It is a constant.");
  EXPECT_EQ(explained(net, "shape"), "shapes: It computes a shape.");
  EXPECT_EQ(explained(net, "double"), "no data: No data reach it: it computes constants or shapes.");
}

TEST(Explain, SaysWhereOperandsCarryNoFloatingPointData) {
  GraphBuilder net;
  const ValueId ids = net.input("ids", ElementType::kI64);
  net.result(net.eltwise("less", "Less", ids, ids));
  net.result(net.attention("attention", ids, ids, net.input("v")));
  for (const char* name : {"less", "attention"}) {
    EXPECT_EQ(explained(net, name, reference()),
              "no data: No input that could be quantized carries floating-point data of known rank.");
  }
}

TEST(Explain, SaysWhyAnElementwiseOperationIsLeftAlone) {
  GraphBuilder net;
  net.result(net.other("exp", "Exp", net.eltwise("scaled", "Multiply", net.other("tanh", "Tanh", net.input("x")))));
  EXPECT_EQ(explained(net, "scaled", reference()),
            "lonely elementwise: Only one of its operands can be quantized, and for this operation alone: it gains "
            "nothing from 8 bits.");
}

TEST(Explain, NamesTheAdditionThatTakesAnOperandAsItIs) {
  GraphBuilder net;
  QuantizeOptions options = reference();
  options.target_device = TargetDevice::kCpuSpr;
  const ValueId a = net.relu("a", net.conv("conv a", net.input("in")));
  const ValueId b = net.relu("b", net.conv("conv b", net.input("in2")));
  net.result(net.sum("ab", a, b));
  net.result(net.other("mean", "ReduceMean", a));
  net.result(net.other("mean2", "ReduceMean", b));
  EXPECT_EQ(explained(net, "mean2", options),
            "dropped: 'ab' (Add) reads the same tensor: on CPU_SPR an addition takes one operand as the operation in "
            "front gives it, in floating point.");
  EXPECT_EQ(decision(net, "mean", options).rule, "device table");
}

TEST(Explain, TellsWhatLeanPlacementLeavesAlone) {
  GraphBuilder net;
  const ValueId x = net.input("x");
  const ValueId dynamic = net.add("dynamic", "Convolution", OpKind::kConvolution, {x, net.input("w")});
  const ValueId product = net.matmul("product", x, net.input("ids", ElementType::kI64));
  net.result(net.other("mean", "ReduceMean", net.sum("sum", dynamic, product)));
  EXPECT_EQ(explained(net, "dynamic"), "weight: Its weight is no floating-point constant.");
  EXPECT_EQ(explained(net, "product"),
            "operand: Not both of its operands are floating-point data of known rank or constants.");
  EXPECT_EQ(explained(net, "mean"),
            "lean: ReduceMean runs no faster in 8 bits by itself, and a quantizer would cost accuracy.");
}

}  // namespace
}  // namespace tightrope
