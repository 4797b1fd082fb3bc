// SPDX-License-Identifier: Apache-2.0
// Fingerprints of what runs depend on.
#pragma once

#include <string>

#include "base/fingerprint.h"
#include "tightrope/dataset.h"
#include "tightrope/model.h"

namespace tightrope {

// Of the structure and the constants, whatever operations are called.
std::string fingerprint_of(const Model& model);

// Names, types, shapes and bytes of the inputs; with the label where that counts.
void add_to(Fingerprint& fingerprint, const Sample& sample);
void add_with_label(Fingerprint& fingerprint, const Sample& sample);
std::string fingerprint_of(const Sample& sample);

// Of the first item, and of size() where it is known; where `to_the_end`, all items are read, and the last one and
// their number count, too.
std::string fingerprint_of(const Dataset& data, bool to_the_end);

}  // namespace tightrope
