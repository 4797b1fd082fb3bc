// SPDX-License-Identifier: Apache-2.0
// Metrics that need no code of the user's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tightrope/quantize.h"

namespace tightrope {

struct Metric {
  std::string name;
  bool higher_is_better = true;
  bool needs_labels = true;
  ValidationFn validate;  // the first output of the model counts, unless the metric says otherwise
};

// "top1": share of entries whose largest score (last axis; unit axes behind axis 1 do not count) stands at the label's
// index. A score that is not a number makes the entry wrong.
// "psnr": mean over entries of the peak signal-to-noise ratio in dB for targets with values in [0,1], to which
// outputs are clipped; at most 120 dB.
// "mse": mean over entries of the mean squared error; lower is better.
// "cosine": mean over entries of the cosine similarity with the outputs of `original`, all outputs joined; no labels.
// An item counts as the entries along axis 0 that its inputs, outputs and label agree on, so the batch size does not
// matter. Values per item come with the metric where all items have equally many entries.
// Throws InvalidArgument for an unknown name, listing the known ones.
Metric built_in_metric(const std::string& name, const Model& original);
std::vector<std::string> built_in_metric_names();

}  // namespace tightrope
