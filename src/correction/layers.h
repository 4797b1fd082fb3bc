// SPDX-License-Identifier: Apache-2.0
// Layers as sums of products, on some of the rows of numbers that they multiply their weights with: what a change of
// weights or ranges does to their outputs is computed from these, without running the model.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "tightrope/graph.h"
#include "tightrope/model.h"
#include "tightrope/plan.h"

namespace tightrope {

// A convolution (with groups or without) or a matrix product whose weight is quantized. Its output channel `c` is the
// sum over `i` of element (c, i) of the weight times entry `i` of a row: a patch of the data, or what lies along their
// last axis. With groups each has its own part of the row, one after the other.
struct Layer {
  std::size_t weight = 0;          // index into Plan::quantizers
  std::size_t data_quantizer = 0;  // of the data; the number of quantizers where there is none
  ValueId data = kNone;
  ValueId elements = kNone;  // of the weight
  std::vector<std::int64_t> taps;
  std::size_t channels = 0;   // of the output
  std::size_t inputs = 0;     // entries that one channel sums over
  bool inputs_first = false;  // the weight is [inputs, channels], otherwise [channels, inputs]

  std::size_t element(std::size_t channel, std::size_t input) const {
    return inputs_first ? input * channels + channel : channel * inputs + input;
  }
};

// Of weights of 8-bit integers, in the order of the plan. Layers whose geometry is unknown, or that read a weight
// together with others, are left out.
std::vector<Layer> layers_of(const Plan& plan, const Graph& graph);

// Rows of one layer: [count, groups, inputs], as the base computes them, divided where the plan smooths the data.
struct Rows {
  std::vector<float> values;
  std::size_t count = 0;
  std::size_t groups = 0;
  std::vector<std::size_t> ends;  // by sample: the number of rows up to and with it

  // Entries from the first of a row to that of the next.
  std::size_t width(const Layer& layer) const { return groups * layer.inputs; }
};

// At most so many rows of each layer on each sample (`wanted`, by layer), spread over the positions of its output.
// Where the rows of samples differ in length there are none. Runs `model`, the base, on all samples. Of batches it
// looks at the first entries only, along the first axis, where the data of all layers would take more than these bytes
// together: at one of each at least, in several passes if need be.
std::vector<Rows> sample_rows(const Model& model, const Plan& plan, std::span<const Layer> layers,
                              std::span<const Sample> samples, std::span<const std::size_t> wanted,
                              std::size_t together = std::size_t{64} << 20U);

}  // namespace tightrope
