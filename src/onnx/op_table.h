// SPDX-License-Identifier: Apache-2.0
// What quantization needs to know of ONNX's operators: one row per type of the default domain, whatever its version.
#pragma once

#include <string_view>

#include "base/op_row.h"

namespace tightrope::onnx {

// Operators without a row, and all of other domains, are opaque. What depends on attributes is in read_graph.cpp:
// groups of convolutions, axes of matrix products, embeddings. Parameter and Result stand for inputs and outputs of the
// graph.
inline constexpr OpRow kOpTable[] = {
    {"Parameter", OpKind::kParameter},
    {"Result", OpKind::kResult},
    {"Constant", OpKind::kConstant},
    {"Shape", OpKind::kShapeOf},

    {"QuantizeLinear", OpKind::kQuantizer},
    {"DequantizeLinear", OpKind::kQuantizer},
    {"DynamicQuantizeLinear", OpKind::kQuantizer},
    {"QLinearConv", OpKind::kQuantizer},
    {"QLinearMatMul", OpKind::kQuantizer},
    {"ConvInteger", OpKind::kQuantizer},
    {"MatMulInteger", OpKind::kQuantizer},

    {"Conv", OpKind::kConvolution, Trait::kComputes, DeviceOp::kConvolution, kIsLinear, {1, 1}, {0, kNone}},
    {"ConvTranspose",
     OpKind::kTransposedConvolution,
     Trait::kComputes,
     DeviceOp::kConvolution,
     kIsLinear,
     {1, 1},
     {1, kNone}},
    {"Gemm", OpKind::kMatMul, Trait::kComputes, DeviceOp::kMatMul, kIsLinear, {0, 1}, {kNone, kNone}, -1},
    {"MatMul", OpKind::kMatMul, Trait::kComputes, DeviceOp::kMatMul, kIsLinear, {0, 1}, {kNone, kNone}, -1},
    {"DeformConv", OpKind::kOther, Trait::kComputes, DeviceOp::kUnlisted, kIsLinear},
    {"Attention", OpKind::kAttention, Trait::kComputes, DeviceOp::kAttention},

    {"Add", OpKind::kAdd, Trait::kComputes, DeviceOp::kArithmetic, kIsArithmetic | kIsElementwise | kIsFragile},
    {"Sum", OpKind::kAdd, Trait::kComputes, DeviceOp::kArithmetic, kIsArithmetic | kIsElementwise | kIsFragile},
    {"Sub", OpKind::kOther, Trait::kComputes, DeviceOp::kArithmetic, kIsArithmetic | kIsElementwise | kIsFragile},
    {"Mul", OpKind::kOther, Trait::kComputes, DeviceOp::kArithmetic, kIsArithmetic | kIsElementwise | kIsFragile},
    {"Div", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsArithmetic | kIsElementwise | kIsFragile},
    {"Max", OpKind::kOther, Trait::kComputes, DeviceOp::kArithmetic, kIsElementwise | kIsFragile},
    {"Min", OpKind::kOther, Trait::kComputes, DeviceOp::kArithmetic, kIsElementwise},
    {"Mod", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise},
    {"Less", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise | kIsFragile},
    {"LessOrEqual", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise},
    {"Greater", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise | kIsFragile},
    {"GreaterOrEqual", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise},
    {"Equal", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise | kIsFragile},
    {"And", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise},
    {"Or", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise},
    {"Xor", OpKind::kOther, Trait::kComputes, DeviceOp::kComparison, kIsElementwise},
    {"Not", OpKind::kOther, Trait::kComputes, DeviceOp::kLogicalNot, kIsElementwise},
    {"Mean", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsElementwise},

    {"AveragePool", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile | kIsAverage},
    {"GlobalAveragePool", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile | kIsAverage},
    {"ReduceMean", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile | kIsAverage},
    {"ReduceSum", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile},
    {"ReduceL2", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile},
    {"Pow", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile},
    {"Sqrt", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile},
    {"Reciprocal", OpKind::kOther, Trait::kComputes, DeviceOp::kMath, kIsFragile},
    {"Resize", OpKind::kOther, Trait::kComputes, DeviceOp::kInterpolate},
    {"BatchNormalization", OpKind::kOther, Trait::kComputes, DeviceOp::kUnlisted, kIsFragile},
    {"HardSigmoid", OpKind::kOther, Trait::kComputes, DeviceOp::kUnlisted, kIsActivation},

    {"Relu", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"Clip", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"LeakyRelu", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"ThresholdedRelu", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"Elu", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"PRelu", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"Sigmoid", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"HardSwish", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"Selu", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsActivation},
    {"TopK", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsSelector},
    {"NonMaxSuppression", OpKind::kOther, Trait::kOpaque, DeviceOp::kUnquantized, kIsSelector},

    {"Concat", OpKind::kConcat, Trait::kJoins, DeviceOp::kConcat},
    {"CastLike", OpKind::kOther, Trait::kMovesData},
    {"CenterCropPad", OpKind::kOther, Trait::kMovesData},
    {"DepthToSpace", OpKind::kOther, Trait::kMovesData},
    {"Dropout", OpKind::kOther, Trait::kMovesData},
    {"Expand", OpKind::kOther, Trait::kMovesData},
    {"Flatten", OpKind::kOther, Trait::kMovesData},
    {"Gather", OpKind::kOther, Trait::kMovesData},
    {"GatherElements", OpKind::kOther, Trait::kMovesData},
    {"GatherND", OpKind::kOther, Trait::kMovesData},
    {"GlobalMaxPool", OpKind::kOther, Trait::kMovesData},
    {"Identity", OpKind::kOther, Trait::kMovesData},
    {"MaxPool", OpKind::kOther, Trait::kMovesData},
    {"Pad", OpKind::kOther, Trait::kMovesData},
    {"ReduceMax", OpKind::kOther, Trait::kMovesData},
    {"Reshape", OpKind::kOther, Trait::kMovesData},
    {"Scatter", OpKind::kOther, Trait::kMovesData},
    {"ScatterElements", OpKind::kOther, Trait::kMovesData},
    {"ScatterND", OpKind::kOther, Trait::kMovesData},
    {"Slice", OpKind::kOther, Trait::kMovesData},
    {"SpaceToDepth", OpKind::kOther, Trait::kMovesData},
    {"Split", OpKind::kOther, Trait::kMovesData},
    {"Squeeze", OpKind::kOther, Trait::kMovesData, DeviceOp::kUnquantized, kIsFragile},
    {"Tile", OpKind::kOther, Trait::kMovesData},
    {"Transpose", OpKind::kOther, Trait::kMovesData},
    {"Unsqueeze", OpKind::kOther, Trait::kMovesData},
};

constexpr OpRow find_row(std::string_view type) { return tightrope::find_row(kOpTable, type); }

}  // namespace tightrope::onnx
