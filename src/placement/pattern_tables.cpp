// SPDX-License-Identifier: Apache-2.0
#include "placement/patterns.h"

namespace tightrope {
namespace {

constexpr std::uint8_t kNotOnSpr = kOnCpu | kOnGpu | kOnNpu;
constexpr std::uint8_t kOnCpuAndGpu = kOnCpu | kOnGpu;

// Between equally large matches the earlier row wins.
constexpr PatternRow kFusedInOpenVino[] = {
    {"add_scale_shift_output", "Add > Multiply > Add > Result"},
    {"batch_index", "Subtract > Multiply > Multiply > Add > Unsqueeze > Concat > Concat > Reshape > Convolution"},
    {"mvn_scale_shift", "MVN > Multiply > Add"},
    {"mvn_scale_shift_activations", "MVN > Multiply > Add > ACTIVATION"},
    {"normalize_l2_multiply", "NormalizeL2 > Multiply"},
    {"linear_with_bias", "LINEAR > Add"},
    {"scale_shift", "Multiply > Add"},
    {"scale_shift_activations", "Multiply > Add > ACTIVATION"},
    {"shift_scale", "Add|Subtract > Multiply|Divide"},
    {"softmax_div", "e:Exp > ReduceSum > d:Divide; e > d"},
    {"softmax", "e:Exp > ReduceSum > Power > m:Multiply; e > m"},
    {"hswish_activation", "LINEAR > a:Add > Add > Clamp > m:Multiply > Multiply; a > m"},
    {"hswish_activation_without_denominator", "LINEAR > a:Add > Add > Clamp > m:Multiply; a > m"},
    {"hswish_activation_v2", "x:Add|Multiply|ReduceMean|Squeeze > Add > Clamp > Multiply > m:Multiply; x > m"},
    {"swish_with_hard_sigmoid", "LINEAR > a:Add > HardSigmoid > m:Multiply; a > m"},
    {"input_processing", "Parameter > Subtract|Multiply|Add"},
    {"input_scale_shift", "Parameter > Multiply > Add"},
    {"input_shift_scale", "Parameter > Add|Subtract > Multiply|Divide"},
    {"input_reverse_add", "Parameter > Split > Concat > Add"},
    {"input_reverse_scale_shift", "Parameter > Split > Concat > Multiply > Add"},
    {"input_transpose_processing", "Parameter > Transpose > Add|Multiply|Subtract"},
    {"input_transpose_reverse_add", "Parameter > Transpose > Split > Concat > Add"},
    {"input_transpose_scale_shift", "Parameter > Transpose > Multiply > Add"},
    {"input_convert_transpose_processing", "Parameter > Convert > Transpose > Add|Multiply|Subtract"},
    {"input_convert_transpose_reverse_add", "Parameter > Convert > Transpose > Split > Concat > Add"},
    {"input_convert_transpose_scale_shift", "Parameter > Convert > Transpose > Multiply > Add"},
    {"input_convert_transpose_reverse_scale_shift",
     "Parameter > Convert > Transpose > Split > Concat > Multiply > Add"},
    {"activations_batch_norm", "ACTIVATION > BatchNormInference"},
    {"batch_norm_activations", "BatchNormInference > ACTIVATION"},
    {"arithmetic_activations", "ARITHMETIC > ACTIVATION"},
    {"arithmetic_activations_arithmetic", "ARITHMETIC > ACTIVATION > ARITHMETIC"},
    {"linear_activations", "LINEAR > ACTIVATION"},
    {"linear_arithmetic", "LINEAR > ARITHMETIC"},
    {"linear_arithmetic_twice", "LINEAR => ARITHMETIC"},
    {"linear_arithmetic_activations", "LINEAR > ARITHMETIC > ACTIVATION"},
    {"linear_arithmetic_activations_arithmetic", "LINEAR > ARITHMETIC > ACTIVATION > ARITHMETIC"},
    {"linear_shift_scale", "LINEAR > Add|Subtract > Multiply|Divide"},
    {"linear_squeeze_activations", "LINEAR > Squeeze > ACTIVATION"},
    {"linear_squeeze_arithmetic_activations", "LINEAR > Squeeze > ARITHMETIC > ACTIVATION"},
    {"linear_activations_unsqueeze_bn_squeeze", "LINEAR > Add > ACTIVATION > Unsqueeze > Multiply > Add > Squeeze"},
    {"linear_batch_to_space_scale_shift_activations", "LINEAR > BatchToSpace > Multiply > Add > ACTIVATION"},
    {"linear_batch_to_space_arithmetic_activations", "LINEAR > BatchToSpace > ARITHMETIC > ACTIVATION"},
    {"hswish_activation_clamp_multiply", "Clamp > Multiply", kNotOnSpr},
    {"linear_scale_shift", "LINEAR > Multiply > Add", kOnCpuAndGpu},
    {"linear_biased_scale_shift", "LINEAR > Add > Multiply > Add", kOnCpuAndGpu},
    {"linear_activation_scale_shift", "LINEAR > ACTIVATION > Multiply > Add", kOnCpuAndGpu},
    {"linear_biased_activation_scale_shift", "LINEAR > Add > ACTIVATION > Multiply > Add", kOnCpuAndGpu},
    {"linear_elementwise", "LINEAR > ELEMENTWISE", kOnCpuAndGpu},
    {"linear_biased_elementwise", "LINEAR > Add > ELEMENTWISE", kOnCpuAndGpu},
    {"linear_activation_elementwise", "LINEAR > ACTIVATION > ELEMENTWISE", kOnCpuAndGpu},
    {"linear_biased_activation_elementwise", "LINEAR > Add > ACTIVATION > ELEMENTWISE", kOnCpuAndGpu},
};

constexpr PatternRow kIgnoredInOpenVino[] = {
    {"multihead_attention_output", "Softmax > m:MatMul; ReadValue|Reshape|Transpose|Split|Gather|Squeeze|Concat > m",
     kNotOnSpr, true},
    {"multihead_attention_output",
     "Softmax > Reshape > m:MatMul; ReadValue|Reshape|Transpose|Split|Gather|Squeeze|Concat > m", kNotOnSpr, true},
    {"rope", "MatMul > Transpose => c:Concat > Cos; c > Sin", kEverywhere, true},
    {"rope", "MatMul => c:Concat > Cos; c > Sin", kEverywhere, true},
    {"rope", "MatMul > t:Transpose > Cos; t > Sin", kEverywhere, true},
    {"sam_pe", "MatMul > m:Multiply > Cos > c:Concat; m > Sin > c", kEverywhere, true},
    {"se_block",
     "g:-ReduceMean > LINEAR > Add > Relu|PRelu|Swish > LINEAR > Add > Sigmoid|HSigmoid > m:-Multiply; x:* > g; x > m"},
    {"fc_bn_hswish_activation", "Unsqueeze > Multiply > Add > Squeeze"},
    {"equal_logicalnot", "Equal > LogicalNot"},
};

}  // namespace

std::span<const PatternRow> fused_patterns(Vocabulary vocabulary) {
  return vocabulary == Vocabulary::kOpenVino ? std::span<const PatternRow>(kFusedInOpenVino) : fused_patterns_of_onnx();
}

std::span<const PatternRow> ignored_patterns(Vocabulary vocabulary) {
  return vocabulary == Vocabulary::kOpenVino ? std::span<const PatternRow>(kIgnoredInOpenVino)
                                             : ignored_patterns_of_onnx();
}

}  // namespace tightrope
