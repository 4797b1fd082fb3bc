// SPDX-License-Identifier: Apache-2.0
// What all parts of the page share: words, numbers, elements. Text from the report only ever becomes text nodes.
"use strict";

const FATES = {
  int8: "8 bits",
  reverted: "Returned to floating point",
  float: "Floating point",
  end: "Input or output",
};

/** As many digits at most; null for what was not measured. */
function number(value, digits = 6) {
  return value == null ? null : Number(value.toPrecision(digits)).toString().replace("-", "\u2212");
}

/** Three digits of an error between 0 and 1, which may be tiny. */
function errorText(value) {
  return d3.format(".3~g")(value);
}

/** A drop in the unit of the limit. */
function dropText(report, value, digits = 6) {
  if (value == null) return null;
  return report.drop_type === "relative" ? `${number(100 * value, digits)}%` : number(value, digits);
}

function duration(seconds) {
  if (Math.abs(seconds) < 0.00995) return `${(1000 * seconds).toPrecision(2)} ms`;
  if (seconds < 0.0995) return `${Math.max(1, Math.round(1000 * seconds))} ms`;
  if (seconds < 99.5) return `${seconds.toPrecision(seconds < 10 ? 2 : 3)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${(seconds / 3600).toPrecision(3)} h`;
}

function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** An element with attributes and content: texts, elements, or lists of them. */
function element(name, attributes, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value != null) made.setAttribute(key, value);
  }
  made.append(...content.flat().filter((part) => part != null));
  return made;
}

function mark(kind) {
  return element("span", { class: `mark ${kind}`, "aria-hidden": "true" });
}

/** A table of rows by columns of {title, value, numeric}; columns without any value are left out. */
function dataTable(caption, rows, columns) {
  const shown = columns.filter((column) => rows.some((row) => column.value(row) != null));
  const kind = (column) => ({ class: column.numeric ? "number" : null });
  const cells = (row) => shown.map((column, i) => element(i ? "td" : "th", { ...kind(column), ...(i ? {} : { scope: "row" }) }, column.value(row)));
  return element("table", { "aria-label": caption },
    element("thead", {}, element("tr", {}, shown.map((column) => element("th", { ...kind(column), scope: "col" }, column.title)))),
    element("tbody", {}, rows.map((row) => element("tr", {}, cells(row)))));
}

/** Shows a section, with a lead sentence where one is given; gives the section. */
function show(id, lead) {
  const section = document.getElementById(id);
  section.hidden = false;
  if (lead) section.querySelector(".lead").textContent = lead;
  return section;
}
