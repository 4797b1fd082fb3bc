// SPDX-License-Identifier: Apache-2.0
// Which rule of shapes an operator follows.
#include <string_view>

#include "onnx/shape_rules.h"

namespace tightrope::onnx {
namespace {

struct ShapeRow {
  Found (*rule)(const NodeFacts&);
  std::string_view types;  // separated by spaces
};

constexpr ShapeRow kShapeRows[] = {
    {same,
     "Abs Acos Acosh Asin Asinh Atan Atanh BatchNormalization Bernoulli BitwiseNot Cast CastLike Ceil "
     "Celu Clip Cos Cosh CumProd CumSum DequantizeLinear Dropout Elu Erf Exp EyeLike Floor Gelu GroupNormalization "
     "HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Log "
     "LogSoftmax LpNormalization MeanVarianceNormalization Mish Neg Not PRelu QuantizeLinear RMSNormalization "
     "RandomNormalLike RandomUniformLike Reciprocal Relu ReverseSequence RotaryEmbedding Round Scatter ScatterElements "
     "ScatterND Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Swish Tan Tanh TensorScatter "
     "ThresholdedRelu Trilu"},
    {all_broadcast,
     "Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min "
     "Mod Mul Or Pow Sub Sum Where Xor"},
    {convolution, "Conv ConvInteger ConvTranspose DeformConv"},
    {pooling, "AveragePool LpPool MaxPool"},
    {global_pooling, "GlobalAveragePool GlobalLpPool GlobalMaxPool"},
    {matrix_product, "MatMul MatMulInteger"},
    {general_product, "Gemm"},
    {reshape, "Reshape"},
    {flatten, "Flatten"},
    {squeeze, "Squeeze"},
    {unsqueeze, "Unsqueeze"},
    {transpose, "Transpose"},
    {concat, "Concat"},
    {opened, "Attention CenterCropPad GridSample Tile TopK Upsample"},
    {pad, "Pad"},
    {slice, "Slice"},
    {resize, "Resize"},
    {split, "Split"},
    {gather, "Gather"},
    {gather_nd, "GatherND"},
    {like_indices, "GatherElements"},
    {expand, "Expand"},
    {reduction,
     "ArgMax ArgMin ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum "
     "ReduceSumSquare"},
    {shape_vector, "Shape"},
    {scalar, "Size"},
    {vector, "Range"},
    {filled, "ConstantOfShape"},
    {blocks, "DepthToSpace SpaceToDepth"},
    {recurrent, "GRU LSTM RNN"},
    {one_hot, "OneHot"},
};

bool holds(std::string_view types, std::string_view type) {
  while (!types.empty()) {
    const auto end = types.find(' ');
    if (types.substr(0, end) == type) return true;
    types = end == std::string_view::npos ? std::string_view() : types.substr(end + 1);
  }
  return false;
}

}  // namespace

void infer_shapes(NodeFacts& facts) {
  const std::string& type = facts.node.op_type();
  const auto* row = std::ranges::find_if(kShapeRows, [&](const ShapeRow& entry) { return holds(entry.types, type); });
  if (row == std::end(kShapeRows) || facts.outputs.empty()) return;
  const Found shape = row->rule(facts);
  if (!shape) return;
  // Results beside the first have its shape, but for statistics of normalization and states of recurrent cells.
  const bool alike = type == "Split" || type == "TopK" || type == "MaxPool" || type == "Dropout";
  facts.outputs[0].known_rank = true;
  facts.outputs[0].shape = *shape;
  for (std::size_t i = 1; i < facts.outputs.size() && alike; ++i) {
    facts.outputs[i].known_rank = true;
    facts.outputs[i].shape = *shape;
  }
  for (std::size_t i = 1; i < facts.outputs.size() && row->rule == recurrent; ++i) {
    facts.outputs[i].known_rank = true;
    facts.outputs[i].shape.assign(shape->begin() + 1, shape->end());
  }
}

}  // namespace tightrope::onnx
