// SPDX-License-Identifier: Apache-2.0
// Data in files: arrays, images, raw elements.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tightrope/dataset.h"
#include "tightrope/graph.h"

namespace tightrope {

// What a model takes.
struct ModelInput {
  std::string name;
  ElementType type = ElementType::kF32;
  Shape shape;  // -1: open extent
};
std::vector<ModelInput> inputs_of(const Graph& graph);

// From a picture to what the model takes: resized (bilinear, over all pixels that a new one covers), the center cut
// out, channels ordered, then (value - mean) / scale on values from 0 to 255.
struct ImageOptions {
  std::vector<std::int64_t> size;  // one number, or height and width; empty: those of the model's input
  double crop =
      1;  // the share of the shorter side that the center keeps; 1: the whole picture is resized, and distorted
  bool keep_ratio = false;    // with a crop of 1: the shorter side is resized, and the center cut out
  std::vector<double> mean;   // one number, or one per channel in the model's order; empty: 0
  std::vector<double> scale;  // likewise; empty: 1
  std::string color = "rgb";  // or "bgr"; inputs of one channel are gray
  std::string layout;         // "nchw" or "nhwc"; empty: where the shape has 1 or 3 channels
};

struct DataOptions {
  std::string labels;     // array that holds labels: of a .npz, or of a folder of .npy files
  std::size_t batch = 0;  // entries that make one item; 0: as many as the model's input has, or 1
  ImageOptions images;
};

// Data for a model with these inputs:
// - a .npz file with an array per input, [items, ...], as read_npz() takes it; a .npy file for the one input;
// - a folder of pictures (.png, .jpg, .jpeg, .bmp), or of folders with pictures, whose order by name gives the labels;
// - a folder of .npy files, each an item, for the one input, or of folders with them, named after the inputs; and
//   LABELS.npy, [items, ...], where options.labels names it;
// - a folder of raw elements (.bin, .raw), each file an item in the type and shape of the one input, in the machine's
//   byte order;
// - a list (.txt): one item a line, a file per input in their order, then the label, if any: one number or more. Paths
//   are relative to the list; with a tab in it a line is split at tabs only, otherwise at blanks. '#' begins a comment.
// Files are read when their item is. Throws IoError that names the file, InvalidArgument for what does not fit.
std::unique_ptr<Dataset> read_data(const std::filesystem::path& path, std::span<const ModelInput> inputs,
                                   const DataOptions& options = {});

}  // namespace tightrope
