// SPDX-License-Identifier: Apache-2.0
// The drawing of the network: places come from C++, here it is drawn, moved and zoomed.
"use strict";

const STEP = 80; // pixels that an arrow key moves

/** Fills the section; chosen(operation) is called for what is selected. Gives select(operation). */
function networkDrawing(operations, drawing, chosen) {
  const placed = operations.filter((operation) => operation.at);
  const kinds = Object.keys(FATES).filter((fate) => placed.some((operation) => operation.fate === fate));
  const section = show("network", "Operations from the inputs at the top to the outputs, without constants.");
  const container = section.querySelector(".drawing");
  container.append(element("ul", { class: "key" }, kinds.map((fate) => element("li", {}, mark(fate), FATES[fate]))));

  const label = `Network of ${counted(placed.length, "operation")}. Arrow keys move, plus and minus zoom, 0 shows all. ` +
    "The table of operations below lists all of them.";
  const svg = d3.create("svg").attr("class", "canvas").attr("role", "img").attr("tabindex", 0).attr("aria-label", label);
  const scene = svg.append("g");
  drawEdges(scene, operations, drawing);
  const boxes = drawBoxes(scene, placed, drawing, (operation) => select(operation, false));
  const overview = makeOverview(placed, drawing);
  const note = element("p", { class: "chosen", "aria-live": "polite" });

  const size = () => [svg.node().clientWidth || 800, svg.node().clientHeight || 560];
  const whole = () => Math.min(1.5, size()[0] / drawing.width, size()[1] / drawing.height);
  const zoom = d3.zoom().scaleExtent([Math.min(0.05, 0.9 * whole()), 4]).extent(() => [[0, 0], size()]).translateExtent([[-400, -400], [drawing.width + 400, drawing.height + 400]])
    .filter((event) => (event.type === "wheel" ? event.ctrlKey || event.metaKey || document.activeElement === svg.node()
      : event.touches ? event.touches.length > 1 : !event.button))
    .on("zoom", (event) => {
      scene.attr("transform", event.transform);
      const [width, height] = size();
      overview.move(event.transform.invert([0, 0]), event.transform.invert([width, height]));
    });
  const goTo = (x, y, scale) => svg.call(zoom.transform, d3.zoomIdentity.translate(size()[0] / 2, size()[1] / 2).scale(scale).translate(-x, -y));
  const fit = () => goTo(drawing.width / 2, drawing.height / 2, 0.97 * whole());
  // All of a small network; of a large one its beginning, large enough to read.
  const start = () => {
    const scale = Math.min(1, Math.max(0.7, 0.97 * size()[0] / drawing.width));
    if (whole() >= 0.6) fit();
    else goTo(operations.find((operation) => operation.at).at[0], size()[1] / 2 / scale, scale);
  };
  const scaleBy = (factor) => svg.call(zoom.scaleBy, factor);

  function select(operation, move = true) {
    boxes.classed("selected", (each) => each === operation);
    note.replaceChildren(mark(operation.fate), element("span", { class: "name" }, operation.name),
      ` ${operation.type}. ${FATES[operation.fate]}. ${operation.reason}`);
    if (move) {
      goTo(operation.at[0], operation.at[1], Math.max(0.8, d3.zoomTransform(svg.node()).k));
      section.scrollIntoView({ block: "start" });
      svg.node().focus({ preventScroll: true });
    }
    chosen(operation);
  }

  svg.on("keydown", (event) => {
    const moves = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    const scale = d3.zoomTransform(svg.node()).k;
    if (moves[event.key]) svg.call(zoom.translateBy, ...moves[event.key].map((length) => length / scale));
    else if (event.key === "+" || event.key === "=") scaleBy(1.3);
    else if (event.key === "-") scaleBy(1 / 1.3);
    else if (event.key === "0") fit();
    else return;
    event.preventDefault();
  });
  const tool = (text, name, action) => {
    const button = element("button", { type: "button", "aria-label": name }, text);
    button.addEventListener("click", action);
    return button;
  };
  container.append(
    element("div", { class: "tools" }, tool("+", "Zoom in", () => scaleBy(1.3)), tool("\u2212", "Zoom out", () => scaleBy(1 / 1.3)),
      tool("All", "Show all", fit), tool("Start", "Show the beginning", start),
      element("span", { class: "hint" }, "Drag to move, two fingers or Ctrl and wheel to zoom")),
    element("div", { class: "frame" }, svg.node(), overview.node), note);
  overview.onJump((x, y) => goTo(x, y, d3.zoomTransform(svg.node()).k));
  svg.call(zoom).on("dblclick.zoom", null);
  start();
  new ResizeObserver(() => svg.call(zoom.translateBy, 0, 0)).observe(svg.node());
  printWhole(svg, scene, drawing);
  return select;
}

function drawEdges(scene, operations, drawing) {
  const half = drawing.box[1] / 2;
  const curve = d3.line().curve(d3.curveMonotoneY);
  const path = ([from, to, ...bends]) => {
    const points = [[operations[from].at[0], operations[from].at[1] + half]];
    for (let i = 0; i < bends.length; i += 2) points.push([bends[i], bends[i + 1]]);
    points.push([operations[to].at[0], operations[to].at[1] - half]);
    return curve(points);
  };
  scene.append("g").selectAll("path").data(drawing.edges).join("path").attr("class", "edge").attr("d", path);
}

function drawBoxes(scene, placed, drawing, click) {
  const [width, height] = drawing.box;
  const shortened = (text, most) => (text.length <= most ? text : `${text.slice(0, most / 2 - 1)}\u2026${text.slice(-(most / 2))}`);
  const boxes = scene.append("g").selectAll("g").data(placed).join("g")
    .attr("class", (operation) => `box ${operation.fate}`)
    .attr("transform", ({ at: [x, y] }) => `translate(${x},${y})`)
    .on("click", (event, operation) => click(operation));
  boxes.append("rect").attr("x", -width / 2).attr("y", -height / 2).attr("width", width).attr("height", height).attr("rx", 6);
  boxes.append("text").attr("class", "kind").attr("y", -3).text((operation) => shortened(operation.type, 22));
  boxes.append("text").attr("class", "label").attr("y", 13).text((operation) => shortened(operation.name, 28));
  boxes.append("title").text((operation) => `${operation.name}\n${FATES[operation.fate]}. ${operation.reason}`);
  return boxes;
}

/** All of the network as a narrow strip, and the part of it that is seen. */
function makeOverview(placed, drawing) {
  const svg = d3.create("svg").attr("class", "overview").attr("viewBox", [0, 0, drawing.width, drawing.height])
    .attr("preserveAspectRatio", "none").attr("aria-hidden", "true");
  const [width, height] = drawing.box;
  const tall = Math.max(height, drawing.height / 200);
  svg.selectAll("rect").data(placed).join("rect").attr("class", (operation) => operation.fate)
    .attr("x", ({ at }) => at[0] - width / 2).attr("y", ({ at }) => at[1] - tall / 2).attr("width", width).attr("height", tall);
  const seen = svg.append("rect").attr("class", "window");
  const clamped = (value, most) => Math.max(0, Math.min(most, value));
  return {
    node: svg.node(),
    move([left, top], [right, bottom]) {
      const x = clamped(left, drawing.width), y = clamped(top, drawing.height);
      seen.attr("x", x).attr("y", y).attr("width", clamped(right, drawing.width) - x).attr("height", clamped(bottom, drawing.height) - y);
    },
    onJump(jump) {
      svg.on("click", (event) => jump(...d3.pointer(event)));
    },
  };
}

/** On paper the drawing is shown whole. */
function printWhole(svg, scene, drawing) {
  let before = null;
  window.addEventListener("beforeprint", () => {
    before = scene.attr("transform");
    scene.attr("transform", null);
    svg.attr("viewBox", [0, 0, drawing.width, drawing.height]);
  });
  window.addEventListener("afterprint", () => {
    svg.attr("viewBox", null);
    scene.attr("transform", before);
  });
}
