// SPDX-License-Identifier: Apache-2.0
#include "tightrope/options.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tightrope/error.h"

namespace tightrope {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename Exception, typename Function>
std::string message_of(Function&& function) {
  try {
    function();
  } catch (const Exception& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("another exception: ") + error.what();
  }
  return "no exception";
}

std::string unsupported(const std::string& json) {
  return message_of<Unsupported>([&] { quantize_options_from_json(json); });
}
std::string invalid(const std::string& json) {
  return message_of<InvalidArgument>([&] { quantize_options_from_json(json); });
}
std::string advanced(const std::string& fields) { return R"({"advanced_parameters": {)" + fields + "}}"; }

TEST(QuantizeOptions, AnEmptyObjectGivesTheDefaults) {
  const QuantizeOptions options = quantize_options_from_json("{}");
  EXPECT_FALSE(options.preset);
  EXPECT_FALSE(options.model_type);
  EXPECT_EQ(options.placement, Placement::kLean);
  EXPECT_FALSE(options.quantize_outputs);
  EXPECT_EQ(options.propagation_rule, PropagationRule::kMergeAllInOne);
  EXPECT_EQ(options.target_device, TargetDevice::kAny);
  EXPECT_EQ(options.subset_size, 300);
  EXPECT_FALSE(options.overflow_fix);
  EXPECT_TRUE(options.bias_correction);
  EXPECT_TRUE(options.ignored_scope.validate);
  EXPECT_FALSE(options.activation_range.min.aggregator);
  EXPECT_FALSE(options.weight_range.max.statistic);
  EXPECT_TRUE(options.inplace_statistics);
  EXPECT_FALSE(options.batchwise_statistics);
}

TEST(QuantizeOptions, NullMeansTheDefault) {
  const QuantizeOptions options = quantize_options_from_json(
      R"({"mode": null, "preset": null, "model_type": null, "ignored_scope": null, "advanced_parameters": null})");
  EXPECT_FALSE(options.preset);
}

TEST(QuantizeOptions, EveryDefaultOfThePythonInterfaceIsAccepted) {
  const QuantizeOptions options = quantize_options_from_json(R"({
    "mode": null, "preset": null, "target_device": "ANY", "subset_size": 300, "fast_bias_correction": true,
    "model_type": null, "placement": "lean", "ignored_scope": {"names": [], "patterns": [], "types": [], "subgraphs": [], "validate": true},
    "advanced_parameters": {
      "overflow_fix": null, "quantize_outputs": false, "inplace_statistics": true, "disable_channel_alignment": true,
      "disable_bias_correction": false, "batchwise_statistics": null, "activations_quantization_params": null,
      "weights_quantization_params": null, "quantizer_propagation_rule": "3",
      "activations_range_estimator_params": {
        "min": {"statistics_type": null, "aggregator_type": null, "clipping_value": null, "quantile_outlier_prob": 0.0001},
        "max": {"statistics_type": null, "aggregator_type": null, "clipping_value": null, "quantile_outlier_prob": 0.0001}},
      "weights_range_estimator_params": {"min": {}, "max": {}},
      "bias_correction_params": {"apply_for_all_nodes": false, "threshold": null},
      "smooth_quant_alphas": {"convolution": -1, "matmul": 0.95}, "smooth_quant_alpha": null, "backend_params": {}}})");
  EXPECT_EQ(options.subset_size, 300);
}

TEST(QuantizeOptions, ValuesOfEveryOptionThatWorksAreRead) {
  const QuantizeOptions options = quantize_options_from_json(R"({
    "preset": "mixed", "target_device": "NPU", "subset_size": 17, "fast_bias_correction": false,
    "ignored_scope": {"names": ["a", "b"], "patterns": ["c.*"], "types": ["Multiply"], "validate": false,
                      "subgraphs": [{"inputs": ["i"], "outputs": ["o", "p"]}]},
    "advanced_parameters": {"overflow_fix": "disable", "disable_bias_correction": true, "batchwise_statistics": true,
      "inplace_statistics": false, "quantizer_propagation_rule": 3, "smooth_quant_alpha": -1,
      "bias_correction_params": {"apply_for_all_nodes": true, "threshold": 2.5},
      "activations_range_estimator_params": {
        "min": {"statistics_type": "quantile", "aggregator_type": "median_no_outliers", "quantile_outlier_prob": 0.01},
        "max": {"statistics_type": "abs_max", "aggregator_type": "max", "clipping_value": 6}},
      "weights_range_estimator_params": {"min": {"statistics_type": "min", "aggregator_type": "min"},
                                         "max": {"statistics_type": "raw", "aggregator_type": "histogram"}}}})");
  EXPECT_EQ(options.preset, Preset::kMixed);
  EXPECT_EQ(options.target_device, TargetDevice::kNpu);
  EXPECT_EQ(options.subset_size, 17);
  EXPECT_THAT(options.ignored_scope.names, ElementsAre("a", "b"));
  EXPECT_THAT(options.ignored_scope.patterns, ElementsAre("c.*"));
  EXPECT_THAT(options.ignored_scope.types, ElementsAre("Multiply"));
  ASSERT_EQ(options.ignored_scope.subgraphs.size(), 1u);
  EXPECT_THAT(options.ignored_scope.subgraphs[0].outputs, ElementsAre("o", "p"));
  EXPECT_FALSE(options.ignored_scope.validate);
  EXPECT_EQ(options.overflow_fix, OverflowFix::kDisable);
  EXPECT_FALSE(options.bias_correction);
  EXPECT_FALSE(options.fast_bias_correction);
  EXPECT_TRUE(options.bias_for_all_nodes);
  EXPECT_EQ(options.bias_threshold, 2.5);
  EXPECT_TRUE(options.batchwise_statistics);
  EXPECT_FALSE(options.inplace_statistics);
  EXPECT_EQ(options.activation_range.min.statistic, Statistic::kQuantile);
  EXPECT_EQ(options.activation_range.min.aggregator, Aggregator::kMedianNoOutliers);
  EXPECT_EQ(options.activation_range.min.outlier_probability, 0.01);
  EXPECT_FALSE(options.activation_range.min.clipping_value);
  EXPECT_EQ(options.activation_range.max.statistic, Statistic::kAbsMax);
  EXPECT_EQ(options.activation_range.max.clipping_value, 6);
  EXPECT_EQ(options.activation_range.max.outlier_probability, 1e-4);
  EXPECT_EQ(options.weight_range.min.aggregator, Aggregator::kMin);
  EXPECT_EQ(options.weight_range.max.aggregator, Aggregator::kHistogram);
}

TEST(QuantizeOptions, WhatDecidesOnPlacementIsRead) {
  const QuantizeOptions options = quantize_options_from_json(
      R"({"placement": "reference", "model_type": "transformer", "target_device": "CPU_SPR",
          "advanced_parameters": {"quantize_outputs": true}})");
  EXPECT_EQ(options.placement, Placement::kReference);
  EXPECT_EQ(options.model_type, ModelType::kTransformer);
  EXPECT_EQ(options.target_device, TargetDevice::kCpuSpr);
  EXPECT_TRUE(options.quantize_outputs);
  EXPECT_FALSE(options.preset) << "placement makes it mixed";
}

TEST(QuantizeOptions, QuantizationParametersConstrainActivationsAndWeightsApart) {
  const QuantizeOptions options = quantize_options_from_json(advanced(R"(
      "activations_quantization_params": {"num_bits": 16, "mode": "asymmetric", "signedness_to_force": false},
      "weights_quantization_params": {"num_bits": 2, "mode": "symmetric", "per_channel": true, "narrow_range": false})"));
  EXPECT_EQ(options.activations.bits, 16);
  EXPECT_EQ(options.activations.mode, Mode::kAsymmetric);
  EXPECT_EQ(options.activations.forced_sign, false);
  EXPECT_FALSE(options.activations.per_channel);
  EXPECT_FALSE(options.activations.narrow_range);
  EXPECT_EQ(options.weights.bits, 2);
  EXPECT_EQ(options.weights.mode, Mode::kSymmetric);
  EXPECT_FALSE(options.weights.forced_sign);
  EXPECT_EQ(options.weights.per_channel, true);
  EXPECT_EQ(options.weights.narrow_range, false);
}

TEST(QuantizeOptions, QuantizationParametersWithoutAValueConstrainNothing) {
  const QuantizeOptions options =
      quantize_options_from_json(advanced(R"("activations_quantization_params": {"num_bits": null, "mode": null},
                  "weights_quantization_params": {"narrow_range": null})"));
  EXPECT_FALSE(options.activations.bits || options.activations.mode || options.weights.bits || options.weights.mode);
}

TEST(QuantizeOptions, FewerThanTwoOrMoreThanSixteenBitsAreRefused) {
  for (const char* which : {"activations", "weights"}) {
    for (const char* bits : {"1", "17", "-8", "9223372036854775807"}) {
      EXPECT_THAT(
          invalid(advanced(fmt::format(R"("{}_quantization_params": {{"num_bits": {}}})", which, bits))),
          HasSubstr(fmt::format("{}_quantization_params.num_bits' is {}; from 2 to 16 bits are needed", which, bits)));
    }
  }
}

TEST(QuantizeOptions, APropagationRuleIsItsNumberOrItsName) {
  const auto rule = [](const std::string& value) {
    return quantize_options_from_json(advanced("\"quantizer_propagation_rule\": " + value)).propagation_rule;
  };
  EXPECT_EQ(rule(R"("0")"), PropagationRule::kDoNotMergeBranches);
  EXPECT_EQ(rule("1"), PropagationRule::kMergeIfAllBranchesSame);
  EXPECT_EQ(rule(R"("MERGE_WITH_POTENTIAL_REQUANTIZATION")"), PropagationRule::kMergeWithPotentialRequantization);
  EXPECT_EQ(rule(R"("3")"), PropagationRule::kMergeAllInOne);
  EXPECT_THAT(invalid(advanced(R"("quantizer_propagation_rule": 4)")),
              AllOf(HasSubstr("'advanced_parameters.quantizer_propagation_rule' is '4'"),
                    HasSubstr("from 0 to 3 or DO_NOT_MERGE_BRANCHES")));
}

TEST(QuantizeOptions, AnUnknownKeyNamesTheNearestKnownOne) {
  EXPECT_THAT(invalid(R"({"subset_sice": 3})"),
              AllOf(HasSubstr("'subset_sice'"), HasSubstr("did you mean 'subset_size'")));
  EXPECT_THAT(invalid(R"({"ignored_scope": {"name": []}})"), HasSubstr("did you mean 'ignored_scope.names'"));
  EXPECT_THAT(invalid(advanced(R"("overflow": null)")), HasSubstr("did you mean 'advanced_parameters.overflow_fix'"));
}

TEST(QuantizeOptions, AWrongValueNamesTheOptionTheValueAndWhatIsNeeded) {
  EXPECT_THAT(invalid(R"({"preset": "fast"})"),
              AllOf(HasSubstr("'preset' is 'fast'"), HasSubstr("'performance' or 'mixed'")));
  EXPECT_THAT(invalid(R"({"preset": 3})"), HasSubstr("'preset' is '3'"));
  EXPECT_THAT(invalid(R"({"subset_size": 2.5})"), HasSubstr("whole number"));
  EXPECT_THAT(invalid(R"({"subset_size": true})"), HasSubstr("whole number"));
  EXPECT_THAT(invalid(R"({"subset_size": 18446744073709551615})"), HasSubstr("whole number"));
  EXPECT_THAT(invalid(R"({"fast_bias_correction": 1})"), HasSubstr("true or false"));
  EXPECT_THAT(invalid(R"({"ignored_scope": {"names": "conv"}})"), HasSubstr("'ignored_scope.names'"));
  EXPECT_THAT(invalid(R"({"ignored_scope": {"names": [1]}})"), HasSubstr("list of texts"));
  EXPECT_THAT(invalid(R"({"ignored_scope": {"subgraphs": [3]}})"), HasSubstr("ignored_scope.subgraphs[0]"));
  EXPECT_THAT(invalid(R"({"ignored_scope": []})"), HasSubstr("'ignored_scope'"));
  EXPECT_THAT(invalid(R"({"mode": "int4"})"), HasSubstr("'mode' is 'int4'"));
  EXPECT_THAT(invalid(R"({"model_type": "cnn"})"), HasSubstr("'model_type' is 'cnn'; 'transformer' is needed"));
  EXPECT_THAT(invalid(R"({"placement": "full"})"), HasSubstr("'placement' is 'full'; 'lean' or 'reference'"));
  EXPECT_THAT(invalid(advanced(R"("weights_quantization_params": {"mode": "affine"})")), HasSubstr("'affine'"));
  EXPECT_THAT(invalid(advanced(R"("weights_quantization_params": {"num_bits": 4.5})")), HasSubstr("whole number"));
  EXPECT_THAT(invalid(advanced(R"("weights_quantization_params": {"num_bit": 4})")),
              HasSubstr("did you mean 'advanced_parameters.weights_quantization_params.num_bits'"));
  EXPECT_THAT(invalid("[]"), HasSubstr("named values are needed"));
  EXPECT_THAT(invalid("{"), HasSubstr("not valid JSON"));
}

TEST(QuantizeOptions, ASubsetSizeBelowOneIsRefused) {
  EXPECT_THAT(invalid(R"({"subset_size": 0})"), HasSubstr("'subset_size' is 0; at least 1 is needed"));
  EXPECT_THAT(invalid(R"({"subset_size": -5})"), HasSubstr("-5"));
}

TEST(QuantizeOptions, WhatDoesNotWorkYetIsNamedWithItsValueAndWhatWorks) {
  EXPECT_THAT(unsupported(advanced(R"("weights_quantization_params": {"mode": "asymmetric_lora_nls"})")),
              AllOf(HasSubstr("weights_quantization_params.mode"), HasSubstr("'symmetric' or 'asymmetric' works")));
  EXPECT_THAT(unsupported(advanced(R"("backend_params": {"weights": {"level_low": -64}})")),
              AllOf(HasSubstr("backend_params.weights"), HasSubstr("weights_quantization_params works")));
}

TEST(QuantizeOptions, AModeOf8BitFloatingPointSetsTheFormatOfAllQuantizersUnlessTheirParametersDo) {
  const QuantizeOptions plain = quantize_options_from_json(R"({"mode": "fp8_e5m2", "model_type": "transformer"})");
  EXPECT_EQ(plain.mode, NumberFormat::kF8E5M2);
  EXPECT_FALSE(plain.activations.format || plain.weights.format);
  EXPECT_EQ(activation_mode(plain), Mode::kSymmetric) << "also of transformers";
  const QuantizeOptions both = quantize_options_from_json(R"({"mode": "fp8_e4m3", "advanced_parameters": {
      "overflow_fix": "disable", "activations_quantization_params": {"destination_type": "f8e5m2"},
      "weights_quantization_params": {"destination_type": null}}})");
  EXPECT_EQ(both.activations.format, NumberFormat::kF8E5M2);
  EXPECT_EQ(both.weights.format, NumberFormat::kF8E4M3);
}

TEST(QuantizeOptions, AModeOf8BitFloatingPointRefusesWhatIsForIntegers) {
  const auto with_mode = [](const std::string& fields) { return invalid(R"({"mode": "fp8_e4m3", )" + fields + "}"); };
  EXPECT_THAT(with_mode(R"("preset": "mixed")"), AllOf(HasSubstr("'preset'"), HasSubstr("performance is needed")));
  EXPECT_THAT(with_mode(R"("target_device": "NPU")"), HasSubstr("'target_device'"));
  EXPECT_THAT(with_mode(R"("advanced_parameters": {"overflow_fix": "first_layer_only"})"), HasSubstr("'overflow_fix'"));
  EXPECT_THAT(with_mode(R"("advanced_parameters": {"quantize_outputs": true})"), HasSubstr("'quantize_outputs'"));
  EXPECT_THAT(with_mode(R"("advanced_parameters": {"weights_quantization_params": {"num_bits": 8}})"),
              AllOf(HasSubstr("'weights_quantization_params'"), HasSubstr("FP8QuantizationParameters")));
  EXPECT_THAT(invalid(advanced(R"("activations_quantization_params": {"destination_type": "f8e4m3"})")),
              AllOf(HasSubstr("'activations_quantization_params'"), HasSubstr("'mode'")));
}

TEST(QuantizeOptions, ParametersOfTheBackendAreReadAndOthersNamed) {
  const QuantizeOptions options = quantize_options_from_json(advanced(
      R"("backend_params": {"compress_weights": false, "stat_requests_number": 3, "eval_requests_number": 2})"));
  EXPECT_FALSE(options.compress_weights);
  EXPECT_EQ(options.stat_requests, 3);
  EXPECT_EQ(accuracy_options_from_json(R"({"eval_requests_number": 2})").eval_requests, 2);
  EXPECT_THAT(invalid(advanced(R"("backend_params": {"compres_weights": false})")),
              HasSubstr("did you mean 'advanced_parameters.backend_params.compress_weights'"));
  EXPECT_THAT(invalid(advanced(R"("backend_params": {"stat_requests_number": 0})")), HasSubstr("stat_requests_number"));
  EXPECT_THAT(invalid(advanced(R"("backend_params": {"external_data_dir": "/data"})")), HasSubstr("an ONNX model"));
}

TEST(QuantizeOptions, SmoothQuantHasTheAlphaOfMatrixProductsOrTheDeprecatedOne) {
  const auto alpha = [](const std::string& fields) {
    return quantize_options_from_json(advanced(fields)).smooth_quant_alpha;
  };
  EXPECT_EQ(alpha(R"("smooth_quant_alphas": {"convolution": -1})"), 0.95);
  EXPECT_EQ(alpha(R"("smooth_quant_alphas": {"matmul": 0.5})"), 0.5);
  EXPECT_EQ(alpha(R"("smooth_quant_alphas": {"matmul": 0.5}, "smooth_quant_alpha": 0.25)"), 0.25);
  EXPECT_LT(alpha(R"("smooth_quant_alpha": -1)"), 0);
  EXPECT_THROW(check(quantize_options_from_json(advanced(R"("smooth_quant_alpha": 1.5)"))), InvalidArgument);
}

TEST(QuantizeOptions, SmoothQuantOfConvolutionsIsOffUnlessItHasAnAlpha) {
  const auto alpha = [](const std::string& fields) {
    return quantize_options_from_json(advanced(fields)).smooth_quant_alpha_convolution;
  };
  EXPECT_LT(alpha(R"("smooth_quant_alphas": {"matmul": 0.5})"), 0);
  EXPECT_EQ(alpha(R"("smooth_quant_alphas": {"convolution": 0.5})"), 0.5);
  EXPECT_EQ(alpha(R"("smooth_quant_alphas": {"convolution": 0.5}, "smooth_quant_alpha": 0.25)"), 0.5);
  EXPECT_LT(alpha(R"("smooth_quant_alphas": {"convolution": 0.5}, "smooth_quant_alpha": -1)"), 0);
  EXPECT_THROW(check(quantize_options_from_json(advanced(R"("smooth_quant_alphas": {"convolution": 2})"))),
               InvalidArgument);
}

TEST(QuantizeOptions, ChannelsAreAlignedWhereThatIsNotDisabled) {
  EXPECT_FALSE(quantize_options_from_json("{}").channel_alignment);
  EXPECT_TRUE(quantize_options_from_json(advanced(R"("disable_channel_alignment": false)")).channel_alignment);
}

TEST(QuantizeOptions, ARangeEstimatorThatMakesNoSenseIsRefused) {
  const auto estimator = [](const std::string& which, const std::string& end, const std::string& fields) {
    return advanced("\"" + which + "_range_estimator_params\": {\"" + end + "\": {" + fields + "}}");
  };
  EXPECT_THAT(invalid(estimator("activations", "max", R"("aggregator_type": "mode")")), HasSubstr("'mode'"));
  EXPECT_THAT(invalid(estimator("activations", "min", R"("quantile_outlier_prob": 0.5)")),
              AllOf(HasSubstr("activations_range_estimator_params.min.quantile_outlier_prob' is 0.5"),
                    HasSubstr("from 0 to below 0.5")));
  EXPECT_THAT(invalid(estimator("activations", "min", R"("quantile_outlier_prob": "nan")")), HasSubstr("nan"));
  EXPECT_THAT(invalid(estimator("weights", "max", R"("clipping_value": 0)")),
              HasSubstr("weights_range_estimator_params.max.clipping_value' is 0; more than 0"));
  EXPECT_THAT(invalid(estimator("weights", "max", R"("aggregator_type": "histogram", "statistics_type": "max")")),
              AllOf(HasSubstr("weights_range_estimator_params.max.aggregator_type"), HasSubstr("'raw' is needed")));
}

TEST(AccuracyOptions, AnEmptyObjectGivesTheDefaults) {
  const AccuracyOptions options = accuracy_options_from_json("{}");
  EXPECT_EQ(options.max_drop, 0.01);
  EXPECT_EQ(options.drop_type, DropType::kAbsolute);
  EXPECT_TRUE(options.higher_is_better);
  EXPECT_EQ(options.max_num_iterations, std::numeric_limits<std::int64_t>::max());
  EXPECT_FALSE(options.ranking_subset_size);
  EXPECT_EQ(options.validation_device, "CPU");
  EXPECT_EQ(options.validation_precision, "f32");
}

TEST(AccuracyOptions, EveryOptionIsRead) {
  const AccuracyOptions options = accuracy_options_from_json(R"({
    "max_drop": 0.5, "drop_type": "relative", "higher_is_better": false, "validation_device": "GPU",
    "validation_precision": "bf16", "advanced_accuracy_restorer_parameters": {
      "max_num_iterations": 9223372036854775807, "tune_hyperparams": false, "ranking_subset_size": 12,
      "num_ranking_workers": 4, "intermediate_model_dir": "somewhere", "restore_mode": "only_activations"}})");
  EXPECT_EQ(options.max_drop, 0.5);
  EXPECT_EQ(options.drop_type, DropType::kRelative);
  EXPECT_FALSE(options.higher_is_better);
  EXPECT_EQ(options.validation_device, "GPU");
  EXPECT_EQ(options.validation_precision, "bf16");
  EXPECT_EQ(options.max_num_iterations, std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(options.ranking_subset_size, 12);
  EXPECT_EQ(options.ranking_workers, 4);
  EXPECT_EQ(options.intermediate_model_dir, "somewhere");
  EXPECT_EQ(options.restore_mode, RestoreMode::kActivationsOnly);
}

TEST(AccuracyOptions, ALimitThatIsNegativeOrNotFiniteIsRefused) {
  for (const char* value : {"-0.1", "NaN", "Infinity", "-Infinity", "\"nan\""}) {
    EXPECT_THAT(
        message_of<InvalidArgument>([&] { accuracy_options_from_json(std::string(R"({"max_drop": )") + value + "}"); }),
        HasSubstr("option 'max_drop' is "))
        << value;
  }
  EXPECT_NO_THROW(accuracy_options_from_json(R"({"max_drop": 0})"));
}

TEST(AccuracyOptions, NamesThatLookLikeNumbersStayText) {
  const QuantizeOptions options =
      quantize_options_from_json(R"({"ignored_scope": {"names": ["NaN", "\"Infinity\\"]}})");
  EXPECT_THAT(options.ignored_scope.names, ElementsAre("NaN", "\"Infinity\\"));
}

TEST(AccuracyOptions, CountsOutOfRangeAreRefused) {
  const auto restorer = [](const std::string& fields) {
    return message_of<InvalidArgument>(
        [&] { accuracy_options_from_json(R"({"advanced_accuracy_restorer_parameters": {)" + fields + "}}"); });
  };
  EXPECT_THAT(restorer(R"("num_ranking_workers": 0)"), HasSubstr("'num_ranking_workers' is below 1"));
  EXPECT_THAT(restorer(R"("ranking_subset_size": 0)"), HasSubstr("'ranking_subset_size' is 0"));
  EXPECT_THAT(restorer(R"("max_num_iterations": -1)"), HasSubstr("'max_num_iterations' is -1"));
  EXPECT_THAT(restorer(R"("restore_mode": "all")"), HasSubstr("only_activations"));
}

TEST(AccuracyOptions, TuneWhereAskedTo) {
  EXPECT_FALSE(accuracy_options_from_json("{}").tune_hyperparams);
  EXPECT_TRUE(accuracy_options_from_json(R"({"advanced_accuracy_restorer_parameters": {"tune_hyperparams": true}})")
                  .tune_hyperparams);
}

TEST(AccuracyOptions, ALimitSetInCodeIsCheckedToo) {
  AccuracyOptions options;
  options.max_drop = std::nan("");
  EXPECT_THROW(check(options), InvalidArgument);
  QuantizeOptions quantize;
  quantize.subset_size = 0;
  EXPECT_THROW(check(quantize), InvalidArgument);
  QuantizeOptions bits;
  bits.weights.bits = 1;
  EXPECT_THROW(check(bits), InvalidArgument);
}

TEST(AccuracyOptions, ReadsLimitsByName) {
  const AccuracyOptions options = accuracy_options_from_json(
      R"({"max_drop": {"b": 0.5, "a": 0}, "drop_type": {"b": "relative"}, "higher_is_better": false})");
  ASSERT_EQ(options.limits.size(), 2U);
  EXPECT_EQ(options.limits[0].name, "a");
  EXPECT_EQ(options.limits[0].max_drop, 0);
  EXPECT_EQ(options.limits[0].drop_type, DropType::kAbsolute);
  EXPECT_EQ(options.limits[1].max_drop, 0.5);
  EXPECT_EQ(options.limits[1].drop_type, DropType::kRelative);
  EXPECT_FALSE(options.limits[0].higher_is_better || options.limits[1].higher_is_better);
}

TEST(AccuracyOptions, RefusesTwoLimitsOfOneMetric) {
  AccuracyOptions options;
  options.limits = {{"a", 0.1}, {"a", 0.2}};
  EXPECT_THROW(check(options), InvalidArgument);
}

}  // namespace
}  // namespace tightrope
