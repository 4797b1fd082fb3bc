// SPDX-License-Identifier: Apache-2.0
#include "accuracy/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "accuracy/drop_model.h"
#include "accuracy/trials.h"

namespace tightrope {
namespace {

using Set = std::vector<bool>;
using Groups = std::vector<std::size_t>;

constexpr int kProposals = 25;
constexpr int kFailuresBeforeEverything = 5;  // if that fails too, the rest of the search would be wasted
constexpr std::size_t kOneByOne = 8;          // sets up to this size are given back one by one: most have to stay
constexpr double kSmallChance = 0.1;          // of a chunk that is tried all the same
constexpr double kWorthATrial = 0.1;          // chance of a cheaper set
constexpr int kFruitlessTrials = 3;           // for cheaper sets, until the search ends
constexpr std::size_t kManyMembers = 40;      // too many neighbours to look for cheaper ones among them

class Search {
 public:
  Search(std::span<const double> prices, Trials& trials, DropModel& model)
      : prices_(prices), trials_(trials), model_(model) {}

  // False where even everything reverted fails.
  bool find_any();
  // Gives back until a whole round returns nothing: then each member was seen to be needed. Says whether it got there.
  bool minimize();
  // A cheaper set than the best one that passes. The best one is minimal.
  bool find_cheaper();

 private:
  // From the most to the least harm per price, as far as is known by now.
  Groups order() const;
  Set proposal(const Groups& order) const;
  bool gallop(std::size_t start);
  Groups give_back(Set& reverted, const Groups& members, std::size_t largest);
  std::size_t chunk_of(const Set& reverted, std::span<const std::size_t> members, std::size_t largest) const;
  Set most_promising(double& chance) const;

  std::span<const double> prices_;
  Trials& trials_;
  DropModel& model_;
};

Groups Search::order() const {
  const std::vector<double>& harm = model_.contributions();
  Groups order(prices_.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return harm[a] / prices_[a] > harm[b] / prices_[b]; });
  return order;
}

// The shortest prefix that is predicted to meet the limit, without those that the prediction can do without.
Set Search::proposal(const Groups& order) const {
  const std::vector<double>& harm = model_.contributions();
  double predicted = std::accumulate(harm.begin(), harm.end(), 0.0);
  Set reverted(order.size(), false);
  Groups members;
  for (auto next = order.begin(); predicted > trials_.max_drop() && next != order.end(); ++next) {
    predicted -= harm[*next];
    reverted[*next] = true;
    members.push_back(*next);
  }
  std::ranges::stable_sort(members, [&](std::size_t a, std::size_t b) { return prices_[a] > prices_[b]; });
  for (const std::size_t g : members) {
    if (predicted + harm[g] > trials_.max_drop()) continue;
    predicted += harm[g];
    reverted[g] = false;
  }
  // What was tried failed, or is no news: one more group.
  for (auto next = order.begin(); next != order.end() && trials_.knows(reverted); ++next) reverted[*next] = true;
  return reverted;
}

bool Search::find_any() {
  const Set everything(prices_.size(), true);
  int failures = 0;
  for (int round = 0; round < kProposals && !trials_.over(); ++round) {
    if (!trials_.met() && failures == kFailuresBeforeEverything) trials_.passes(everything);
    if (!trials_.met() && trials_.knows(everything)) return false;
    const Set reverted = proposal(order());
    if (trials_.knows(reverted) || (trials_.met() && trials_.price_of(reverted) >= trials_.best_price())) break;
    if (!trials_.passes(reverted)) ++failures;
  }
  if (trials_.met()) return true;
  const Set reverted = proposal(order());
  return gallop(static_cast<std::size_t>(std::ranges::count(reverted, true))) || trials_.passes(everything);
}

// Prefixes of the order, longer and longer.
bool Search::gallop(std::size_t start) {
  const Groups order = this->order();
  Set reverted(order.size(), false);
  std::size_t size = 0;
  for (std::size_t step = 1; size < order.size(); step *= 2) {
    const std::size_t wanted = std::min(std::max(start, size + step), order.size());
    for (; size < wanted; ++size) reverted[order[size]] = true;
    if (trials_.passes(reverted)) return true;
  }
  return false;
}

// How many of `members`, the least harmful first, are given back at once.
std::size_t Search::chunk_of(const Set& reverted, std::span<const std::size_t> members, std::size_t largest) const {
  const DropModel::Around around(model_, reverted);
  std::size_t chunk = std::clamp<std::size_t>(largest, 1, members.size());
  while (chunk > 1 && around.chance(members.first(chunk)) < kSmallChance) --chunk;
  return chunk;
}

// One round over `members` of `reverted`, taking out what the limit allows: at most `largest` groups at a time, half as
// many after a failure and twice as many after a success; before the first success no more than will probably do. Says
// which members had to stay.
Groups Search::give_back(Set& reverted, const Groups& members, std::size_t largest) {
  Groups kept;
  bool has_succeeded = false;
  for (std::span<const std::size_t> left = members; !left.empty();) {
    const bool few = kept.size() + left.size() <= kOneByOne;
    const std::size_t chunk = few             ? 1
                              : has_succeeded ? std::clamp<std::size_t>(largest, 1, left.size())
                                              : chunk_of(reverted, left, largest);
    Set smaller = reverted;
    for (const std::size_t g : left.first(chunk)) smaller[g] = false;
    const bool passes = trials_.passes(smaller);
    if (passes) reverted = std::move(smaller);
    if (!passes && chunk == 1) kept.push_back(left.front());
    if (passes || chunk == 1) left = left.subspan(chunk);
    largest = passes ? 2 * chunk : chunk / 2;
    has_succeeded = has_succeeded || passes;
  }
  return kept;
}

bool Search::minimize() {
  Set reverted = trials_.best().reverted;
  for (std::size_t largest = prices_.size();; largest = 1) {  // what stayed in the first round does so mostly
    Groups members = order();
    std::erase_if(members, [&](std::size_t g) { return !reverted[g]; });
    std::ranges::reverse(members);
    const Groups kept = give_back(reverted, members, largest);
    if (trials_.over()) return false;
    if (kept.size() == members.size()) return true;
  }
}

// Of the sets with one or two members less and perhaps another group instead, cheaper and not tried yet, the one that
// most probably passes.
Set Search::most_promising(double& chance) const {
  const Set& best = trials_.best().reverted;
  const DropModel::Around around(model_, best);
  Groups members;
  Groups others;
  for (std::size_t g = 0; g < best.size(); ++g) (best[g] ? members : others).push_back(g);
  Set found;
  const auto consider = [&](std::span<const std::size_t> flipped, double saved) {
    if (saved <= 0) return;
    const double its_chance = around.chance(flipped);
    if (its_chance <= chance) return;
    Set candidate = best;
    for (const std::size_t g : flipped) candidate[g] = !candidate[g];
    if (trials_.knows(candidate)) return;
    chance = its_chance;
    found = std::move(candidate);
  };
  for (std::size_t i = 0; i < members.size(); ++i) {
    for (const std::size_t other : others) {
      consider(std::array{members[i], other}, prices_[members[i]] - prices_[other]);
    }
    for (std::size_t j = i + 1; j < members.size(); ++j) {
      const double saved = prices_[members[i]] + prices_[members[j]];
      consider(std::array{members[i], members[j]}, saved);
      for (const std::size_t other : others) {
        consider(std::array{members[i], members[j], other}, saved - prices_[other]);
      }
    }
  }
  return found;
}

bool Search::find_cheaper() {
  if (std::ranges::count(trials_.best().reverted, true) > static_cast<std::ptrdiff_t>(kManyMembers)) return false;
  for (int fruitless = 0; fruitless < kFruitlessTrials && !trials_.over(); ++fruitless) {
    double chance = kWorthATrial;
    const Set candidate = most_promising(chance);
    if (candidate.empty()) return false;
    if (trials_.passes(candidate)) return true;
  }
  return false;
}

std::string reason_of(const Trials& trials, bool minimal, std::int64_t max_validations) {
  if (minimal) return "No reverted operation can return to 8 bits within the limit.";
  if (trials.stopped()) return "The validation was stopped.";
  if (trials.over()) return fmt::format("Validations were limited to {} (max_num_iterations).", max_validations);
  return "Even with everything reverted the drop is above the limit.";
}

}  // namespace

RestoreResult restore(std::span<const double> prices, std::span<const double> scores, double initial_drop,
                      double max_drop, std::int64_t max_validations, const EvaluateSet& evaluate) {
  DropModel model(scores, initial_drop, max_drop);
  Trials trials(prices, initial_drop, max_drop, max_validations, evaluate, model);
  RestoreResult result;
  if (trials.met()) {
    result.stopped = "With everything in 8 bits the drop is within the limit.";
    result.minimal = true;
  } else if (prices.empty()) {
    result.stopped = "There is nothing to revert.";
  } else {
    Search search(prices, trials, model);
    if (search.find_any()) {
      do result.minimal = search.minimize();
      while (result.minimal && search.find_cheaper());
    }
    result.stopped = reason_of(trials, result.minimal, max_validations);
  }
  result.best = trials.best();
  result.met = trials.met();
  result.validations = trials.validations();
  result.contributions = model.contributions();
  return result;
}

}  // namespace tightrope
