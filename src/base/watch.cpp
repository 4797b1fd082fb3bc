// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "base/json.h"
#include "base/report_records.h"
#include "base/watch.h"

namespace tightrope {

void Watch::tell(Event event) const {
  if (!state_ || !state_->function) return;
  if (event.kind == Event::Kind::kStageStarted) state_->stage = event.stage;
  if (event.stage.empty()) event.stage = state_->stage;
  if (state_->function(event)) state_->is_stopped = true;
}

std::string to_json(const Event& event) {
  constexpr std::array kKinds = {"stage_started", "stage_ended", "progress", "evaluation", "ranking"};
  Json json = {{"kind", kKinds.at(static_cast<std::size_t>(event.kind))},
               {"stage", event.stage},
               {"seconds", event.seconds},
               {"done", event.done},
               {"total", event.total}};
  json["evaluation"] = event.evaluation ? json_of(*event.evaluation, true) : Json();
  json["best"] = event.best ? json_of(*event.best, true) : Json();
  json["groups"] = Json::array();
  for (const GroupRecord& group : event.groups) json["groups"].push_back(json_of(group, true));
  return json.dump();
}

}  // namespace tightrope
