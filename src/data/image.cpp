// SPDX-License-Identifier: Apache-2.0
#include "data/image.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>

#include "data/stb_image.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr int kLargestSide = 1 << 15;

constexpr int kWeightBits = 22;  // weights are whole numbers, so that halves are rounded as in Pillow

// The weights with which old places make a new one.
struct Taps {
  int first = 0;
  std::vector<int> weights;
};

std::vector<Taps> taps_for(int from, int to) {
  const double step = static_cast<double>(from) / to;
  const double width = std::max(step, 1.0);  // of half a triangle
  std::vector<Taps> all;
  for (int i = 0; i < to; ++i) {
    const double center = (i + 0.5) * step;
    const int first = std::max(static_cast<int>(center - width + 0.5), 0);
    const int end = std::min(static_cast<int>(center + width + 0.5), from);
    std::vector<double> weights;
    for (int at = first; at < end; ++at) weights.push_back(std::max(1 - std::abs(at + 0.5 - center) / width, 0.0));
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    Taps taps{first, {}};
    for (const double weight : weights)
      taps.weights.push_back(static_cast<int>(std::floor(weight / sum * (1 << kWeightBits) + 0.5)));
    all.push_back(std::move(taps));
  }
  return all;
}

// Along lines of values that are `stride` apart.
void resize_line(const std::uint8_t* from, std::uint8_t* to, std::size_t stride, const std::vector<Taps>& taps) {
  for (const Taps& one : taps) {
    int sum = 1 << (kWeightBits - 1);
    for (std::size_t k = 0; k < one.weights.size(); ++k)
      sum += one.weights[k] * from[(static_cast<std::size_t>(one.first) + k) * stride];
    *to = static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
    to += stride;
  }
}

Picture blank(int height, int width, int channels) {
  Picture picture{height, width, channels};
  picture.values.resize(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) *
                        static_cast<std::size_t>(channels));
  return picture;
}

Picture resized_rows(const Picture& picture, int width) {
  Picture result = blank(picture.height, width, picture.channels);
  const auto channels = static_cast<std::size_t>(picture.channels);
  const std::vector<Taps> taps = taps_for(picture.width, width);
  for (std::size_t y = 0; y < static_cast<std::size_t>(picture.height); ++y) {
    for (std::size_t c = 0; c < channels; ++c) {
      resize_line(&picture.values[y * static_cast<std::size_t>(picture.width) * channels + c],
                  &result.values[y * static_cast<std::size_t>(width) * channels + c], channels, taps);
    }
  }
  return result;
}

Picture resized_columns(const Picture& picture, int height) {
  Picture result = blank(height, picture.width, picture.channels);
  const std::size_t row = static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.channels);
  const std::vector<Taps> taps = taps_for(picture.height, height);
  for (std::size_t x = 0; x < row; ++x) resize_line(&picture.values[x], &result.values[x], row, taps);
  return result;
}

std::vector<float> per_channel(const char* name, const std::vector<double>& values, int channels, float otherwise) {
  const auto count = static_cast<std::size_t>(channels);
  if (values.empty()) return std::vector<float>(count, otherwise);
  if (values.size() != 1 && values.size() != count) {
    throw InvalidArgument(
        fmt::format("option '{}' has {} numbers; 1 or {} are needed, one per channel", name, values.size(), channels));
  }
  std::vector<float> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = static_cast<float>(values[values.size() == 1 ? 0 : i]);
  return all;
}

bool is_channel_count(std::int64_t extent) { return extent == 1 || extent == 3; }

bool channels_are_last(const ModelInput& input, const std::string& layout) {
  if (input.shape.size() != 4) {
    throw InvalidArgument(fmt::format("the model's input '{}' has shape {}; for pictures four axes are needed",
                                      input.name, to_string(input.shape)));
  }
  if (!layout.empty() && layout != "nchw" && layout != "nhwc")
    throw InvalidArgument(fmt::format("option 'layout' is '{}'; nchw or nhwc is needed", layout));
  if (!layout.empty()) return layout == "nhwc";
  if (is_channel_count(input.shape[1])) return false;
  if (is_channel_count(input.shape[3])) return true;
  throw InvalidArgument(fmt::format(
      "the model's input '{}' has shape {}, of which no axis has 1 or 3 channels; option 'layout' is needed",
      input.name, to_string(input.shape)));
}

void check_numbers(const ImageOptions& options) {
  if (options.color != "rgb" && options.color != "bgr")
    throw InvalidArgument(fmt::format("option 'color' is '{}'; rgb or bgr is needed", options.color));
  if (!(options.crop > 0 && options.crop <= 1))
    throw InvalidArgument(fmt::format("option 'crop' is {}; a number above 0 and up to 1 is needed", options.crop));
  if (std::ranges::find(options.scale, 0.0) != options.scale.end())
    throw InvalidArgument("option 'scale' holds 0; other numbers are needed");
  const bool in_range = std::ranges::all_of(options.size, [](auto side) { return side >= 1 && side <= kLargestSide; });
  if (options.size.size() > 2 || !in_range) {
    throw InvalidArgument(fmt::format("option 'size' is {}; one number, or height and width, from 1 to {} are needed",
                                      fmt::join(options.size, ","), kLargestSide));
  }
}

}  // namespace

Picture decode(const std::filesystem::path& path, int channels) {
  Picture picture{.channels = channels};
  int found = 0;
  const std::unique_ptr<std::uint8_t, void (*)(void*)> values(
      stbi_load(path.c_str(), &picture.width, &picture.height, &found, 0), stbi_image_free);
  if (!values)
    throw IoError(fmt::format("cannot read the picture '{}': {}", path.string(), stbi_failure_reason()), false);
  const std::size_t pixels = static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height);
  picture.values.reserve(pixels * static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint8_t* pixel = values.get() + i * static_cast<std::size_t>(found);
    const bool gray = found < 3;
    const int red = pixel[0], green = pixel[gray ? 0 : 1], blue = pixel[gray ? 0 : 2];
    if (channels == 1) {
      // Weights of BT.601, as 16-bit fractions.
      picture.values.push_back(static_cast<std::uint8_t>((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16));
    } else {
      picture.values.insert(picture.values.end(), {static_cast<std::uint8_t>(red), static_cast<std::uint8_t>(green),
                                                   static_cast<std::uint8_t>(blue)});
    }
  }
  return picture;
}

Picture resized(const Picture& picture, int height, int width) {
  // First what leaves less to do.
  const bool rows_first =
      static_cast<std::int64_t>(picture.height) * width <= static_cast<std::int64_t>(height) * picture.width;
  return rows_first ? resized_columns(resized_rows(picture, width), height)
                    : resized_rows(resized_columns(picture, height), width);
}

Picture center_of(const Picture& picture, int height, int width) {
  const int top = static_cast<int>(std::nearbyint((picture.height - height) / 2.0));
  const int left = static_cast<int>(std::nearbyint((picture.width - width) / 2.0));
  const auto channels = static_cast<std::size_t>(picture.channels);
  Picture center{height, width, picture.channels, {}};
  for (int y = 0; y < height; ++y) {
    const std::size_t first =
        (static_cast<std::size_t>(top + y) * static_cast<std::size_t>(picture.width) + static_cast<std::size_t>(left)) *
        channels;
    const auto* row = &picture.values[first];
    center.values.insert(center.values.end(), row, row + static_cast<std::size_t>(width) * channels);
  }
  return center;
}

Preparation preparation_for(const ModelInput& input, const ImageOptions& options) {
  check_numbers(options);
  Preparation how{.crop = options.crop, .keep_ratio = options.keep_ratio || options.crop < 1, .type = input.type};
  how.channels_last = channels_are_last(input, options.layout);
  const std::int64_t channels = input.shape[how.channels_last ? 3 : 1];
  if (!is_channel_count(channels) && channels >= 0) {
    throw InvalidArgument(fmt::format("the model's input '{}' has shape {}, {} channels; pictures have 1 or 3",
                                      input.name, to_string(input.shape), channels));
  }
  how.channels = channels < 0 ? 3 : static_cast<int>(channels);
  const std::size_t first = how.channels_last ? 1 : 2;
  const auto side = [&](std::size_t i) {
    const std::int64_t fixed = input.shape[first + i];
    const std::int64_t asked = options.size.empty() ? fixed : options.size[std::min(i, options.size.size() - 1)];
    if (asked < 0) {
      throw InvalidArgument(
          fmt::format("the model's input '{}' has shape {}; option 'size' must say how large pictures "
                      "are",
                      input.name, to_string(input.shape)));
    }
    if (fixed >= 0 && asked != fixed) {
      throw InvalidArgument(fmt::format("option 'size' does not fit the model's input '{}' of shape {}", input.name,
                                        to_string(input.shape)));
    }
    return static_cast<int>(asked);
  };
  how.height = side(0);
  how.width = side(1);
  how.mean = per_channel("mean", options.mean, how.channels, 0);
  how.scale = per_channel("scale", options.scale, how.channels, 1);
  how.reversed = options.color == "bgr" && how.channels == 3;
  return how;
}

Tensor prepared(const std::filesystem::path& path, const Preparation& how) {
  Picture picture = decode(path, how.channels);
  if (how.keep_ratio) {
    // The smallest picture of the same form whose center, `crop` of it, is as large as the input.
    const double factor = std::max(std::floor(how.height / how.crop + 0.5) / picture.height,
                                   std::floor(how.width / how.crop + 0.5) / picture.width);
    const auto side = [&](int from, int least) {
      return std::max(static_cast<int>(std::floor(from * factor + 1e-6)), least);
    };
    picture = resized(picture, side(picture.height, how.height), side(picture.width, how.width));
    picture = center_of(picture, how.height, how.width);
  } else if (picture.height != how.height || picture.width != how.width) {
    picture = resized(picture, how.height, how.width);
  }
  const auto channels = static_cast<std::size_t>(how.channels);
  const std::size_t pixels = picture.values.size() / channels;
  std::vector<float> values(picture.values.size());
  for (std::size_t i = 0; i < pixels; ++i) {
    for (std::size_t c = 0; c < channels; ++c) {
      const std::uint8_t value = picture.values[i * channels + (how.reversed ? channels - 1 - c : c)];
      values[how.channels_last ? i * channels + c : c * pixels + i] = (value - how.mean[c]) / how.scale[c];
    }
  }
  const Shape shape =
      how.channels_last ? Shape{1, how.height, how.width, how.channels} : Shape{1, how.channels, how.height, how.width};
  return Tensor::copy_of(std::span<const float>(values), shape).cast(how.type);
}

}  // namespace tightrope
