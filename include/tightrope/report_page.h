// SPDX-License-Identifier: Apache-2.0
// The report as a page for people: one HTML file that holds all it needs and loads nothing.
#pragma once

#include <string>
#include <vector>

#include "tightrope/graph.h"
#include "tightrope/quantize.h"
#include "tightrope/report.h"

namespace tightrope {

// What the page shows of the network besides the report.
struct PageNetwork {
  std::string title = {};                // of the page, such as the name of the model's file; empty: none
  const Graph* graph = nullptr;          // of the original or of the result; none: nothing is drawn
  std::vector<Decision> decisions = {};  // why operations are (not) in 8 bits, by NodeId of `graph`; empty: unknown
};

// What came out, in one sentence.
std::string verdict(const Report& report);

// The page. Names of operations are text in it, whatever characters they hold. Equal input gives equal bytes.
// Throws InvalidArgument for text that is not UTF-8.
std::string to_html(const Report& report, const PageNetwork& network = {});

}  // namespace tightrope
