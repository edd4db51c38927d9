// The page: reads the data, builds tables and charts, keeps them in step. The address after # names series and event.

const report = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
let shown = null; // The series on the page: {series, view, rows}.

/** Name in the address of a series, or of an event of it. */
const addressOf = (series, event) => "#" + encodeURIComponent(series.name) + (event ? "/" + encodeURIComponent(event.id) : "");

/** Goes to an address, also where it is the present one and the view has since moved. */
function go(address) {
  if (location.hash === address) follow(); else location.hash = address;
}

/** A score, in the alarm colour from the threshold on. */
const scoreCell = (score) => el("td", { className: score >= 1 ? "number alarming" : "number" }, formatScore(score));
const formatScore = (score) => score === null ? "–" : score.toFixed(score < 10 ? 2 : 1);

/** A bar with its number: what a share looks like. */
const bar = (name, share) => el("span", { className: "share", title: name },
  el("span", { className: "name" }, name),
  el("span", { className: "track" }, el("span", { className: "fill", style: `width:${Math.round(share * 100)}%` })),
  el("span", { className: "number" }, formatShare(share)));

const pill = (severity) => el("span", { className: `pill ${/^[a-z]+$/i.test(severity) ? severity.toLowerCase() : ""}` }, severity);

/**
 * A table whose headings sort it. `columns`: [{head, title, sort, cell}] where `sort` gives a row's key and `cell` its td.
 * Keeps each row's element in `elements`.
 */
function sortableTable(columns, rows, rowOf, elements = new Map()) {
  const body = el("tbody");
  const sortBy = (column, heading) => {
    const falls = heading.getAttribute("aria-sort") === "descending";
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falls ? "ascending" : "descending");
    const order = (a, b) => a < b ? -1 : a > b ? 1 : 0, sign = falls ? 1 : -1;
    const sorted = [...rows].sort((a, b) => sign * order(column.sort(a) ?? -Infinity, column.sort(b) ?? -Infinity));
    body.replaceChildren(...sorted.map((row) => elements.get(row)));
  };
  const headings = columns.map((column) => {
    const heading = el("th", { scope: "col", className: column.className, title: column.title });
    heading.append(column.sort ? el("button", { type: "button", onclick: () => sortBy(column, heading) }, column.head) : column.head);
    return heading;
  });
  for (const row of rows) {
    const cells = columns.map((column) => column.cell(row));
    cells.forEach((cell, i) => { cell.dataset.head = columns[i].head; });
    const element = rowOf(row, el("tr", {}, ...cells));
    elements.set(row, element);
    body.append(element);
  }
  return el("div", { className: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...headings)), body));
}

/** A click anywhere in the row follows the row's link, unless it selects text. */
function followLink(row) {
  row.classList.add("link");
  row.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || getSelection().toString()) return;
    event.preventDefault();
    go(row.querySelector("a").hash);
  });
  return row;
}

/** Marks the row of what is shown. */
const mark = (row, isCurrent) => isCurrent ? row.setAttribute("aria-current", "true") : row.removeAttribute("aria-current");

function drawTiles() {
  const { totals, series } = report;
  const worst = Math.max(...series.map((one) => one.worst_score ?? -1));
  const tiles = [
    [totals.n_events.toLocaleString("en"), totals.n_events === 1 ? "event" : "events", totals.n_events > 0],
    [worst < 0 ? "–" : formatScore(worst), "highest score", worst >= 1],
    [formatDuration(totals.in_events_ms), "in events", false],
    [totals.n_series > 1 ? `${totals.n_series_with_events} of ${totals.n_series}` : totals.n_samples.toLocaleString("en"),
      totals.n_series > 1 ? "series with events" : "samples", false],
    // 100 % is said only where it is all of them.
    [`${Math.min(totals.n_unscored ? 99.9 : 100, Number((100 - 100 * totals.n_unscored / Math.max(1, totals.n_samples)).toFixed(1)))} %`, "of samples scored", false],
  ];
  byId("tiles").replaceChildren(...tiles.map(([value, name, alarming]) =>
    el("div", { className: "tile" }, el("b", { className: alarming ? "alarming" : "" }, value), el("span", {}, name))));
}

/** The score of a whole series in a table cell: one bar per part of its time, in alarm colour above the threshold. */
function sparkline(values) {
  const marks = values.map((value) => {
    const height = value === null ? 0 : Math.max(4, Math.min(100, squash(value) / 2.2 * 100));
    return el("i", { className: value >= 1 ? "above" : "", style: `height:${height.toFixed(0)}%` });
  });
  return el("td", {}, el("span", { className: "spark", role: "img", "aria-label": "score over time" }, ...marks));
}

function drawFleet() {
  const { series, totals } = report;
  if (totals.n_series < 2) return;
  const columns = [
    { head: "Series", sort: (s) => s.name, cell: (s) => el("th", { scope: "row" }, el("a", { href: addressOf(s) }, s.name)) },
    { head: "Highest score", className: "number", sort: (s) => s.worst_score, cell: (s) => scoreCell(s.worst_score) },
    { head: "Events", className: "number", sort: (s) => s.n_events, cell: (s) => el("td", { className: "number" }, String(s.n_events)) },
    { head: "In events", className: "number", sort: (s) => s.in_events_ms, cell: (s) => el("td", { className: "number" }, s.n_events ? formatDuration(s.in_events_ms) : "–") },
    { head: "Samples", className: "number", sort: (s) => s.n_samples, cell: (s) => el("td", { className: "number" }, s.n_samples.toLocaleString("en")) },
    { head: "Score over time", className: "indent", cell: (s) => sparkline(s.spark) },
  ];
  const worstFirst = [...series].sort((a, b) => (b.worst_score ?? -1) - (a.worst_score ?? -1));
  const elements = new Map();
  const table = sortableTable(columns, worstFirst, (s, row) => followLink(row), elements);
  report.fleetRows = elements;
  const left = totals.n_series - series.length;
  byId("fleet").replaceChildren(el("h2", {}, "All series"), table, el("p", { className: "how" },
    "How to read this: the worst series stands first. Each bar is the highest score in that part of the time; coloured bars reached the alarm threshold. Choose a row to see the series below."
    + (left ? ` ${left.toLocaleString("en")} milder series are counted but not listed.` : "")));
  byId("fleet").hidden = false;
}

function formatMetric(value, unit) {
  if (value === null) return "–";
  if (unit === "seconds") return formatDuration(value * 1000);
  return unit === "ratio" ? value.toFixed(3) : formatNumber(value, 3);
}

/** Where a number may lie, in small print. */
const range = (interval, unit) => interval
  ? el("small", { title: "95 % interval" }, `${formatMetric(interval[0], unit)} – ${formatMetric(interval[1], unit)}`) : null;

function drawMetrics() {
  if (!report.metrics) return;
  const { metrics, rows } = report.metrics;
  const best = metrics.map((metric, i) => {
    const values = rows.map((row) => row.values[i]).filter((value) => value !== null);
    return metric.higher_is_better ? Math.max(...values) : Math.min(...values);
  });
  const arrow = (metric) => metric.higher_is_better ? "↑" : "↓";
  const heads = metrics.map((metric) => el("th", { scope: "col", className: "number", title: metric.meaning }, `${metric.label} ${arrow(metric)}`));
  const body = rows.map((row) => el("tr", { className: row.is_baseline ? "baseline" : "" },
    el("th", { scope: "row" }, row.model, row.is_baseline ? el("span", { className: "tag" }, "baseline") : null),
    ...row.values.map((value, i) => el("td", { className: rows.length > 1 && value === best[i] ? "number best" : "number" },
      formatMetric(value, metrics[i].unit), range(row.intervals[i], metrics[i].unit)))));
  byId("metrics").replaceChildren(
    el("h2", {}, "Detection quality against the labels"),
    el("div", { className: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Detector"), ...heads)), el("tbody", {}, ...body))),
    el("p", { className: "how" }, "How to read this: ↑ more is better, ↓ less is better; the best of each column is bold. A model is worth having only where it beats the baselines."
      + (rows.some((row) => row.intervals.some((one) => one)) ? " Small print is the 95 % interval by block bootstrap: figures whose intervals overlap widely may differ by luck." : "")),
    el("details", {}, el("summary", {}, "What each number means"),
      el("dl", {}, ...metrics.filter((metric) => metric.meaning).flatMap((metric) =>
        [el("dt", {}, metric.label), el("dd", {}, `${metric.meaning} ${metric.higher_is_better ? "More" : "Less"} is better.`)]))));
  byId("metrics").hidden = false;
}

/** The largest shares of an event as bars; the rest by name when pointed at. */
function shares({ channels }) {
  const rest = channels.slice(3).map((c) => `${c.name} ${formatShare(c.share)}`);
  return el("td", { className: "shares" }, ...channels.slice(0, 3).map((c) => bar(c.name, c.share)),
    rest.length ? el("span", { className: "rest", title: rest.join("\n") }, `then ${rest.join(", ")}`) : null);
}

function eventTable(series, elements) {
  if (!series.events.length) return el("p", { className: "quiet" }, "No event: the score never stayed above the alarm threshold.");
  const time = (at) => el("td", { className: "time" }, formatTime(Date.parse(at), series.cadence_ms < SECOND ? 1 : series.cadence_ms < MINUTE ? SECOND : MINUTE));
  const length = (e) => e.span_ms[1] - e.span_ms[0] + series.cadence_ms;
  const columns = [
    { head: "Event", sort: (e) => e.id, cell: (e) => el("th", { scope: "row" }, el("a", { href: addressOf(series, e) }, e.id)) },
    { head: "Start (UTC)", sort: (e) => e.span_ms[0], cell: (e) => time(e.start) },
    { head: "End (UTC)", sort: (e) => e.span_ms[1], cell: (e) => time(e.end) },
    { head: "Duration", className: "number", sort: length, cell: (e) => el("td", { className: "number" }, formatDuration(length(e))) },
    { head: "Peak score", className: "number", sort: (e) => e.peak_score, cell: (e) => scoreCell(e.peak_score) },
    { head: "Severity", sort: (e) => e.peak_score, cell: (e) => el("td", {}, pill(e.severity)) },
    { head: "Channels by share of the score", cell: shares },
  ];
  if (series.events.some((e) => e.kind)) columns.splice(6, 0, { head: "Kind", sort: (e) => e.kind ?? "", cell: (e) => el("td", {}, e.kind ?? "–", e.fault ? `, ${e.fault} fault` : "") });
  if (series.events.some((e) => e.confidence !== null)) columns.splice(7, 0, { head: "Confidence", className: "number", sort: (e) => e.confidence ?? -1, cell: (e) => el("td", { className: "number", title: e.members.map((m) => `${m.member} ${(100 * m.share).toFixed(0)}%`).join(", ") }, e.confidence === null ? "–" : `${(100 * e.confidence).toFixed(0)}%`) });
  return sortableTable(columns, series.events, (e, row) => followLink(row), elements);
}

const RANGE_NOTE = "Where several samples share a place, the line shows their lowest to highest value, so that no peak is lost.";

/** Score and channel charts of a series, and the map of all of it. */
function seriesCharts(series, view, chosen) {
  const { charts, base_ms: base } = series;
  let at = 0;
  const t = Float64Array.from(charts.step_ms, (step) => (at += step));
  const isBreak = new Uint8Array(t.length + 1);
  for (const bucket of charts.breaks) isBreak[bucket] = 1;
  const data = { base, t, isBreak };
  const shades = [
    ...series.labels_ms.map(([from, to]) => ({ from, to, color: "truth", foot: true })),
    ...series.events.map((event) => ({ from: event.span_ms[0], to: event.span_ms[1], color: "alarm", isChosen: () => chosen() === event })),
  ];
  const legend = [["alarm", "event"], ...(series.labels_ms.length ? [["truth", "label (truth)"]] : [])];
  const score = { name: "score", kind: "range", lo: charts.score.lo, hi: charts.score.hi, color: "line" };
  const list = [new Chart(view, data, { isMap: true, isScore: true, height: 44, layers: [{ ...score, name: null }], shades,
    aria: "The score of the whole series; the frame is what the charts below show." })];
  list.push(new Chart(view, data, {
    title: "Anomaly score", height: 230, isScore: true, layers: [score], shades, legend,
    aria: `Anomaly score of ${series.name} over time; highest ${formatScore(series.worst_score)}, threshold 1.`,
    note: "How to read this: 1.0 is the alarm threshold; what reaches above it is unusual for this model, and the higher the stranger. "
      + (series.worst_score > 8 ? "Above 1 the scale is logarithmic wherever high peaks are in view. " : "") + RANGE_NOTE,
  }));
  for (const channel of charts.channels) {
    const value = { name: "value", kind: "range", lo: channel.value.lo, hi: channel.value.hi, color: "line" };
    const { mean, lower, upper, outside } = channel.expected ?? {};
    const layers = mean ? [
      { name: "expected band", kind: "band", lo: lower, hi: upper, color: "expected" },
      { name: "expected", kind: "line", lo: mean, hi: mean, color: "expected" }, value] : [value];
    list.push(new Chart(view, data, {
      title: channel.share > 0 ? `${channel.name} · ${formatShare(channel.share)} of the events` : channel.name,
      height: 170, layers, shades, alarm: outside,
      aria: `Values of ${channel.name}${mean ? " with the band that the model expected" : ""} over time.`,
      note: mean ? "How to read this: the model expected the dashed line, give or take the band around it; where the value leaves the band it is drawn in the alarm colour."
        : "How to read this: the values as measured; shaded spans are the events above.",
    }));
  }
  return list.map((chart) => chart.element);
}

/** The bar above the charts: what is visible, and buttons for all that mouse and keys do. */
function toolbar(series, view) {
  const button = (text, name, onclick) => el("button", { type: "button", title: name, "aria-label": name, onclick }, text);
  const step = (by) => {
    const inOrder = [...series.events].sort((a, b) => a.span_ms[0] - b.span_ms[0]);
    const at = inOrder.indexOf(shown.event), next = at < 0 ? (by > 0 ? 0 : inOrder.length - 1) : (at + by + inOrder.length) % inOrder.length;
    go(addressOf(series, inOrder[next]));
  };
  const span = el("span", { className: "span", "aria-live": "polite" });
  view.onChange = () => {
    const grain = view.hi - view.lo > 40 * DAY ? DAY : view.hi - view.lo > 20 * MINUTE ? MINUTE : SECOND;
    span.textContent = `${formatTime(series.base_ms + view.lo, grain)} – ${formatTime(series.base_ms + view.hi, grain)} UTC · ${formatDuration(view.hi - view.lo)}`;
  };
  const picker = report.series.length < 2 ? null : el("select", { "aria-label": "Series", onchange: (event) => go(addressOf(report.series[event.target.value])) },
    ...report.series.map((one, i) => el("option", { value: i, selected: one === series }, one.name)));
  return el("div", { className: "toolbar" }, picker, span, el("span", { className: "buttons" },
    series.events.length ? button("‹ event", "Previous event", () => step(-1)) : null,
    series.events.length ? button("event ›", "Next event", () => step(1)) : null,
    button("←", "Earlier", () => view.pan(-0.5, true)), button("→", "Later", () => view.pan(0.5, true)),
    button("+", "Zoom in", () => view.zoom(0.5, undefined, true)), button("−", "Zoom out", () => view.zoom(2, undefined, true)),
    button("Reset", "Show everything", () => { history.pushState(null, "", addressOf(series)); choose(null); view.reset(); })));
}

const KEYS = "Drag to zoom, shift-drag to pan, double-click to reset. After a click on a chart: wheel zooms, ← → pan, + − zoom, shift-← → move the crosshair, Esc resets.";

function showSeries(series) {
  const last = Date.parse(series.end) - series.base_ms;
  const view = new View(0, Math.max(last, series.cadence_ms, 1e-3), Math.max(series.cadence_ms * 4, 1e-3));
  const rows = new Map();
  shown = { series, view, rows, event: null };
  for (const [other, row] of report.fleetRows ?? []) mark(row, other === series);
  const left = series.n_events - series.events.length;
  const events = el("section", { className: "card" }, el("h2", {}, report.totals.n_series > 1 ? `Events of ${series.name}` : "Events"), el("div", { className: "events" }, eventTable(series, rows)),
    series.events.length ? el("p", { className: "how" }, "How to read this: choose a row to zoom all charts to it. The shares say which channels made the score, largest first."
      + (series.events.length > series.n_detailed && series.charts ? ` The charts are finest around the ${series.n_detailed} worst.` : "")
      + (left ? ` ${left.toLocaleString("en")} milder events are counted but not listed.` : "")) : null);
  const charts = series.charts
    ? el("section", { className: "card charts" }, el("h2", {}, series.name), toolbar(series, view), ...seriesCharts(series, view, () => shown.event), el("p", { className: "keys" }, KEYS))
    : el("p", { className: "card" }, "Charts are kept for the worst series of a report only; detect this series alone to see its charts.");
  byId("series").replaceChildren(events, charts);
  byId("series").hidden = false;
  view.redraw();
}

/** Marks the chosen event in table and charts. */
function choose(event) {
  shown.event = event;
  for (const [other, row] of shown.rows) mark(row, other === event);
  shown.view.redraw();
}

/** Shows what the address asks for: a series, one of its events, or else the worst series. */
function follow() {
  const [name, id] = location.hash.slice(1).split("/").map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  const worst = report.series.reduce((a, b) => (b.worst_score ?? -1) > (a.worst_score ?? -1) ? b : a);
  const named = report.series.find((one) => one.name === name), series = named ?? worst;
  if (shown?.series !== series) showSeries(series);
  const event = named && series.events.find((one) => one.id === id);
  choose(event ?? null);
  if (event) shown.view.show(...event.view_ms, true);
  else shown.view.reset();
  // Only what cannot be seen is scrolled to: stepping through the table leaves the page where it is.
  const top = byId("series").lastElementChild.getBoundingClientRect().top;
  if (named && (top < -200 || top > innerHeight * 0.6)) {
    const smooth = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    byId("series").lastElementChild.scrollIntoView({ behavior: smooth, block: "start" });
  }
}

/** Light, dark, or as the system says; print is light whatever the screen is. */
function watchTheme() {
  const root = document.documentElement, button = byId("theme"), redraw = () => shown?.view.redraw();
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const label = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); redraw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { label(); redraw(); });
  // Canvases are pictures: they must be drawn again for paper, and at once.
  const drawNow = () => shown?.view.charts.forEach((chart) => chart.draw());
  let before;
  addEventListener("beforeprint", () => { before = root.dataset.theme; root.dataset.theme = "light"; drawNow(); });
  addEventListener("afterprint", () => { if (before) root.dataset.theme = before; else delete root.dataset.theme; drawNow(); });
  label();
}

watchTheme();
drawMetrics();
drawCosts();
if (report.series.length) {
  drawTiles();
  drawFleet();
  drawSweep();
  follow();
  addEventListener("hashchange", follow);
}
