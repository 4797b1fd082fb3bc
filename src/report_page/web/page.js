// SPDX-License-Identifier: Apache-2.0
// Fills the sections from the data in the page. A section whose data the report lacks stays hidden.
"use strict";

const MOST_BARS = 20;

/** Original, everything in 8 bits, result; the limit. */
function showMetrics(report) {
  const tiles = [];
  const add = (title, value, note) => {
    if (value == null) return;
    tiles.push(element("div", {}, element("dt", {}, title), element("dd", { class: "number" }, value), element("dd", { class: "note" }, note)));
  };
  const change = (drop) => (drop == null ? "" : `drop ${dropText(report, drop)}`);
  const evaluated = (name) => (report.evaluations || []).find((each) => each.name === name);
  const quantized = evaluated("quantized model");
  add("Original, FP32", number(report.original_metric), report.higher_is_better ? "higher is better" : "lower is better");
  add("Everything int8", number(report.quantized_metric), change(quantized && quantized.drop));
  add("Result", number(report.final_metric), change(report.drop));
  if (report.drop != null) add("Limit of the drop", dropText(report, report.max_drop), report.status);
  if (report.interval) {
    const [low, high] = [report.interval.low, report.interval.high].map((end) => dropText(report, end, 3));
    add("Drop on all data of this kind", `${low} to ${high}`,
      `with ${number(100 * report.interval.confidence)} % confidence`);
  }
  if (report.deployed) {
    add(`As deployed, ${report.deployed.precision}`, number(report.deployed.metric),
      `${change(report.deployed.drop)}, by execution ${dropText(report, report.deployed.drop_by_execution)}`);
  }
  add("In 8 bits", String(report.quantized.length), `of ${counted(report.quantized.length + report.reverted.length, "operation")}`);
  for (const metric of report.final_metrics || []) {
    const limit = report.limits.find((each) => each.name === metric.name);
    const text = (drop) => (limit.drop_type === "relative" ? `${number(100 * drop)} %` : number(drop));
    add(metric.name, number(metric.metric), `drop ${text(metric.drop)}, limit ${text(limit.max_drop)}`);
  }
  if (report.latency) {
    const { original, final } = report.latency;
    add("One inference", duration(final), `original ${duration(original)}: ${number(original / final, 3)} times as fast`);
  }
  if (report.calibration_items) add("Calibration items", String(report.calibration_items), report.framework);
  show("metrics").querySelector("dl").append(...tiles);
}

function showTried(report) {
  const evaluations = report.evaluations || [];
  if (evaluations.length < 2) return;
  const same = (names) => names.length === report.reverted.length && names.every((name, i) => name === report.reverted[i]);
  const points = evaluations.map((each, order) => ({ ...each, order, within: each.drop <= report.max_drop }));
  const candidates = points.slice(1);
  const chosen = candidates.filter((point) => same(point.reverted) && point.metric === report.final_metric).pop();
  if (chosen) chosen.chosen = true;
  const early = points.filter((point) => point.early).length;
  const section = show("tried", `${counted(points.length, "validation")}, ${early ? `${early} on a part and the others ` : ""}on the whole validation data` +
    `${report.minimal ? "; no operation that was returned to floating point can go back to 8 bits alone" : ""}.`);
  const readout = section.querySelector(".readout");
  const read = (point) => {
    readout.textContent = `${point.name}: metric ${number(point.metric)}, drop ${dropText(report, point.drop)}, ` +
      `${counted(point.reverted.length, "operation")} returned to floating point`;
  };
  section.querySelector(".charts").before(element("ul", { class: "key", "aria-hidden": "true" },
    element("li", {}, mark("within"), "within the limit"), element("li", {}, mark("beyond"), "beyond it")));
  section.querySelector(".charts").append(
    dropChart(report, points, { title: "In the order of validation", x: (point) => point.order, xTitle: "validation (0: the original)", connected: true, read }),
    dropChart(report, candidates, { title: "By what stays in floating point", x: (point) => point.reverted.length, xTitle: "operations returned to floating point", read }));
  section.querySelector(".scroll").append(dataTable("Validations", points, [
    { title: "Model", value: (point) => point.name + (point.chosen ? " (result)" : "") },
    { title: "Metric", numeric: true, value: (point) => number(point.metric) },
    { title: "Drop", numeric: true, value: (point) => dropText(report, point.drop) },
    { title: "Limit", value: (point) => (point.within ? "met" : "not met") },
    { title: "Returned to floating point", numeric: true, value: (point) => String(point.reverted.length) },
    { title: "Items", numeric: true, value: (point) => `${point.items}${point.early ? " (a part)" : ""}` },
    { title: "Time", numeric: true, value: (point) => (point.seconds ? duration(point.seconds) : null) },
  ]));
}

function showSensitivity(report) {
  const groups = d3.sort(report.groups || [], (a, b) => d3.descending(a.score, b.score));
  if (!groups.length) return;
  const section = show("sensitivity");
  const rows = groups.map((group) => ({
    name: group.operations[0], value: group.score, text: errorText(group.score), kind: group.reverted ? "reverted" : "int8",
    more: [group.operations.length > 1 ? `and ${group.operations.length - 1} more` : "", group.reverted ? "\u2013 returned" : ""].join(" ").trim(),
  }));
  section.querySelector(".bars").append(
    element("ul", { class: "key", "aria-hidden": "true" }, element("li", {}, mark("int8"), FATES.int8), element("li", {}, mark("reverted"), FATES.reverted)),
    ...barTable("Groups by sensitivity", rows, ["Group", "Output error"], MOST_BARS));
}

function showTime(report) {
  const stages = report.stages || [];
  const total = d3.sum(stages, (stage) => stage.seconds || 0);
  if (!total) return; // the report inside a model has no times
  const rows = stages.map((stage) => ({ name: stage.name, value: stage.seconds, text: duration(stage.seconds), kind: "plain" }));
  show("time", `${duration(total)} in all.`).querySelector(".bars").append(...barTable("Time by stage", rows, ["Stage", "Time"], Infinity));
}

function showEnvironment(report) {
  const facts = report.environment || [];
  if (!facts.length) return; // the report inside a model has none
  show("environment").querySelector(".scroll").append(dataTable("Environment", facts, [
    { title: "What", value: (fact) => fact.name },
    { title: "Found", value: (fact) => fact.value },
  ]));
}

function showScope(report) {
  if (!report.reverted.length) return;
  const shell = (name) => `'${name.replaceAll("'", "'\\''")}'`;
  const names = report.reverted.map((name) => JSON.stringify(name));
  const texts = {
    Python: `ignored_scope=tightrope.IgnoredScope(names=[\n${names.map((name) => `    ${name},\n`).join("")}])`,
    "Command line": report.reverted.map((name) => `--ignored-names ${shell(name)}`).join(" \\\n"),
    JSON: `[${names.join(", ")}]`,
  };
  const container = show("scope").querySelector(".snippets");
  for (const [title, text] of Object.entries(texts)) {
    const button = element("button", { type: "button", "aria-label": `Copy for ${title}` }, "Copy");
    const pre = element("pre", { tabindex: "0", "aria-label": `Ignored scope, ${title}` }, text);
    button.addEventListener("click", () => copy(text, pre, title));
    container.append(element("div", { class: "snippet" }, element("header", {}, element("h3", {}, title), button), pre));
  }
}

/** Browsers that keep pages on disk from the clipboard get the text selected. */
async function copy(text, shown, title) {
  const status = document.getElementById("copied");
  try {
    await navigator.clipboard.writeText(text);
    status.textContent = `Copied (${title}).`;
  } catch {
    getSelection().selectAllChildren(shown);
    status.textContent = document.execCommand("copy") ? `Copied (${title}).` : "Selected: copy it with the keyboard.";
  }
}

/** Why an operation is as it is: what placement said where that is known, then what accuracy control made of it. */
function addReasons(operations, report) {
  const groups = new Map((report.groups || []).flatMap((group) => group.operations.map((name) => [name, group])));
  const repairs = new Map((report.repairs || []).flatMap((repair) => repair.operations.map((name) => [name, repair])));
  for (const operation of operations) {
    const repair = repairs.get(operation.name);
    const repaired = repair ? `Repaired: ${repair.what}; the error of its outputs went from ${errorText(repair.error_before)} to ${errorText(repair.error)}.` : "";
    const group = groups.get(operation.name);
    const error = group ? `Quantized alone, its group causes an output error of ${errorText(group.score)}.` : "";
    const saving = group && group.saving != null ? `In 8 bits it saves ${duration(group.saving)} of an inference.` : "";
    const reasons = {
      int8: [operation.why, repaired, error, saving],
      reverted: [(group && group.why) || "Returned by accuracy control to keep the metric.", error, saving],
      float: [operation.why],
      end: [],
    };
    operation.reason = reasons[operation.fate].filter(Boolean).join(" ");
  }
}

function showContents() {
  for (const section of document.querySelectorAll("main > section[aria-labelledby]")) {
    if (section.hidden) continue;
    document.getElementById("contents").append(element("a", { href: `#${section.id}` }, section.querySelector("h2").textContent));
  }
}

(function fillPage() {
  const { report, operations, drawing, has_graph } = JSON.parse(document.getElementById("data").textContent);
  addReasons(operations, report);
  if (report.stopped) {
    document.getElementById("stopped").hidden = false;
    document.getElementById("stopped").textContent = report.stopped;
  }
  showMetrics(report);
  showTried(report);
  showSensitivity(report);
  let select = null;
  const markRow = operationTable(operations, (operation) => select(operation));
  if (drawing) select = networkDrawing(operations, drawing, markRow);
  else show("network", has_graph ? "The network is too large to be drawn." : "A report alone doesn't hold the network: make the page of the model to see it.");
  showScope(report);
  showTime(report);
  showEnvironment(report);
  showContents();
  window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => (each.open = true)));
  document.documentElement.dataset.ready = Math.round(performance.now());
})();
