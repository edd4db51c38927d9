// What thresholds would have cost: a curve and a table of its points of interest.

/** The namespace of drawings, asked of the browser: a page that loads nothing names no address. */
const drawings = new DOMParser().parseFromString("<svg></svg>", "text/html").body.firstChild.namespaceURI;

/** An element of a drawing. */
function svg(tag, properties, ...children) {
  const element = document.createElementNS(drawings, tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The curve over thresholds on a logarithmic scale; steps, because a cost holds from one threshold to the next. */
function costChart({ curve, present, cheapest }) {
  const finite = curve.filter((point) => point.threshold !== null && point.threshold > 0);
  const width = 720, height = 220, left = 56, bottom = 28, top = 12, right = 12;
  const logs = finite.map((point) => Math.log10(point.threshold));
  const lo = Math.min(...logs), hi = Math.max(...logs), most = Math.max(...curve.map((point) => point.cost), 1e-300);
  const x = (threshold) => left + (width - left - right) * (hi > lo ? (Math.log10(threshold) - lo) / (hi - lo) : 0.5);
  const y = (cost) => top + (height - top - bottom) * (1 - cost / most);
  const path = finite.map((point, i) => `${i ? `H${x(point.threshold).toFixed(1)}V` : `M${x(point.threshold).toFixed(1)} `}${y(point.cost).toFixed(1)}`).join("");
  const dot = (point, name, color) => point.threshold === null ? [] : [
    svg("circle", { cx: x(point.threshold), cy: y(point.cost), r: 5, fill: color }, svg("title", {}, `${name}: ${formatNumber(point.cost, 4)} at ${formatNumber(point.threshold, 3)}`))];
  const ticks = [];
  for (let power = Math.ceil(lo); power <= hi; power += 1) {
    const at = 10 ** power;
    ticks.push(svg("line", { x1: x(at), x2: x(at), y1: height - bottom, y2: height - bottom + 4, stroke: "currentColor" }),
      svg("text", { x: x(at), y: height - bottom + 18, "text-anchor": "middle", "font-size": 12, fill: "currentColor" }, formatNumber(at, 3)));
  }
  for (const share of [0, 0.5, 1]) {
    ticks.push(svg("line", { x1: left, x2: width - right, y1: y(most * share), y2: y(most * share), stroke: "currentColor", "stroke-opacity": 0.15 }),
      svg("text", { x: left - 6, y: y(most * share) + 4, "text-anchor": "end", "font-size": 12, fill: "currentColor" }, formatNumber(most * share, 3)));
  }
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", role: "img",
    "aria-label": `Cost over thresholds; ${formatNumber(present.cost, 4)} at the present one, ${formatNumber(cheapest.cost, 4)} at the cheapest.` },
    ...ticks, svg("path", { d: path, fill: "none", stroke: "currentColor", "stroke-width": 1.6 }),
    ...dot(present, "present", "#d97706"), ...dot(cheapest, "cheapest", "#059669"));
}

function drawCosts() {
  const costs = report.costs;
  if (!costs) return;
  const cells = (point) => [point.threshold === null ? "no alarm at all" : formatNumber(point.threshold, 3), point.n_missed.toLocaleString("en"),
    point.n_false_alarms.toLocaleString("en"), formatNumber(point.cost, 4)].map((text) => el("td", { className: "number" }, text));
  const row = (name, point) => el("tr", {}, el("th", { scope: "row" }, name), ...cells(point));
  const heads = ["", "Threshold", "Missed events", "False alarms", "Cost"].map((head, i) => el("th", { scope: "col", className: i ? "number" : "" }, head));
  byId("costs").replaceChildren(
    el("h2", {}, "What thresholds would have cost"),
    costChart(costs),
    el("div", { className: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...heads)),
      el("tbody", {}, row("Present", costs.present), row("Cheapest", costs.cheapest)))),
    el("p", { className: "how" }, `How to read this: a missed event costs ${formatNumber(costs.miss, 4)}, a false alarm ${formatNumber(costs.false_alarm, 4)}. `
      + "The threshold is a multiple of the one in use (orange); the cheapest (green) was found with the labels in hand, so it is a bound and no promise."));
  byId("costs").hidden = false;
}
