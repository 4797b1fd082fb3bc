// SPDX-License-Identifier: Apache-2.0
// What quantization needs to know of OpenVINO's operations: one row per type.
#pragma once

#include <array>
#include <string_view>

#include "tightrope/graph.h"

namespace tightrope::openvino {

struct OpRow {
  std::string_view type;
  OpKind kind = OpKind::kOther;
  Trait trait = Trait::kOpaque;
  int weight_port = kNone;                           // the input that is a weight where it is constant
  std::array<int, 2> channel_axes = {kNone, kNone};  // of the weight; kNone fills up
  int channel_axis = 1;                              // of the output
};

// Types without a row are opaque. MatMul's weight port and axes depend on its attributes: see read_graph.cpp.
inline constexpr OpRow kOpTable[] = {
    {"Parameter", OpKind::kParameter},
    {"Result", OpKind::kResult},
    {"Constant", OpKind::kConstant},
    {"FakeQuantize", OpKind::kQuantizer},
    {"FakeConvert", OpKind::kQuantizer},
    {"Convolution", OpKind::kConvolution, Trait::kOpaque, 1, {0, kNone}},
    {"GroupConvolution", OpKind::kGroupConvolution, Trait::kOpaque, 1, {0, 1}},  // or depthwise: see read_graph.cpp
    {"ConvolutionBackpropData", OpKind::kTransposedConvolution, Trait::kOpaque, 1, {1, kNone}},
    {"GroupConvolutionBackpropData", OpKind::kGroupTransposedConvolution, Trait::kOpaque, 1, {0, 2}},
    {"MatMul", OpKind::kMatMul, Trait::kOpaque, kNone, {kNone, kNone}, -1},
    {"Add", OpKind::kAdd},
    {"Concat", OpKind::kConcat, Trait::kJoins},
    {"ShapeOf", OpKind::kShapeOf},
    {"AdaptiveMaxPool", OpKind::kOther, Trait::kMovesData},
    {"BatchToSpace", OpKind::kOther, Trait::kMovesData},
    {"Broadcast", OpKind::kOther, Trait::kMovesData},
    {"DepthToSpace", OpKind::kOther, Trait::kMovesData},
    {"Gather", OpKind::kOther, Trait::kMovesData},
    {"GatherElements", OpKind::kOther, Trait::kMovesData},
    {"GatherND", OpKind::kOther, Trait::kMovesData},
    {"MaxPool", OpKind::kOther, Trait::kMovesData},
    {"Pad", OpKind::kOther, Trait::kMovesData},
    {"ReduceMax", OpKind::kOther, Trait::kMovesData},
    {"Reshape", OpKind::kOther, Trait::kMovesData},
    {"ShuffleChannels", OpKind::kOther, Trait::kMovesData},
    {"SpaceToBatch", OpKind::kOther, Trait::kMovesData},
    {"SpaceToDepth", OpKind::kOther, Trait::kMovesData},
    {"Split", OpKind::kOther, Trait::kMovesData},
    {"Squeeze", OpKind::kOther, Trait::kMovesData},
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
