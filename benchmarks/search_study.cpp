// SPDX-License-Identifier: Apache-2.0
// The search on generated networks, against the cheapest of all sets:
//
//   search_study_benchmark [NETWORKS=50] [MAX_DROP=0.02] [MOST_GROUPS=10]
//
// What is measured are the prices of the sets (one per operation) and the validations; both are the same everywhere.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "accuracy/restore.h"
#include "support/generated_problem.h"
#include "tightrope/log.h"

namespace {

using tightrope::test::GeneratedProblem;

// Whether no member of `reverted` can return within the limit.
bool is_minimal(GeneratedProblem& problem, const std::vector<bool>& reverted, double max_drop) {
  for (std::size_t g = 0; g < reverted.size(); ++g) {
    if (!reverted[g]) continue;
    std::vector<bool> smaller = reverted;
    smaller[g] = false;
    if (problem.drop(smaller) <= max_drop) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const int networks = argc > 1 ? std::atoi(argv[1]) : 50;
  const double max_drop = argc > 2 ? std::atof(argv[2]) : 0.02;
  const std::size_t most_groups = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 10;
  tightrope::set_log_sink({});
  double price = 0;
  double least = 0;
  std::int64_t validations = 0;
  int minimal = 0;
  fmt::print("| seed | groups | drop | reverted | least | validations | minimal |\n|---|---|---|---|---|---|---|\n");
  const auto study = [&](std::uint32_t seed, GeneratedProblem& problem) {
    const double initial = problem.drop(std::vector<bool>(problem.groups(), false));
    const auto result = tightrope::restore(problem.prices(), problem.scores(), initial, max_drop,
                                           std::numeric_limits<std::int64_t>::max(),
                                           [&](const std::vector<bool>& reverted) { return problem.drop(reverted); });
    const bool proven = result.minimal && is_minimal(problem, result.best.reverted, max_drop);
    const double its_price = problem.price_of(result.best.reverted);
    const double its_least = problem.least_price(max_drop);
    fmt::print("| {} | {} | {:.3f} | {} | {} | {} | {} |\n", seed, problem.groups(), initial, its_price, its_least,
               result.validations, proven ? "yes" : "no");
    price += its_price;
    least += its_least;
    validations += result.validations;
    minimal += proven ? 1 : 0;
  };
  tightrope::test::for_each_generated_problem(networks, max_drop, most_groups, study);
  fmt::print("\n{} networks: {} operations reverted, at least {} have to be ({:.3f}); {} validations; {} minimal\n",
             networks, price, least, price / least, validations, minimal);
}
