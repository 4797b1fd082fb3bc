// SPDX-License-Identifier: Apache-2.0
// Places the nodes of an acyclic graph in layers, from top to bottom.
#pragma once

#include <span>
#include <vector>

namespace tightrope::report_page {

struct Point {
  double x = 0;
  double y = 0;
};

struct Edge {
  int from = 0;
  int to = 0;
};

// In pixels. Boxes are kBoxWidth wide and kBoxHeight high.
struct Layout {
  std::vector<Point> centers;             // by node
  std::vector<std::vector<Point>> bends;  // by edge: where it leaves the straight line between two centers
  double width = 0;
  double height = 0;
};

inline constexpr double kBoxWidth = 172;
inline constexpr double kBoxHeight = 40;

// Every edge leads from a node to one with a higher number, and is drawn downwards. A node is in the layer behind the
// last of its predecessors, those without any just before their first successor. Edges that cross layers get a place of
// their own in each. Within a layer, nodes are sorted by the mean position of their neighbours, in turns from above and
// below, and then moved as close to their neighbours as the order and the distances allow (least squares).
Layout lay_out(int nodes, std::span<const Edge> edges);

}  // namespace tightrope::report_page
