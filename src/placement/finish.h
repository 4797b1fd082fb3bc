// SPDX-License-Identifier: Apache-2.0
// What remains to be decided once quantizers have settled.
#pragma once

#include <vector>

#include "placement/propagate.h"

namespace tightrope {

// Leaves out quantizers that serve nothing but one elementwise operation whose other operand is not quantized, and that
// did not move: the operation gains nothing.
void drop_lonely_elementwise(const Setting& setting, std::vector<Site>& sites);

// Where the output of an embedding is quantized, its table may be instead, by the same configuration: then the output
// needs no quantizer. `sites` holds activations and weights.
void quantize_embeddings(const Setting& setting, std::vector<Site>& sites);

// Decides for the first configuration of each list. Only quantizers with one scale per tensor keep a shared one, and a
// quantizer whose input is quantized alike already is left out.
void choose_configs(std::vector<Site>& sites);

// In transformers: symmetric operands for products of two activations.
void make_products_symmetric(const Setting& setting, std::vector<Site>& sites);

// On CPUs with matrix extensions an addition takes one operand quantized, and the other as the operation in front of it
// gives it.
void keep_one_operand_of_additions(const Setting& setting, std::vector<Site>& sites);

}  // namespace tightrope
