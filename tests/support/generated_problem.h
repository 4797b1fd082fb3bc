// SPDX-License-Identifier: Apache-2.0
// Small networks that lose accuracy in 8 bits, small enough to try every set of groups.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "accuracy/groups.h"
#include "support/fake_model.h"

namespace tightrope::test {

// A classifier of random weights: matrix products with activations between them, some with skip connections and with
// two products on one tensor, as a rule with channels far larger than the others. It is quantized for real, and its
// accuracy measured on 200 items. The same seed gives the same on every platform but for rounding in float.
class GeneratedProblem {
 public:
  explicit GeneratedProblem(std::uint32_t seed, std::size_t most_groups = 10);

  double drop(const std::vector<bool>& reverted);  // measured once per set

  std::size_t groups() const { return groups_.size(); }
  std::vector<double> prices() const;
  std::vector<double> scores() const;  // of 8 items
  double price_of(const std::vector<bool>& reverted) const;

  // The lowest price of all sets that meet the limit, by trying all of them.
  double least_price(double max_drop);

 private:
  double accuracy(const Model& model) const;

  std::unique_ptr<FakeModel> model_;
  Plan plan_;
  std::vector<Group> groups_;
  std::vector<Sample> ranking_items_;
  Sample items_;  // all in one
  std::vector<int> labels_;
  double original_ = 0;
  std::map<std::vector<bool>, double> drops_;
};

// The problems of the first seeds whose drop is above the limit, one after the other.
void for_each_generated_problem(int count, double max_drop, std::size_t most_groups,
                                const std::function<void(std::uint32_t seed, GeneratedProblem&)>& use);

}  // namespace tightrope::test
