// SPDX-License-Identifier: Apache-2.0
// Pictures: decoding, resizing, and the tensor that a model takes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "tightrope/data.h"
#include "tightrope/tensor.h"

namespace tightrope {

// Rows of pixels from the top, channels of a pixel side by side.
struct Picture {
  int height = 0;
  int width = 0;
  int channels = 0;
  std::vector<std::uint8_t> values = {};
};

// As red, green and blue, or as gray (channels 1); transparency is dropped. Throws IoError.
Picture decode(const std::filesystem::path& path, int channels);

// Bilinear: a new pixel is the mean of the old ones under a triangle as wide as the step between new pixels, two old
// pixels at least. Rows and columns are resized one after the other, and rounded in between: as Pillow has it,
// to one level in 255.
Picture resized(const Picture& picture, int height, int width);

Picture center_of(const Picture& picture, int height, int width);  // no larger than the picture

// How pictures become an input: options with everything that they leave to the input.
struct Preparation {
  int height = 0;
  int width = 0;
  int channels = 3;
  double crop = 1;
  bool keep_ratio = false;
  std::vector<float> mean = {};   // per channel, in the model's order
  std::vector<float> scale = {};  // likewise
  bool reversed = false;          // blue first
  bool channels_last = false;
  ElementType type = ElementType::kF32;
};

// Throws InvalidArgument where the input takes no pictures, or options don't fit it.
Preparation preparation_for(const ModelInput& input, const ImageOptions& options);

// [1, C, H, W] or [1, H, W, C].
Tensor prepared(const std::filesystem::path& path, const Preparation& how);

}  // namespace tightrope
