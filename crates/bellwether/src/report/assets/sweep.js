// The curve of alarms against thresholds.

/** An SVG element with attributes and children. The picture in the page says of which namespace: no address stands here. */
function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(byId("curve").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Alarms per week at each threshold, the one in force, and what was asked for; both axes logarithmic. */
function drawSweep() {
  const { sweep } = report;
  if (!sweep) return;
  const { thresholds, alarms_per_week: alarms, asked_per_week: asked, predicted_per_week: predicted } = sweep;
  const width = 720, height = 250, left = 60, right = 16, top = 14, bottom = 40;
  // Less than one alarm in all of the data cannot be seen in them: that is where the scale ends.
  const floor = 0.5 / sweep.weeks;
  const values = [...alarms.filter((value) => value > 0), ...[asked, predicted].filter((value) => value > 0)];
  const lo = Math.min(floor, ...values), hi = Math.max(2 * lo, ...values) * 1.3;
  const x = (threshold) => left + Math.log(threshold / thresholds[0]) / Math.log(thresholds.at(-1) / thresholds[0]) * (width - left - right);
  const y = (rate) => top + Math.log(hi / Math.max(rate, lo)) / Math.log(hi / lo) * (height - top - bottom);
  const line = (x1, y1, x2, y2, name) => svg("line", { x1, y1, x2, y2, class: name });
  const text = (at, to, anchor, name, words) => svg("text", { x: at, y: to, "text-anchor": anchor, class: name }, words);
  const parts = [];
  const decades = Math.log10(hi / lo), strides = decades > 6 ? [1] : decades > 2 ? [1, 3] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(lo)); power <= Math.log10(hi); power++) {
    for (const factor of strides) {
      const rate = factor * 10 ** power;
      if (rate < lo || rate > hi) continue;
      parts.push(line(left, y(rate), width - right, y(rate), "grid"), text(left - 8, y(rate) + 4, "end", "tick", formatNumber(rate, 3)));
    }
  }
  for (const threshold of [0.25, 0.5, 1, 2, 5, 10]) {
    if (threshold < thresholds[0] * 0.999 || threshold > thresholds.at(-1) * 1.001) continue;
    parts.push(text(x(threshold), height - bottom + 18, "middle", "tick", `${threshold}`));
  }
  parts.push(text((left + width - right) / 2, height - 4, "middle", "tick", "times the threshold in force"));
  parts.push(line(x(1), top, x(1), height - bottom, "force"), text(x(1) + 5, top + 10, "start", "force", "in force"));
  if (asked > 0) parts.push(line(left, y(asked), width - right, y(asked), "asked"), text(width - right, y(asked) - 5, "end", "asked", "asked for"));
  const points = thresholds.map((threshold, i) => `${x(threshold).toFixed(1)},${y(alarms[i]).toFixed(1)}`);
  parts.push(svg("polyline", { points: points.join(" "), class: "curve" }));
  if (predicted !== null) parts.push(svg("circle", { cx: x(1), cy: y(predicted), r: 4.5, class: "predicted" }));
  const words = `Alarms per week against the threshold${asked > 0 ? `; ${formatNumber(asked, 3)} per week were asked for` : ""}.`;
  const curve = byId("curve");
  curve.setAttribute("viewBox", `0 0 ${width} ${height}`);
  curve.setAttribute("aria-label", words);
  curve.replaceChildren(...parts);
  byId("sweep").replaceChildren(
    el("h2", {}, "Alarms per week at other thresholds"), curve,
    el("p", { className: "how" }, "How to read this: the curve says how many events a week each threshold would have given in the data of this report, faults included."
      + (predicted !== null ? " The dot is what normal rows of the training predict at the threshold in force." : "")
      + (asked > 0 ? " The dashed line is the alarm budget." : "")
      + " Both scales are logarithmic; where the curve lies on the floor there was no event."));
  byId("sweep").hidden = false;
}
