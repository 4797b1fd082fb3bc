// SPDX-License-Identifier: Apache-2.0
// The table of operations, with search and filter.
"use strict";

/** Fills the section; select(operation) is called for the one whose name was clicked. Gives mark(operation). */
function operationTable(operations, select) {
  const section = show("operations");
  const listed = operations.filter((operation) => operation.fate !== "end");
  const search = document.getElementById("search");
  const checks = fateChecks(listed);
  const rows = listed.map((operation) => {
    const name = operation.at ? element("button", { type: "button", class: "link name" }, operation.name)
      : element("span", { class: "name" }, operation.name);
    if (operation.at) name.addEventListener("click", () => select(operation));
    // Roles are spelled out because a phone shows rows as blocks, which would end them.
    const row = element("tr", { role: "row" },
      element("th", { scope: "row", role: "rowheader" }, name, operation.type ? element("span", { class: "type" }, ` ${operation.type}`) : null),
      element("td", { role: "cell", class: "fate" }, mark(operation.fate), FATES[operation.fate]),
      element("td", { role: "cell", class: "why" }, operation.reason));
    const text = `${operation.name} ${operation.type || ""} ${operation.reason} ${FATES[operation.fate]}`.toLowerCase();
    return { operation, row, text };
  });
  const title = (text) => element("th", { scope: "col", role: "columnheader" }, text);
  section.querySelector(".rows").append(element("table", { role: "table", "aria-label": "Operations" },
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, title("Operation"), title("Runs in"), title("Why"))),
    element("tbody", { role: "rowgroup" }, rows.map((each) => each.row))));

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { operation, row, text } of rows) {
      row.hidden = !(checks[operation.fate].checked && words.every((word) => text.includes(word)));
      if (!row.hidden) ++count;
    }
    document.getElementById("matches").textContent = `${count} of ${counted(rows.length, "operation")}`;
  }
  section.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  section.querySelector("form").addEventListener("input", filter);
  filter();
  return (selected) => {
    for (const { operation, row } of rows) {
      if (operation === selected) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  };
}

/** A check box for each fate that occurs, by fate. */
function fateChecks(operations) {
  const checks = {};
  for (const fate of ["reverted", "int8", "float"]) {
    const count = operations.filter((operation) => operation.fate === fate).length;
    checks[fate] = element("input", { type: "checkbox", id: `fate-${fate}`, checked: "" });
    if (!count) continue;
    document.getElementById("fates").append(element("label", {}, checks[fate], mark(fate), `${FATES[fate]} (${count})`));
  }
  return checks;
}
