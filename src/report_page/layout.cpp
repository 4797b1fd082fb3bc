// SPDX-License-Identifier: Apache-2.0
#include "report_page/layout.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

namespace tightrope::report_page {
namespace {

constexpr double kLayerDistance = 68;
constexpr double kGap = 20;        // between two boxes of a layer
constexpr double kLaneWidth = 14;  // of an edge that passes through a layer
constexpr int kOrderSweeps = 8;
constexpr int kPlaceSweeps = 10;
constexpr double kStraightness = 8;  // weight of a passing edge: it should bend less readily than boxes move

// A box, or one layer of an edge that passes through it.
struct Item {
  int layer = 0;
  bool is_lane = false;
  double x = 0;
  std::vector<int> above;
  std::vector<int> below;
};

using Layers = std::vector<std::vector<int>>;  // items from left to right

std::vector<int> layers_of(int nodes, std::span<const Edge> edges) {
  std::vector<std::vector<int>> successors(static_cast<std::size_t>(nodes));
  std::vector<int> layers(static_cast<std::size_t>(nodes), 0);
  std::vector<bool> is_source(static_cast<std::size_t>(nodes), true);
  for (const Edge& edge : edges) {
    successors[edge.from].push_back(edge.to);
    is_source[edge.to] = false;
  }
  for (int node = 0; node < nodes; ++node) {
    for (const int next : successors[node]) layers[next] = std::max(layers[next], layers[node] + 1);
  }
  for (int node = 0; node < nodes; ++node) {
    if (!is_source[node] || successors[node].empty()) continue;
    int first = std::numeric_limits<int>::max();
    for (const int next : successors[node]) first = std::min(first, layers[next]);
    layers[node] = first - 1;
  }
  return layers;
}

void link(std::vector<Item>& items, int upper, int lower) {
  items[upper].below.push_back(lower);
  items[lower].above.push_back(upper);
}

// Boxes first; the lanes of each edge are returned from top to bottom.
std::vector<std::vector<int>> add_lanes(std::vector<Item>& items, std::span<const Edge> edges) {
  std::vector<std::vector<int>> lanes;
  for (const Edge& edge : edges) {
    std::vector<int>& own = lanes.emplace_back();
    int last = edge.from;
    for (int layer = items[edge.from].layer + 1; layer < items[edge.to].layer; ++layer) {
      const int lane = static_cast<int>(items.size());
      Item& item = items.emplace_back();
      item.layer = layer;
      item.is_lane = true;
      link(items, last, lane);
      own.push_back(last = lane);
    }
    link(items, last, edge.to);
  }
  return lanes;
}

double mean_of(const std::vector<int>& neighbours, const std::vector<double>& values, double otherwise) {
  if (neighbours.empty()) return otherwise;
  double sum = 0;
  for (const int each : neighbours) sum += values[each];
  return sum / static_cast<double>(neighbours.size());
}

// Calls step(layer, from_above) for all layers downwards and upwards in turns, the last time downwards.
template <class Step>
void sweep(Layers& layers, int times, Step step) {
  for (int i = 0; i < times; ++i) {
    const bool down = (times - i) % 2 == 1;
    for (std::size_t k = 0; k < layers.size(); ++k) step(layers[down ? k : layers.size() - 1 - k], down);
  }
}

void sort_layers(const std::vector<Item>& items, Layers& layers) {
  std::vector<double> position(items.size(), 0);
  std::vector<double> wanted(items.size(), 0);
  const auto number = [&](const std::vector<int>& layer) {
    for (std::size_t i = 0; i < layer.size(); ++i) position[layer[i]] = static_cast<double>(i);
  };
  for (const auto& layer : layers) number(layer);
  sweep(layers, kOrderSweeps, [&](std::vector<int>& layer, bool down) {
    for (const int id : layer) wanted[id] = mean_of(down ? items[id].above : items[id].below, position, position[id]);
    std::ranges::stable_sort(layer, {}, [&](int id) { return wanted[id]; });
    number(layer);
  });
}

double extent(const Item& item) { return item.is_lane ? kLaneWidth : kBoxWidth + kGap; }

// Moves a layer as close to `wanted` as order and distances allow: neighbours that want to overlap move as one block.
void place_layer(const std::vector<int>& layer, std::vector<Item>& items, const std::vector<double>& wanted) {
  struct Block {
    double weight;
    double x;  // of its first item
    std::size_t size;
  };
  std::vector<Block> blocks;
  std::vector<double> offsets;  // from the first item of the layer if all stand close
  double offset = 0;
  for (std::size_t i = 0; i < layer.size(); ++i) {
    const Item& item = items[layer[i]];
    if (i > 0) offset += (extent(items[layer[i - 1]]) + extent(item)) / 2;
    offsets.push_back(offset);
    blocks.push_back({item.is_lane ? kStraightness : 1, wanted[layer[i]] - offset, 1});
    while (blocks.size() > 1 && blocks[blocks.size() - 2].x > blocks.back().x) {
      const Block last = blocks.back();
      blocks.pop_back();
      Block& joined = blocks.back();
      joined.x = (joined.x * joined.weight + last.x * last.weight) / (joined.weight + last.weight);
      joined.weight += last.weight;
      joined.size += last.size;
    }
  }
  std::size_t next = 0;
  for (const Block& block : blocks) {
    for (std::size_t i = 0; i < block.size; ++i, ++next) items[layer[next]].x = block.x + offsets[next];
  }
}

void place_items(std::vector<Item>& items, Layers& layers) {
  std::vector<double> x(items.size(), 0);
  std::vector<double> wanted(items.size(), 0);
  for (const auto& layer : layers) place_layer(layer, items, wanted);
  for (std::size_t id = 0; id < items.size(); ++id) x[id] = items[id].x;
  sweep(layers, kPlaceSweeps, [&](std::vector<int>& layer, bool down) {
    for (const int id : layer) wanted[id] = mean_of(down ? items[id].above : items[id].below, x, x[id]);
    place_layer(layer, items, wanted);
    for (const int id : layer) x[id] = items[id].x;
  });
}

// Without points that lie on the line between those around them.
std::vector<Point> bends_of(const std::vector<Point>& path) {
  std::vector<Point> bends;
  for (std::size_t i = 1; i + 1 < path.size(); ++i) {
    const bool straight = std::abs(2 * path[i].x - path[i - 1].x - path[i + 1].x) < 0.5;
    if (!straight) bends.push_back(path[i]);
  }
  return bends;
}

}  // namespace

Layout lay_out(int nodes, std::span<const Edge> edges) {
  Layout result;
  if (nodes == 0) return result;
  std::vector<Item> items(static_cast<std::size_t>(nodes));
  const std::vector<int> layer_of = layers_of(nodes, edges);
  for (int node = 0; node < nodes; ++node) items[node].layer = layer_of[node];
  const std::vector<std::vector<int>> lanes = add_lanes(items, edges);
  Layers layers(static_cast<std::size_t>(std::ranges::max(layer_of)) + 1);
  for (std::size_t id = 0; id < items.size(); ++id) layers[items[id].layer].push_back(static_cast<int>(id));
  sort_layers(items, layers);
  place_items(items, layers);

  double left = std::numeric_limits<double>::max();
  double right = std::numeric_limits<double>::lowest();
  for (const Item& item : items) {
    left = std::min(left, item.x - extent(item) / 2);
    right = std::max(right, item.x + extent(item) / 2);
  }
  const auto point_of = [&](int id) {
    return Point{std::round(items[id].x - left), kLayerDistance * (items[id].layer + 0.5)};
  };
  for (int node = 0; node < nodes; ++node) result.centers.push_back(point_of(node));
  for (std::size_t i = 0; i < edges.size(); ++i) {
    std::vector<Point> path = {point_of(edges[i].from)};
    for (const int lane : lanes[i]) path.push_back(point_of(lane));
    path.push_back(point_of(edges[i].to));
    result.bends.push_back(bends_of(path));
  }
  result.width = std::ceil(right - left);
  result.height = kLayerDistance * static_cast<double>(layers.size());
  return result;
}

}  // namespace tightrope::report_page
