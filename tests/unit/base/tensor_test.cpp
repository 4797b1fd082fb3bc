// SPDX-License-Identifier: Apache-2.0
#include "tightrope/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/half.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

Tensor floats(const std::vector<float>& values, Shape shape) {
  return Tensor::copy_of(std::span<const float>(values), std::move(shape));
}

Tensor raw(ElementType type, const std::vector<std::uint16_t>& bits) {
  const auto owner = std::make_shared<std::vector<std::uint16_t>>(bits);
  return Tensor(type, {static_cast<std::int64_t>(bits.size())}, std::shared_ptr<const void>(owner, owner->data()));
}

std::uint16_t half_bits(float value) { return to_half(value).bits; }
std::uint16_t bfloat_bits(float value) { return to_bfloat16(value).bits; }

TEST(Half, ComesBackFromEveryPattern) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const Half half{static_cast<std::uint16_t>(bits)};
    const float value = to_float(half);
    const bool is_nan = (bits & 0x7C00U) == 0x7C00U && (bits & 0x3FFU) != 0;
    if (is_nan) {
      EXPECT_TRUE(std::isnan(value)) << bits;
      EXPECT_TRUE(std::isnan(to_float(to_half(value)))) << bits;
    } else {
      ASSERT_EQ(half_bits(value), bits);
      const int exponent = static_cast<int>(bits >> 10 & 31U);
      const auto mantissa = static_cast<float>(bits & 0x3FFU);
      float expected = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
      if (exponent == 31) expected = std::numeric_limits<float>::infinity();
      ASSERT_EQ(value, bits >= 0x8000U ? -expected : expected) << bits;
    }
  }
}

TEST(Half, RoundsToNearestAndTiesToEven) {
  // Between any two neighbours: the middle goes to the even one, a little beside it to the nearer one.
  for (std::uint32_t bits = 0; bits < 0x7BFFU; ++bits) {
    const float low = to_float(Half{static_cast<std::uint16_t>(bits)});
    const float high = to_float(Half{static_cast<std::uint16_t>(bits + 1)});
    const float middle = (low + high) / 2;  // exact
    ASSERT_EQ(half_bits(middle), bits % 2 == 0 ? bits : bits + 1) << bits;
    ASSERT_EQ(half_bits(std::nextafter(middle, 0.0F)), bits) << bits;
    ASSERT_EQ(half_bits(std::nextafter(middle, 1e30F)), bits + 1) << bits;
    ASSERT_EQ(half_bits(-middle), half_bits(middle) | 0x8000U) << bits;
  }
}

TEST(Half, BecomesInfiniteBeyondItsRange) {
  EXPECT_EQ(half_bits(65504), 0x7BFF);
  EXPECT_EQ(half_bits(std::nextafter(65520.0F, 0.0F)), 0x7BFF);
  EXPECT_EQ(half_bits(65520), 0x7C00);
  EXPECT_EQ(half_bits(1e30F), 0x7C00);
  EXPECT_EQ(half_bits(-std::numeric_limits<float>::infinity()), 0xFC00);
  EXPECT_EQ(half_bits(1e-30F), 0);
  EXPECT_EQ(half_bits(-0.0F), 0x8000);
  EXPECT_EQ(half_bits(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(BFloat16, ComesBackFromEveryPattern) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = to_float(BFloat16{static_cast<std::uint16_t>(bits)});
    ASSERT_EQ(std::bit_cast<std::uint32_t>(value), bits << 16);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(to_float(to_bfloat16(value)))) << bits;
    } else {
      ASSERT_EQ(bfloat_bits(value), bits);
    }
  }
}

TEST(BFloat16, RoundsToNearestAndTiesToEven) {
  const auto of = [](std::uint32_t bits) { return bfloat_bits(std::bit_cast<float>(bits)); };
  EXPECT_EQ(of(0x3F808000), 0x3F80);
  EXPECT_EQ(of(0x3F818000), 0x3F82);
  EXPECT_EQ(of(0x3F807FFF), 0x3F80);
  EXPECT_EQ(of(0x3F808001), 0x3F81);
  EXPECT_EQ(of(0xBF818000), 0xBF82);
  EXPECT_EQ(of(0x00008000), 0x0000) << "subnormal";
  EXPECT_EQ(of(0x00008001), 0x0001);
  EXPECT_EQ(of(0x7F7FFFFF), 0x7F80) << "the largest float is nearest to infinity";
  EXPECT_EQ(of(0x7F800001), 0x7FC0) << "a NaN stays one";
}

TEST(Tensor, IsEmptyAtFirst) {
  const Tensor tensor;
  EXPECT_TRUE(tensor.empty());
  EXPECT_EQ(tensor.type(), ElementType::kOther);
  EXPECT_EQ(tensor.size(), 0U);
  EXPECT_EQ(tensor.bytes(), 0U);
}

TEST(Tensor, HoldsACopy) {
  std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const Tensor tensor = floats(values, {2, 3});
  values[0] = 9;
  EXPECT_THAT(tensor.as<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(tensor.bytes(), 24U);
  EXPECT_EQ(Tensor(tensor).data(), tensor.data()) << "copies share the bytes";
  EXPECT_EQ(floats({5}, {}).size(), 1U) << "a scalar";
  EXPECT_FALSE(floats({}, {0, 3}).as<float>().data() == nullptr && floats({}, {0, 3}).size() > 0);
}

TEST(Tensor, RefusesValuesThatDoNotFillItsShape) {
  EXPECT_THAT([] { floats({1, 2, 3}, {2, 2}); },
              ThrowsMessage<InvalidArgument>(testing::AllOf(HasSubstr("3 values"), HasSubstr("[2,2]"))));
  EXPECT_THAT([] { floats({1}, {-1}); }, ThrowsMessage<InvalidArgument>(HasSubstr("[?]")));
}

TEST(Tensor, GivesItsElementsOnlyAsWhatTheyAre) {
  EXPECT_THAT([] { floats({1}, {1}).as<std::int64_t>(); },
              ThrowsMessage<InvalidArgument>(testing::AllOf(HasSubstr("f32"), HasSubstr("i64"))));
  EXPECT_THAT([] { Tensor().as<float>(); }, ThrowsMessage<InvalidArgument>(HasSubstr("other")));
}

TEST(Tensor, CastsAsStaticCastDoes) {
  const Tensor tensor = floats({1.9F, -1.9F, 0, 127}, {2, 2});
  EXPECT_THAT(tensor.cast(ElementType::kI32).as<std::int32_t>(), ElementsAre(1, -1, 0, 127));
  EXPECT_THAT(tensor.cast(ElementType::kI8).as<std::int8_t>(), ElementsAre(1, -1, 0, 127));
  EXPECT_THAT(tensor.cast(ElementType::kF64).as<double>(), ElementsAre(1.9F, -1.9F, 0, 127));
  EXPECT_EQ(tensor.cast(ElementType::kI64).shape(), (Shape{2, 2}));
  EXPECT_EQ(tensor.cast(ElementType::kF32).data(), tensor.data()) << "nothing to convert, nothing to copy";
}

TEST(Tensor, CastsThroughEveryTypeAndBack) {
  const Tensor tensor = floats({0, 1, 2, 3}, {4});
  for (int type = 0; type < static_cast<int>(ElementType::kOther); ++type) {
    const auto to = static_cast<ElementType>(type);
    if (to == ElementType::kBoolean) continue;
    const Tensor there = tensor.cast(to);
    EXPECT_EQ(there.type(), to);
    EXPECT_EQ(there.bytes(), 4 * size_of(to)) << name_of(to);
    EXPECT_THAT(there.to_floats(), ElementsAre(0, 1, 2, 3)) << name_of(to);
    EXPECT_THAT(there.to_doubles(), ElementsAre(0, 1, 2, 3)) << name_of(to);
    for (int other = 0; other < static_cast<int>(ElementType::kOther); ++other) {
      EXPECT_EQ(there.cast(static_cast<ElementType>(other)).type(), static_cast<ElementType>(other));
    }
  }
}

TEST(Tensor, CastsSixteenBitFloats) {
  EXPECT_THAT(raw(ElementType::kF16, {0x3C00, 0xC000, 0x0001, 0x7BFF}).to_floats(),
              ElementsAre(1, -2, std::ldexp(1.0F, -24), 65504));
  EXPECT_THAT(raw(ElementType::kBF16, {0x3F80, 0xC000}).to_floats(), ElementsAre(1, -2));
  EXPECT_THAT(floats({1e6F, 1.0F + 1.0F / 4096}, {2}).cast(ElementType::kF16).to_floats(),
              ElementsAre(std::numeric_limits<float>::infinity(), 1));
  EXPECT_THAT(raw(ElementType::kF16, {0x3C00}).cast(ElementType::kBF16).to_floats(), ElementsAre(1));
}

TEST(Tensor, HasNoNumbersOfAnotherType) {
  EXPECT_THAT([] { floats({1}, {1}).cast(ElementType::kOther); },
              ThrowsMessage<InvalidArgument>(HasSubstr("element type")));
  EXPECT_THROW(Tensor(ElementType::kOther, {1}, nullptr).to_floats(), InvalidArgument);
}

TEST(Slice, SharesTheBytes) {
  const Tensor tensor = floats({1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor middle = tensor.slice(1, 1);
  EXPECT_EQ(middle.shape(), (Shape{1, 2}));
  EXPECT_THAT(middle.as<float>(), ElementsAre(3, 4));
  EXPECT_EQ(middle.data(), tensor.as<float>().data() + 2);
  EXPECT_THAT(tensor.slice(1, 2).slice(1, 1).as<float>(), ElementsAre(5, 6));
  EXPECT_THAT(tensor.slice(0, 3).as<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(tensor.slice(3, 0).as<float>(), IsEmpty());
}

TEST(Slice, OutlivesItsSource) {
  Tensor middle;
  {
    middle = floats({1, 2, 3}, {3}).slice(1, 1);
  }
  EXPECT_THAT(middle.as<float>(), ElementsAre(2));
}

TEST(Slice, RefusesWhatIsNotThere) {
  const Tensor tensor = floats({1, 2, 3}, {3});
  for (const auto& range : std::vector<std::pair<int, int>>{{-1, 1}, {0, 4}, {3, 1}, {0, -1}, {4, 0}}) {
    EXPECT_THAT([&] { tensor.slice(range.first, range.second); }, ThrowsMessage<InvalidArgument>(HasSubstr("[3]")))
        << range.first;
  }
  EXPECT_THROW(floats({1}, {}).slice(0, 1), InvalidArgument);
  EXPECT_THROW(tensor.slice(1, std::numeric_limits<std::int64_t>::max()), InvalidArgument);
}

TEST(ElementTypes, HaveNamesAndSizes) {
  EXPECT_EQ(name_of(ElementType::kBF16), "bf16");
  EXPECT_EQ(name_of(ElementType::kOther), "other");
  EXPECT_EQ(size_of(ElementType::kI16), 2U);
  EXPECT_EQ(size_of(ElementType::kBoolean), 1U);
  EXPECT_EQ(size_of(ElementType::kOther), 0U);
  EXPECT_TRUE(is_float(ElementType::kF16));
  EXPECT_FALSE(is_float(ElementType::kU8));
  EXPECT_FALSE(is_float(ElementType::kOther));
}

TEST(Shapes, AreWrittenWithOpenExtents) {
  EXPECT_EQ(to_string(Shape{1, -1, 3}), "[1,?,3]");
  EXPECT_EQ(to_string(Shape{}), "[]");
  EXPECT_EQ(element_count({2, 3}), 6U);
  EXPECT_EQ(element_count({}), 1U);
  EXPECT_EQ(element_count({2, 0}), 0U);
}

}  // namespace
}  // namespace tightrope
