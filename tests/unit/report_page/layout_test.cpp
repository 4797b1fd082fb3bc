// SPDX-License-Identifier: Apache-2.0
#include "report_page/layout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace tightrope::report_page {
namespace {

// A chain of residual blocks: every third node is also read by the one three further on.
std::vector<Edge> residual_edges(int nodes) {
  std::vector<Edge> edges;
  for (int node = 0; node + 1 < nodes; ++node) edges.push_back({node, node + 1});
  for (int node = 0; node + 3 < nodes; node += 3) edges.push_back({node, node + 3});
  return edges;
}

TEST(Layout, NothingTakesNoRoom) {
  const Layout layout = lay_out(0, {});
  EXPECT_EQ(layout.width, 0);
  EXPECT_TRUE(layout.centers.empty());
}

TEST(Layout, EveryEdgeLeadsDownwards) {
  const std::vector<Edge> edges = residual_edges(40);
  const Layout layout = lay_out(40, edges);
  for (const Edge& edge : edges) EXPECT_LT(layout.centers[edge.from].y, layout.centers[edge.to].y);
}

TEST(Layout, BoxesDoNotOverlapAndLieInside) {
  std::vector<Edge> edges = residual_edges(30);
  for (int branch = 30; branch < 60; ++branch) edges.push_back({branch % 7, branch});
  const Layout layout = lay_out(60, edges);
  for (std::size_t i = 0; i < layout.centers.size(); ++i) {
    const Point& one = layout.centers[i];
    EXPECT_GE(one.x, kBoxWidth / 2);
    EXPECT_LE(one.x, layout.width - kBoxWidth / 2);
    EXPECT_LE(one.y, layout.height - kBoxHeight / 2);
    for (std::size_t j = 0; j < i; ++j) {
      const Point& other = layout.centers[j];
      EXPECT_TRUE(one.y != other.y || std::abs(one.x - other.x) >= kBoxWidth) << i << " and " << j;
    }
  }
}

TEST(Layout, AnEdgeThatSkipsLayersPassesBesideTheBoxesBetween) {
  const std::vector<Edge> edges = {{0, 1}, {1, 2}, {2, 3}, {0, 3}};
  const Layout layout = lay_out(4, edges);
  ASSERT_FALSE(layout.bends[3].empty());
  for (const Point& bend : layout.bends[3]) EXPECT_GE(std::abs(bend.x - layout.centers[1].x), kBoxWidth / 2);
  EXPECT_TRUE(layout.bends[0].empty());
}

TEST(Layout, ParallelBranchesDoNotCross) {
  // 0 feeds 1 and 2, whose followers were numbered the other way round.
  const std::vector<Edge> edges = {{0, 1}, {0, 2}, {2, 3}, {1, 4}, {3, 5}, {4, 5}};
  const Layout layout = lay_out(6, edges);
  EXPECT_EQ(layout.centers[1].x < layout.centers[2].x, layout.centers[4].x < layout.centers[3].x);
}

TEST(Layout, AnInputThatIsReadLateStandsWhereItIsRead) {
  const std::vector<Edge> edges = {{0, 2}, {2, 3}, {3, 4}, {1, 4}};
  const Layout layout = lay_out(5, edges);
  EXPECT_EQ(layout.centers[1].y, layout.centers[3].y);
}

}  // namespace
}  // namespace tightrope::report_page
