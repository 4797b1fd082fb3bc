// SPDX-License-Identifier: Apache-2.0
// What quantization needs to know of OpenVINO's operations: one row per type, whatever its opset.
#pragma once

#include <array>
#include <string_view>

#include "tightrope/graph.h"

namespace tightrope::openvino {

struct OpRow {
  std::string_view type;
  OpKind kind = OpKind::kOther;
  Trait trait = Trait::kOpaque;
  DeviceOp device_op = DeviceOp::kUnquantized;
  std::uint32_t roles = 0;
  std::array<int, 2> weight_ports = {kNone, kNone};  // first and last input that is a weight where it is constant
  std::array<int, 2> channel_axes = {kNone, kNone};  // of the weight; kNone fills up
  int channel_axis = 1;                              // of the output
};

// Types without a row are opaque. What depends on attributes is in read_graph.cpp: MatMul's weights and axes, depthwise
// convolutions, embeddings.
inline constexpr OpRow kOpTable[] = {
    {"Parameter", OpKind::kParameter},
    {"Result", OpKind::kResult},
    {"Constant", OpKind::kConstant},
    {"FakeQuantize", OpKind::kQuantizer},
    {"FakeConvert", OpKind::kQuantizer},
    {"ReadValue", OpKind::kState},
    {"ShapeOf", OpKind::kShapeOf},

    {"Convolution", OpKind::kConvolution, Trait::kComputes, DeviceOp::kConvolution, kIsLinear, {1, 1}, {0, kNone}},
    {"GroupConvolution",
     OpKind::kGroupConvolution,
     Trait::kComputes,
     DeviceOp::kConvolution,
     kIsLinear,
     {1, 1},
     {0, 1}},
    {"ConvolutionBackpropData",
     OpKind::kTransposedConvolution,
     Trait::kComputes,
     DeviceOp::kConvolution,
     kIsLinear,
     {1, 1},
     {1, kNone}},
    {"GroupConvolutionBackpropData",
     OpKind::kGroupTransposedConvolution,
     Trait::kComputes,
     DeviceOp::kConvolution,
     kIsLinear,
     {1, 1},
     {0, 2}},
    {"MatMul", OpKind::kMatMul, Trait::kComputes, DeviceOp::kMatMul, kIsLinear, {0, 1}, {kNone, kNone}, -1},
    {"LSTMSequence", OpKind::kLstm, Trait::kComputes, DeviceOp::kRecurrent, 0, {1, 5}, {1, kNone}},
    {"GRUSequence", OpKind::kOther, Trait::kComputes, DeviceOp::kRecurrent, 0, {1, 4}, {1, kNone}},
    {"ScaledDotProductAttention", OpKind::kAttention, Trait::kComputes, DeviceOp::kAttention},

    {"Add", OpKind::kAdd, Trait::kComputes, DeviceOp::kArithmetic, kIsArithmetic | kIsElementwise | kIsFragile},
    {"Subtract", OpKind::kOther, Trait::kComputes, DeviceOp::kArithmetic, kIsArithmetic | kIsElementwise | kIsFragile},
    {"Multiply", OpKind::kOther, Trait::kComputes, DeviceOp::kArithmetic, kIsArithmetic | kIsElementwise | kIsFragile},
    {"Divide", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsArithmetic | kIsElementwise | kIsFragile},
    {"Maximum", OpKind::kOther, Trait::kComputes, DeviceOp::kArithmetic, kIsElementwise | kIsFragile},
    {"Minimum", OpKind::kOther, Trait::kComputes, DeviceOp::kArithmetic, kIsElementwise},
    {"FloorMod", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise},
    {"Less", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise | kIsFragile},
    {"LessEqual", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise | kIsFragile},
    {"Greater", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise | kIsFragile},
    {"GreaterEqual", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise | kIsFragile},
    {"Equal", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise | kIsFragile},
    {"NotEqual", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise | kIsFragile},
    {"LogicalAnd", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise},
    {"LogicalOr", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise},
    {"LogicalXor", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise},
    {"LogicalNot", OpKind::kOther, Trait::kComputes, DeviceOp::kLogicalNot},

    {"AvgPool", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile | kIsAverage},
    {"AdaptiveAvgPool", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsAverage},
    {"ReduceMean", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile | kIsAverage},
    {"ReduceSum", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile},
    {"ReduceL2", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile},
    {"Sqrt", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile},
    {"Power", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile},
    {"MVN", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile},
    {"GroupNormalization", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile},
    {"Interpolate", OpKind::kOther, Trait::kComputes, DeviceOp::kInterpolate},
    {"BatchNormInference", OpKind::kOther, Trait::kComputes, DeviceOp::kUnlisted, kIsFragile},
    {"NormalizeL2", OpKind::kOther, Trait::kComputes, DeviceOp::kUnlisted},
    {"SquaredDifference", OpKind::kOther, Trait::kComputes, DeviceOp::kUnlisted, kIsFragile},

    {"Relu", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"Elu", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"PRelu", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"Sigmoid", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"HSigmoid", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"HardSigmoid", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"Swish", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"HSwish", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"Selu", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"Clamp", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"DeformableConvolution", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsLinear},
    {"TopK", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsSelector},
    {"NonMaxSuppression", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsSelector},

    {"Concat", OpKind::kConcat, Trait::kJoins, DeviceOp::kConcat},
    {"AdaptiveMaxPool", OpKind::kOther, Trait::kMovesData},
    {"BatchToSpace", OpKind::kOther, Trait::kMovesData},
    {"Broadcast", OpKind::kOther, Trait::kMovesData},
    {"ConvertLike", OpKind::kOther, Trait::kMovesData},
    {"DepthToSpace", OpKind::kOther, Trait::kMovesData},
    {"Gather", OpKind::kOther, Trait::kMovesData},
    {"GatherElements", OpKind::kOther, Trait::kMovesData},
    {"GatherND", OpKind::kOther, Trait::kMovesData},
    {"MaxPool", OpKind::kOther, Trait::kMovesData},
    {"Pad", OpKind::kOther, Trait::kMovesData},
    {"ReduceMax", OpKind::kOther, Trait::kMovesData},
    {"Reshape", OpKind::kOther, Trait::kMovesData},
    {"ScatterElementsUpdate", OpKind::kOther, Trait::kMovesData},
    {"ScatterNDUpdate", OpKind::kOther, Trait::kMovesData},
    {"ScatterUpdate", OpKind::kOther, Trait::kMovesData},
    {"ShuffleChannels", OpKind::kOther, Trait::kMovesData},
    {"SpaceToBatch", OpKind::kOther, Trait::kMovesData},
    {"SpaceToDepth", OpKind::kOther, Trait::kMovesData},
    {"Split", OpKind::kOther, Trait::kMovesData},
    {"Squeeze", OpKind::kOther, Trait::kMovesData, DeviceOp::kUnquantized, kIsFragile},
    {"StridedSlice", OpKind::kOther, Trait::kMovesData},
    {"Tile", OpKind::kOther, Trait::kMovesData},
    {"Transpose", OpKind::kOther, Trait::kMovesData},
    {"Unsqueeze", OpKind::kOther, Trait::kMovesData},
    {"VariadicSplit", OpKind::kOther, Trait::kMovesData},
};

constexpr OpRow find_row(std::string_view type) {
  for (const OpRow& row : kOpTable) {
    if (row.type == type) return row;
  }
  return {type};
}

}  // namespace tightrope::openvino
