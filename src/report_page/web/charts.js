// SPDX-License-Identifier: Apache-2.0
// Charts: drops of what was tried, and tables whose rows have bars.
"use strict";

/**
 * Drops as points over `x`, with the limit as a line and the chosen model in a ring.
 * options: {title, x, xTitle, connected, read}; read(point) is called with the point that the pointer is next to.
 */
function dropChart(report, points, options) {
  const width = 480, height = 280, margin = { top: 14, right: 48, bottom: 42, left: 58 };
  const scaled = report.drop_type === "relative" ? 100 : 1;
  const drops = points.map((point) => scaled * point.drop).concat(scaled * report.max_drop, 0);
  const x = d3.scaleLinear(d3.extent(points, options.x), [margin.left + 12, width - margin.right - 12]);
  if (x.domain()[0] === x.domain()[1]) x.domain([x.domain()[0] - 1, x.domain()[1] + 1]);
  const y = d3.scaleLinear(d3.extent(drops), [height - margin.bottom, margin.top]).nice();
  const place = (point) => [x(options.x(point)), y(scaled * point.drop)];

  const label = `${options.title}: ${points.length} validations, drops from ${number(d3.min(drops))} to ` +
    `${number(d3.max(drops))}, limit ${number(scaled * report.max_drop)}. The table below has the numbers.`;
  const svg = d3.create("svg").attr("class", "chart").attr("viewBox", [0, 0, width, height])
    .attr("role", "img").attr("aria-label", label);
  const whole = x.ticks(Math.min(6, x.domain()[1] - x.domain()[0])).filter(Number.isInteger);
  svg.append("g").attr("transform", `translate(0,${height - margin.bottom})`)
    .call(d3.axisBottom(x).tickValues(whole).tickFormat(d3.format("d")).tickSizeOuter(0));
  svg.append("g").attr("transform", `translate(${margin.left},0)`)
    .call(d3.axisLeft(y).ticks(5).tickSize(-(width - margin.left - margin.right)))
    .call((axis) => axis.select(".domain").remove());
  svg.append("text").attr("x", (margin.left + width - margin.right) / 2).attr("y", height - 6)
    .attr("text-anchor", "middle").text(options.xTitle);
  svg.append("text").attr("transform", `translate(13,${(margin.top + height - margin.bottom) / 2}) rotate(-90)`)
    .attr("text-anchor", "middle").text(scaled === 100 ? "drop, % of the original" : "drop");

  const limit = y(scaled * report.max_drop);
  svg.append("line").attr("class", "limit").attr("x1", margin.left).attr("x2", width - margin.right)
    .attr("y1", limit).attr("y2", limit);
  svg.append("text").attr("class", "limit-name").attr("x", width - margin.right + 6)
    .attr("y", limit + 4).text("limit");
  if (options.connected) svg.append("path").attr("class", "path").attr("d", d3.line()(points.map(place)));
  const shape = (point) => d3.symbol(point.within ? d3.symbolCircle : d3.symbolDiamond, 64)();
  svg.append("g").selectAll("path").data(points).join("path")
    .attr("class", (point) => (point.within ? "within" : "beyond"))
    .attr("transform", (point) => `translate(${place(point)})`).attr("d", shape);
  const chosen = points.filter((point) => point.chosen);
  svg.append("g").selectAll("circle").data(chosen).join("circle").attr("class", "ring").attr("r", 9)
    .attr("cx", (point) => place(point)[0]).attr("cy", (point) => place(point)[1]);
  svg.append("g").selectAll("text").data(chosen).join("text").attr("class", "chosen-name")
    .attr("x", (point) => place(point)[0]).attr("y", (point) => place(point)[1] - 15)
    .attr("text-anchor", (point) => (place(point)[0] > 0.85 * width ? "end" : place(point)[0] < 0.25 * width ? "start" : "middle"))
    .text("result");
  svg.on("pointermove", (event) => {
    const [left, top] = d3.pointer(event);
    options.read(d3.least(points, (point) => Math.hypot(place(point)[0] - left, place(point)[1] - top)));
  });
  return element("figure", {}, element("figcaption", {}, options.title), svg.node());
}

/** Rows of {name, more, value, text, kind} with bars, the first `most` of them until all are asked for. */
function barTable(caption, rows, titles, most) {
  const length = d3.scaleLinear([0, d3.max(rows, (row) => row.value) || 1], [0, 100]);
  const made = rows.map((row) => element("tr", {},
    element("th", { scope: "row" }, element("span", { class: row.more === undefined ? null : "name" }, row.name),
      row.more ? element("span", { class: "more" }, ` ${row.more}`) : null),
    element("td", { "aria-hidden": "true" }, element("span", { class: `bar ${row.kind}`, style: `width:${length(row.value).toFixed(2)}%` })),
    element("td", { class: "number" }, row.text)));
  const body = element("tbody", {}, made.slice(0, most));
  const table = element("table", { "aria-label": caption },
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, titles[0]), element("td", { "aria-hidden": "true" }),
      element("th", { scope: "col", class: "number" }, titles[1]))), body);
  if (rows.length <= most) return [table];
  const button = element("button", { type: "button" }, `Show all ${rows.length}`);
  button.addEventListener("click", () => {
    body.replaceChildren(...made);
    button.remove();
  });
  return [table, button];
}
