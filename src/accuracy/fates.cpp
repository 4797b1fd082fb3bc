// SPDX-License-Identifier: Apache-2.0
#include "accuracy/fates.h"

#include <fmt/format.h>

#include <algorithm>

namespace tightrope {
namespace {

std::string why_reverted(const GroupRecord& group, std::vector<bool> with_it, const Candidates& candidates,
                         const Report& report) {
  if (!candidates.knows(with_it)) return "It was reverted to meet the limit; its return alone was not tried.";
  const EvaluationRecord& record = candidates.trial(with_it).record;
  if (record.drop <= report.max_drop && group.saving) return "It was reverted since it saves no time in 8 bits.";
  return fmt::format("It was reverted: with it in 8 bits {} would be {}{:.6g} ({}).",
                     report.limits.empty() ? "the drop" : "the largest share of a limit used up",
                     record.early ? "about " : "", record.drop, record.name);
}

std::string why_kept(const GroupRecord& group, const Report& report) {
  const auto repair = std::ranges::find(report.repairs, group.operations, &RepairRecord::operations);
  if (repair != report.repairs.end()) return fmt::format("It stays in 8 bits, repaired: {}.", repair->what);
  return report.status == "met" ? "It stays in 8 bits: the limit is met with it."
                                : "It stays in 8 bits in the best model that was measured.";
}

}  // namespace

void tell_fates(Report& report, const RestoreResult& found, const Candidates& candidates) {
  for (std::size_t g = 0; g < report.groups.size(); ++g) {
    GroupRecord& group = report.groups[g];
    group.reverted = found.best.reverted[g];
    if (g < found.contributions.size()) group.contribution = found.contributions[g];
    std::vector<bool> with_it = found.best.reverted;
    with_it[g] = false;
    group.why = group.reverted ? why_reverted(group, with_it, candidates, report) : why_kept(group, report);
  }
}

}  // namespace tightrope
