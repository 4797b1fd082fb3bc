// SPDX-License-Identifier: Apache-2.0
#include "accuracy/validator.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "accuracy/drop.h"
#include "base/stopwatch.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {

std::tuple<bool, bool, std::size_t, double> standing(const EvaluationRecord& record, double max_drop) {
  const bool met = record.drop <= max_drop;
  return {record.early, !met, met ? record.reverted.size() : 0, record.drop};
}

Validator::Validator(const Means& means, const AccuracyOptions& options, Report& report, Evaluation original)
    : means_(means), options_(options), report_(report), original_(std::move(original)), seconds_(original_.seconds) {}

Trial Validator::operator()(const Plan& plan, std::string name, std::vector<std::string> reverted,
                            const std::optional<Evaluation>& given) {
  std::optional<Evaluation> known = find(plan);
  const Evaluation found = known ? std::move(*known) : given ? *given : measure(plan, name);
  seconds_ = std::max(seconds_, found.seconds);
  check_items(found.items, name);
  check_metrics(found, options_, name);
  if (report_.evaluations.empty()) original_ = found;
  Trial trial = add(found, std::move(name), std::move(reverted), false);
  if (!known && means_.memory.keep) means_.memory.keep(plan, found);
  tell(trial.record);
  return trial;
}

Trial Validator::record(const Evaluation& found, std::string name, std::vector<std::string> reverted, bool early) {
  Trial trial = add(found, std::move(name), std::move(reverted), early);
  tell(trial.record);
  return trial;
}

void Validator::tell(const EvaluationRecord& record) const {
  Event event{.kind = Event::Kind::kEvaluation, .evaluation = record};
  const auto candidates = std::span(report_.evaluations).subspan(1);  // the first one is the original
  const auto best = std::ranges::min_element(
      candidates, {}, [&](const EvaluationRecord& other) { return standing(other, report_.max_drop); });
  if (best != candidates.end()) event.best = *best;
  means_.watch.tell(std::move(event));
}

Trial Validator::add(const Evaluation& found, std::string name, std::vector<std::string> reverted, bool early) {
  // The original against itself is 0, or an error where a drop has no meaning.
  Loss loss = loss_of(original_, found, options_);
  const double metric = loss.binding.empty() ? found.metric : found.metrics.at(loss.binding);
  report_.evaluations.push_back({std::move(name), std::move(reverted), metric, loss.drop, found.items, found.seconds,
                                 std::move(loss.binding), std::move(loss.metrics), early});
  return {report_.evaluations.back(), found};
}

bool Validator::has_time_for(const Plan& plan, bool early) const {
  return has_time(early ? 2 * seconds_ : seconds_) || (find(plan) && !means_.watch.is_stopped());
}

bool Validator::has_time(double seconds) const {
  if (means_.watch.is_stopped()) return false;
  return !options_.time_budget || means_.since.seconds() + seconds <= *options_.time_budget;
}

std::optional<Evaluation> Validator::find(const Plan& plan) const {
  return means_.memory.find ? means_.memory.find(plan) : std::nullopt;
}

Evaluation Validator::measure(const Plan& plan, std::string_view name) {
  const Stopwatch watch;
  Evaluation found = means_.evaluate(plan, name);
  found.seconds = watch.seconds();
  if (!values_are_finite(found)) found.values.clear();
  return found;
}

void Validator::check_items(std::int64_t items, std::string_view name) {
  if (report_.evaluations.empty()) return;
  const EvaluationRecord& first = report_.evaluations.front();
  if (first.items > 0 && items == 0) {
    throw InvalidArgument(
        fmt::format("[validation] {}: no item was left, while {} read {}; the validation data must be readable again "
                    "from the start (a generator can be read once: pass a list, or an object whose __iter__ starts "
                    "over).",
                    name, first.name, first.items));
  }
  if (items == first.items || warned_) return;
  warned_ = true;
  log(LogLevel::kWarning,
      fmt::format("[validation] {}: {} items were read, but {} for the {}; drops are comparable only on the same data.",
                  name, items, first.items, first.name));
}

}  // namespace tightrope
