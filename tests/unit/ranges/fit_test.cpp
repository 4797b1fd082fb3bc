// SPDX-License-Identifier: Apache-2.0
#include "ranges/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/builders.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using testing::ElementsAre;
using testing::FloatEq;
using testing::HasSubstr;
using testing::ThrowsMessage;

using Floats = std::vector<float>;

QuantizerConfig config_of(Mode mode, bool narrow = false, std::optional<bool> sign = std::nullopt, int bits = 8) {
  QuantizerConfig config;
  config.bits = bits;
  config.mode = mode;
  config.narrow_range = narrow;
  config.forced_sign = sign;
  return config;
}

const QuantizerConfig kSymmetric = config_of(Mode::kSymmetric);
const QuantizerConfig kNarrow = config_of(Mode::kSymmetric, true, true);
const QuantizerConfig kAsymmetric = config_of(Mode::kAsymmetric);

void expect_range(const Range& found, const Floats& low, const Floats& high, int levels, const std::string& what) {
  EXPECT_EQ(found.levels, levels) << what;
  ASSERT_EQ(found.low.size(), low.size()) << what;
  ASSERT_EQ(found.high.size(), high.size()) << what;
  for (std::size_t i = 0; i < low.size(); ++i) {
    EXPECT_THAT(found.low[i], FloatEq(low[i])) << what << ", channel " << i;
    EXPECT_THAT(found.high[i], FloatEq(high[i])) << what << ", channel " << i;
  }
}

TEST(FitSymmetric, GivesTheValuesWorkedByHand) {
  struct Case {
    std::string what;
    QuantizerConfig config;
    Floats low, magnitude;
    float floor;
    Floats from, to;
    int levels;
  };
  const std::vector<Case> cases = {
      {"signed: one level more below zero", kSymmetric, {-2}, {2.54F}, 0.01F, {-2.56F}, {2.54F}, 256},
      {"a negative value of any size gives a sign", kSymmetric, {-1e-6F}, {2.54F}, 0.01F, {-2.56F}, {2.54F}, 256},
      {"without negative values: from zero", kSymmetric, {0}, {5}, 0.01F, {0}, {5}, 256},
      {"a minimum above zero changes nothing", kSymmetric, {3}, {5}, 0.01F, {0}, {5}, 256},
      {"narrow: even around zero", kNarrow, {-3}, {3}, 0, {-3}, {3}, 255},
      {"the sign may be forced", config_of(Mode::kSymmetric, false, true), {0}, {2.54F}, 0, {-2.56F}, {2.54F}, 256},
      {"or forbidden", config_of(Mode::kSymmetric, false, false), {-1}, {2}, 0, {0}, {2}, 256},
      {"narrow without sign", config_of(Mode::kSymmetric, true), {0}, {2}, 0, {0}, {2}, 255},
      {"one channel's sign is that of all",
       kSymmetric,
       {0, -1},
       {2.54F, 1.27F},
       0,
       {-2.56F, -1.28F},
       {2.54F, 1.27F},
       256},
      {"a tiny channel gets a hundredth", kSymmetric, {0, 0}, {5, 1e-3F}, 0.01F, {0, 0}, {5, 0.05F}, 256},
      {"or keeps its own", kSymmetric, {0, 0}, {5, 1e-3F}, 0, {0, 0}, {5, 1e-3F}, 256},
      {"nothing is narrower than 8e-5", kSymmetric, {0}, {0}, 0.01F, {0}, {8e-5F}, 256},
  };
  for (const Case& c : cases)
    expect_range(fit_symmetric(c.low, c.magnitude, c.config, c.floor), c.from, c.to, c.levels, c.what);
}

// The level of zero, counted from the lowest: an integer where zero is a level. In double, as ranges are exact.
double level_of_zero(const Range& range, std::size_t channel = 0) {
  const double low = range.low[channel];
  return -low / ((range.high[channel] - low) / (range.levels - 1));
}

TEST(FitSymmetric, MakesZeroALevelWhateverTheNumberOfBits) {
  for (int bits = 2; bits <= 16; ++bits) {
    const int half = 1 << (bits - 1);
    const double tolerance = 1e-6 * half;
    const Range wide = fit_symmetric(Floats{-1}, Floats{0.7F}, config_of(Mode::kSymmetric, false, true, bits), 0);
    EXPECT_EQ(wide.levels, 2 * half);
    EXPECT_NEAR(level_of_zero(wide), half, tolerance);
    EXPECT_EQ(wide.high[0], 0.7F);
    const Range narrow = fit_symmetric(Floats{-1}, Floats{0.7F}, config_of(Mode::kSymmetric, true, true, bits), 0);
    EXPECT_EQ(narrow.levels, 2 * half - 1);
    EXPECT_NEAR(level_of_zero(narrow), half - 1, tolerance);
    const Range positive = fit_symmetric(Floats{-1}, Floats{0.7F}, config_of(Mode::kSymmetric, false, false, bits), 0);
    EXPECT_EQ(positive.low[0], 0);
    EXPECT_EQ(positive.high[0], 0.7F);
  }
}

TEST(FitAsymmetric, GivesTheValuesWorkedByHand) {
  struct Case {
    std::string what;
    Floats low, high, from, to;
  };
  const std::vector<Case> cases = {
      // 1 * 255 / 3 = 85 is a level
      {"zero on a level stays", {-1}, {2}, {-1}, {2}},
      // q = round(1 * 255 / 3.5) = 73: either low' = 73 / -182 * 2.5 = -1.002747, or high' = -182 / 73 * -1 = 2.493151
      {"the end that grows moves", {-1}, {2.5F}, {-1.0027473F}, {2.5F}},
      // q = round(1 * 255 / 3.45) = 74: either low' = 74 / -181 * 2.45 = -1.001657, or high' = 181 / 74 = 2.445946
      {"also where it is the lower one", {-1}, {2.45F}, {-1.0016575F}, {2.45F}},
      // q = round(1 * 255 / 3.46) = 74: low' = 74 / -181 * 2.46 = -1.005746
      {"further", {-1}, {2.46F}, {-1.0057459F}, {2.46F}},
      // q = round(1 * 255 / 3.48) = 73: high' = 182 / 73 = 2.493151
      {"or the upper one", {-1}, {2.48F}, {-1}, {2.4931507F}},
      {"all above zero: from zero", {1}, {5}, {0}, {5}},
      {"all below zero: to zero", {-5}, {-1}, {-5}, {0}},
      // widened by 8e-4 on either side, then q = round(8e-4 * 255 / 1.6e-3) = round(127.5) = 128: the upper end cannot
      // shrink, so low' = 128 / -127 * 8e-4
      {"a constant zero is widened", {0}, {0}, {-8e-4F * 128 / 127}, {8e-4F}},
      {"a constant too", {3}, {3}, {0}, {3.0008F}},
      {"each channel by itself", {-1, 1}, {2, 5}, {-1, 0}, {2, 5}},
  };
  for (const Case& c : cases) expect_range(fit_asymmetric(c.low, c.high, kAsymmetric), c.from, c.to, 256, c.what);
  // q = round(1 * 254 / 3) = 85: low' = 85 / -169 * 2
  expect_range(fit_asymmetric(Floats{-1}, Floats{2}, config_of(Mode::kAsymmetric, true)), {-1.0059172F}, {2}, 255,
               "narrow: 254 steps");
  // q = round(1 * 3 / 3.5) = 1: high' = 2 / 1
  expect_range(fit_asymmetric(Floats{-1}, Floats{2.5F}, config_of(Mode::kAsymmetric, false, {}, 2)), {-1.25F}, {2.5F},
               4, "2 bits");
}

TEST(FitAsymmetric, NeverShrinksAndPutsZeroOnALevel) {
  for (int i = 0; i < 500; ++i) {
    const float low = -std::exp(std::sin(static_cast<float>(i)) * 3);
    const float high = std::exp(std::cos(static_cast<float>(i) * 1.3F) * 3);
    const QuantizerConfig config = config_of(Mode::kAsymmetric, i % 2 == 1, {}, 8 + i % 9);
    const Range range = fit_asymmetric(Floats{low}, Floats{high}, config);
    ASSERT_EQ(range.levels, (1 << config.bits) - i % 2);
    // The longer end may give way by less than half a step.
    const float step = (range.high[0] - range.low[0]) / static_cast<float>(range.levels - 1);
    EXPECT_LE(range.low[0], low + step / 2);
    EXPECT_GE(range.high[0], high - step / 2);
    EXPECT_GE(range.high[0] - range.low[0], (high - low) * 0.999999F);
    const double zero = level_of_zero(range);
    EXPECT_NEAR(zero, std::nearbyint(zero), 1e-6 * range.levels) << low << " to " << high;
  }
}

TEST(FitAsymmetricWeight, PutsZeroOnALevelEvenNextToAnEnd) {
  for (int i = 0; i < 2000; ++i) {
    const float low = -std::exp(std::sin(static_cast<float>(i)) * 8);
    const float high = std::exp(std::cos(static_cast<float>(i) * 1.3F) * 8);
    const QuantizerConfig config = config_of(Mode::kAsymmetric, i % 2 == 1, {}, 2 + i % 7);
    const Range range = fit_asymmetric_weight(Floats{low}, Floats{high}, config);
    const double zero = level_of_zero(range);
    EXPECT_NEAR(zero, std::nearbyint(zero), 1e-6 * range.levels) << low << " to " << high;
    const float half_step = (high - low) / static_cast<float>(range.levels - 1) / 2;
    EXPECT_LE(range.low[0], low + half_step * 1.00001F);
    EXPECT_GE(range.high[0], high - half_step * 1.00001F);
  }
}

TEST(FitAsymmetricWeight, GivesTheValuesWorkedByHand) {
  const auto fit = [](float low, float high) { return fit_asymmetric_weight(Floats{low}, Floats{high}, kAsymmetric); };
  expect_range(fit(-1, 2), {-1}, {2}, 256, "zero on a level stays");
  expect_range(fit(-0.003F, 2.55F), {0}, {2.55F}, 256, "less than half a step below zero is cut off");
  expect_range(fit(-2.55F, 0.003F), {-2.55F}, {0}, 256, "or above");
  expect_range(fit(1, 5), {0}, {5}, 256, "all above zero: from zero");
  expect_range(fit(-1e-6F, 2e-6F), {-1e-6F}, {2e-6F}, 256, "a narrow channel stays narrow");
  const Range zeros = fit(0, 0);
  EXPECT_GT(zeros.high[0] - zeros.low[0], 0) << "a channel of zeros";
}

TEST(FitHalfRange, DoublesANarrowRangeAtAllLevels) {
  expect_range(fit_half_range(Floats{-1, -1}, Floats{3, 0.5F}, kNarrow, 0), {-6, -1}, {6, 1}, 255, "narrow");
}

TEST(FitHalfRange, KeepsTheStepOfAWideRangeOfOneBitLess) {
  // 7 bits: 3 is level 63, so the step is 1 / 21
  expect_range(fit_half_range(Floats{-1}, Floats{3}, config_of(Mode::kSymmetric, false, true), 0), {-128.0F / 21},
               {127.0F / 21}, 256, "wide");
}

TEST(FitHalfRange, UsesHalfTheLevelsWhateverTheirNumber) {
  for (int bits = 3; bits <= 16; ++bits) {
    for (const bool narrow : {true, false}) {
      const Range range = fit_half_range(Floats{-1}, Floats{1}, config_of(Mode::kSymmetric, narrow, true, bits), 0);
      const double zero = level_of_zero(range);
      EXPECT_NEAR(zero, std::nearbyint(zero), 1e-6 * range.levels) << bits;
      const double step = (static_cast<double>(range.high[0]) - range.low[0]) / (range.levels - 1);
      EXPECT_LE(std::nearbyint(0.999999 / step), 1 << (bits - 2)) << bits;
      EXPECT_GE(std::nearbyint(1 / step), (1 << (bits - 2)) - 1) << bits;
    }
  }
}

TEST(FitHalfRange, NeedsASymmetricRangeOfAtLeastThreeBits) {
  EXPECT_THAT([] { fit_half_range(Floats{-1}, Floats{3}, kAsymmetric, 0); },
              ThrowsMessage<InvalidArgument>(HasSubstr("symmetric")));
  EXPECT_THAT([] { fit_half_range(Floats{-1}, Floats{3}, config_of(Mode::kSymmetric, true, true, 2), 0); },
              ThrowsMessage<InvalidArgument>(HasSubstr("2 bits")));
}

TEST(FitActivation, TakesTheModeOfItsConfiguration) {
  const Observed observed{{-1}, {2.5F}, {2.54F}, {}};
  expect_range(fit_activation(observed, kSymmetric), {-2.56F}, {2.54F}, 256, "symmetric");
  expect_range(fit_activation(observed, kAsymmetric), {-1.0027473F}, {2.5F}, 256, "asymmetric");
  expect_range(fit_activation(observed, config_of(Mode::kSymmetric, false, true, 16)), {-2.54F * 65536 / 65534},
               {2.54F}, 65536, "16 bits");
}

TEST(FitActivation, WidensTinyChannels) {
  const Observed observed{{0, 0}, {5, 1e-3F}, {5, 1e-3F}, {}};
  expect_range(fit_activation(observed, kSymmetric), {0, 0}, {5, 0.05F}, 256, "per channel");
}

Tensor weight_of(const Floats& values, Shape shape) {
  return Tensor::copy_of(std::span<const float>(values), std::move(shape));
}

TEST(FitWeight, LetsEveryChannelKeepAScaleOfItsOwn) {
  const Tensor weight = weight_of({5, -1, 1e-6F, -2e-6F}, {2, 2});
  expect_range(fit_weight(weight, std::vector{0}, test::weight_config(), false), {-5, -2e-6F}, {5, 2e-6F}, 255, "rows");
  expect_range(fit_weight(weight, std::vector{1}, test::weight_config(), false), {-5, -1}, {5, 1}, 255, "columns");
  expect_range(fit_weight(weight, {}, test::weight_config(), false), {-5}, {5}, 255, "all");
  expect_range(fit_weight(weight, std::vector{0}, test::weight_config(), true), {-10, -4e-6F}, {10, 4e-6F}, 255,
               "half range");
}

TEST(FitWeight, KeepsTheSignWhereAllWeightsArePositive) {
  expect_range(fit_weight(weight_of({1, 2}, {1, 2}), std::vector{0}, test::weight_config(), false), {-2}, {2}, 255,
               "positive");
}

TEST(FitWeight, GivesAChannelOfZerosARange) {
  const Range range = fit_weight(weight_of({0, 0, 1, 1}, {2, 2}), std::vector{0}, test::weight_config(), false);
  EXPECT_GT(range.high[0], 0);
  EXPECT_LT(range.low[0], 0);
  EXPECT_EQ(range.high[1], 1);
}

TEST(FitWeight, TakesAsymmetricWeights) {
  expect_range(fit_weight(weight_of({-1, 2, 0, 1}, {4}), {}, kAsymmetric, false), {-1}, {2}, 256, "asymmetric");
  EXPECT_THAT([] { fit_weight(weight_of({-1, 2, 0, 1}, {4}), {}, kAsymmetric, true); },
              ThrowsMessage<InvalidArgument>(HasSubstr("overflow_fix")));
}

TEST(FitWeight, TakesTheBitsOfItsConfiguration) {
  const Tensor weight = weight_of({5, -1, 1e-6F, -2e-6F}, {2, 2});
  expect_range(fit_weight(weight, std::vector{0}, config_of(Mode::kSymmetric, true, true, 4), false), {-5, -2e-6F},
               {5, 2e-6F}, 15, "4 bits");
  expect_range(fit_weight(weight, {}, config_of(Mode::kSymmetric, false, true, 2), false), {-10}, {5}, 4, "2 bits");
  expect_range(fit_weight(weight, {}, config_of(Mode::kSymmetric, true, true, 16), false), {-5}, {5}, 65535, "16 bits");
}

TEST(FitWeight, NamesTheChannelThatIsNotFinite) {
  for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT([&] { fit_weight(weight_of({1, 2, poison, 1}, {2, 2}), std::vector{0}, test::weight_config(), false); },
                ThrowsMessage<InvalidArgument>(HasSubstr("channel 1")));
  }
}

TEST(FitFloat8, ReachesToTheLargestMagnitudeOrTwiceAsFarWithOneScale) {
  QuantizerConfig config = kSymmetric;
  config.format = NumberFormat::kF8E4M3;
  const Observed observed = {{-1, 0.5F, 0}, {3, 2, 0}, {3, 2, 0}, {}};
  expect_range(fit_activation(observed, config), {-6, -4, -2.3841858e-7F}, {6, 4, 2.3841858e-7F}, 256, "per tensor");
  config.per_channel = true;
  expect_range(fit_activation(observed, config), {-3, -2, -1.1920929e-7F}, {3, 2, 1.1920929e-7F}, 256, "per channel");
  const Tensor weight = weight_of({5, -1, 1e-3F, -2e-3F}, {2, 2});
  expect_range(fit_weight(weight, std::vector{0}, config, false), {-5, -2.0001192e-3F}, {5, 2.0001192e-3F}, 256,
               "a weight");
}

TEST(United, IsWhatCoversAll) {
  const std::vector<Observed> observed = {{{-1}, {2}, {2}, {}}, {{-3}, {1}, {3}, {}}, {{0}, {2.5F}, {2.5F}, {}}};
  const Observed found = united(observed);
  EXPECT_THAT(found.low, ElementsAre(-3));
  EXPECT_THAT(found.high, ElementsAre(2.5F));
  EXPECT_THAT(found.magnitude, ElementsAre(3));
  EXPECT_THAT(united(std::span(observed).first(1)).low, ElementsAre(-1));
}

}  // namespace
}  // namespace tightrope
