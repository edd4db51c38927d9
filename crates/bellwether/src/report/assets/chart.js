// Charts on canvas over one shared time axis. A View holds what is visible; each Chart draws it.

/** An element with properties (`class` and aria- names as attributes) and children; text is never markup. */
function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "role") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The visible span of time and the crosshair, shared by all charts of a series. */
class View {
  constructor(lo, hi, spanMin) {
    Object.assign(this, { full: [lo, hi], lo, hi, spanMin, cursor: null, charts: [], onChange: () => {} });
  }

  /** Shows [lo, hi], kept inside the data and no closer than a few samples; glides there unless `glide` is false. */
  show(lo, hi, glide = false) {
    const [first, last] = this.full;
    const span = Math.min(Math.max(hi - lo, this.spanMin), last - first);
    lo = Math.min(Math.max((lo + hi - span) / 2, first), last - span);
    this.target = [lo, lo + span];
    const still = !glide || matchMedia("(prefers-reduced-motion: reduce)").matches;
    const from = [this.lo, this.hi], began = performance.now();
    const move = (now) => {
      if (this.target[0] !== lo || this.target[1] !== lo + span) return; // A newer wish took over.
      const share = still ? 1 : Math.min(1, Math.max(0, (now - began) / 220)), eased = 1 - (1 - share) ** 3;
      this.lo = from[0] + (lo - from[0]) * eased;
      this.hi = from[1] + (lo + span - from[1]) * eased;
      this.redraw();
      if (share < 1) requestAnimationFrame(move);
    };
    move(began);
  }

  get isFull() { return this.hi - this.lo >= (this.full[1] - this.full[0]) * 0.9999; }
  reset() { this.show(...this.full, true); }
  zoom(factor, at = (this.lo + this.hi) / 2, glide = false) {
    this.show(at - (at - this.lo) * factor, at + (this.hi - at) * factor, glide);
  }
  pan(share, glide = false) {
    const by = (this.hi - this.lo) * share;
    this.show(this.lo + by, this.hi + by, glide);
  }
  point(at) { this.cursor = at; this.redraw(); }

  /** Draws all charts once in the next frame, however often it is asked. */
  redraw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      for (const chart of this.charts) chart.draw();
      this.onChange(this);
    });
  }
}

const LEFT = 54, RIGHT = 14, TOP = 10, BOTTOM = 24;

/** Above the threshold the scale of scores is logarithmic, so that a peak of 50 does not flatten the rest. */
const squash = (score) => score <= 1 ? score : 1 + Math.log10(score);
const unsquash = (y) => y <= 1 ? y : 10 ** (y - 1);

/**
 * One chart. `data`: {base, t, isBreak}. `spec`: {title, note, height, layers, rule, shades, isScore, isMap, alarm}.
 * A layer is {name, kind: "range" | "line" | "band", lo, hi, color}, bottom first; `alarm` marks buckets to warn of.
 */
class Chart {
  constructor(view, data, spec) {
    Object.assign(this, { view, data, spec });
    this.canvas = el("canvas", { tabIndex: 0, role: "img", "aria-label": spec.aria });
    this.canvas.style.height = `${spec.height}px`;
    this.readout = spec.layers.filter((layer) => layer.name).map((layer) => ({ layer, value: el("b") }));
    const legend = this.readout.map(({ layer, value }) =>
      el("span", { className: `key ${layer.kind}` }, el("i", { className: layer.color }), layer.name, " ", value));
    const shades = (spec.legend ?? []).map(([color, name]) => el("span", { className: "key shade" }, el("i", { className: color }), name));
    this.element = el("figure", { className: spec.isMap ? "chart map" : "chart" },
      spec.isMap ? null : el("figcaption", {}, el("h3", {}, spec.title), el("span", { className: "legend" }, ...legend, ...shades)),
      this.canvas,
      spec.note ? el("p", { className: "how" }, spec.note) : null);
    this.listen();
    new ResizeObserver(() => view.redraw()).observe(this.canvas);
    view.charts.push(this);
  }

  /** Time under the horizontal position `px`. */
  timeAt(px) {
    const [lo, hi] = this.span();
    return lo + (px - LEFT) / (this.width - LEFT - RIGHT) * (hi - lo);
  }
  xOf(at) {
    const [lo, hi] = this.span();
    return LEFT + (at - lo) / (hi - lo) * (this.width - LEFT - RIGHT);
  }
  /** A map always shows everything; the others what the view shows. */
  span() { return this.spec.isMap ? this.view.full : [this.view.lo, this.view.hi]; }

  listen() {
    const { canvas, view } = this, px = (event) => event.clientX - canvas.getBoundingClientRect().left;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.drag = { from: px(event), to: px(event), pans: event.shiftKey, lo: view.lo, hi: view.hi };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.drag) this.drag.to = px(event);
      if (this.drag?.pans) {
        const by = (this.drag.from - this.drag.to) / (this.width - LEFT - RIGHT) * (this.drag.hi - this.drag.lo);
        view.show(this.drag.lo + by, this.drag.hi + by);
      }
      view.point(this.timeAt(px(event)));
    });
    canvas.addEventListener("pointerup", () => {
      const { from, to, pans } = this.drag ?? {};
      this.drag = null;
      // A few pixels are a click with an unsteady hand; on the map a click goes there.
      if (pans || from === undefined) return;
      if (Math.abs(to - from) > 5) view.show(this.timeAt(Math.min(from, to)), this.timeAt(Math.max(from, to)), true);
      else if (this.spec.isMap) view.pan((this.timeAt(to) - (view.lo + view.hi) / 2) / (view.hi - view.lo), true);
      view.redraw();
    });
    canvas.addEventListener("pointercancel", () => { this.drag = null; view.redraw(); });
    canvas.addEventListener("pointerleave", () => { if (!this.drag) view.point(null); });
    canvas.addEventListener("dblclick", () => view.reset());
    // The wheel belongs to the page until the chart is clicked (or a pinch says zoom), lest scrolling gets stuck.
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) view.pan(event.deltaX / this.width);
      else view.zoom(2 ** (event.deltaY / (event.deltaMode ? 10 : 250)), this.timeAt(px(event)));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
      if (step && event.shiftKey) this.stepCursor(step);
      else if (step) view.pan(step * 0.2, true);
      else if (event.key === "+" || event.key === "=" || event.key === "ArrowUp") view.zoom(0.5, view.cursor ?? undefined, true);
      else if (event.key === "-" || event.key === "ArrowDown") view.zoom(2, view.cursor ?? undefined, true);
      else if (event.key === "Escape" || event.key === "0") { this.drag = null; view.reset(); }
      else return;
      event.preventDefault();
    });
  }

  /** Moves the crosshair to the next bucket, following it with the view. */
  stepCursor(step) {
    const { view, data: { t } } = this;
    const at = nearest(t, view.cursor ?? (view.lo + view.hi) / 2) + step;
    const time = t[Math.min(Math.max(at, 0), t.length - 1)];
    if (time < view.lo || time > view.hi) view.pan(step * 0.5);
    view.point(time);
  }

  draw() {
    const { canvas, spec, data } = this;
    const width = canvas.clientWidth, height = canvas.clientHeight, ratio = window.devicePixelRatio || 1;
    if (!width) return; // Not on the page now.
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    Object.assign(this, { width, height, ctx: canvas.getContext("2d") });
    const ctx = this.ctx, [lo, hi] = this.span(), style = getComputedStyle(canvas);
    this.color = (name) => style.getPropertyValue(`--${name}`);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    ctx.font = "11px system-ui, sans-serif";
    // One bucket beyond each edge, so that lines leave the picture instead of ending in it.
    const first = nearest(data.t, lo), last = nearest(data.t, hi);
    this.from = Math.max(0, first - 1);
    this.to = Math.min(data.t.length - 1, last + 1);
    this.scaleY(first, last);
    if (!spec.isMap) this.drawGrid(lo, hi);

    ctx.save();
    ctx.beginPath();
    ctx.rect(LEFT, spec.isMap ? 0 : TOP, width - LEFT - RIGHT, this.bottom() - (spec.isMap ? 0 : TOP));
    ctx.clip();
    for (const shade of spec.shades) this.drawShade(shade);
    for (const layer of spec.layers) this.drawLayer(layer, layer.color, this.from, this.to);
    this.drawAlarm();
    ctx.restore();
    if (spec.isMap) this.drawMapWindow();
    else this.drawCursor();
    if (this.drag && !this.drag.pans) this.drawSelection();
  }

  bottom() { return this.height - (this.spec.isMap ? 0 : BOTTOM); }

  /** Fits the vertical scale to what is visible. */
  scaleY(first, last) {
    const { spec } = this;
    let lo = Infinity, hi = -Infinity;
    for (const layer of spec.layers) {
      for (let i = first; i <= last; i++) {
        if (layer.lo[i] !== null && layer.lo[i] < lo) lo = layer.lo[i];
        if (layer.hi[i] !== null && layer.hi[i] > hi) hi = layer.hi[i];
      }
    }
    if (spec.isScore) { lo = 0; hi = Math.max(1.3, Number.isFinite(hi) ? hi : 0); }
    if (!(lo <= hi)) { lo = 0; hi = 1; }
    const bend = this.bend = spec.isScore && hi > 8 ? squash : (value) => value;
    // A constant gets room on both sides, as a share of itself.
    const room = (bend(hi) - bend(lo)) * 0.06 || Math.abs(hi) * 0.05 || 1;
    const low = spec.isScore ? 0 : lo - room, high = bend(hi) + room;
    const top = spec.isMap ? 2 : TOP, bottom = this.bottom();
    this.yOf = (value) => bottom - (bend(value) - low) / (high - low) * (bottom - top);
    this.yRange = [low, high];
  }

  yTicks() {
    const [lo, hi] = this.yRange;
    if (this.bend !== squash) return numberTicks(lo, hi, (this.height - TOP - BOTTOM) / 32);
    const ticks = [0, 0.5];
    for (let power = 1; power <= unsquash(hi); power *= 10) for (const k of hi > 4 ? [1] : [1, 2, 5]) if (k * power <= unsquash(hi)) ticks.push(k * power);
    return ticks;
  }

  drawGrid(lo, hi) {
    const { ctx, width } = this, bottom = this.bottom(), base = this.data.base;
    const ticks = this.yTicks(), labels = this.bend === squash ? ticks.map(String) : tickLabels(ticks);
    ctx.lineWidth = 1;
    ctx.textBaseline = "middle";
    ctx.textAlign = "right";
    ticks.forEach((tick, i) => {
      const y = Math.round(this.yOf(tick)) + 0.5;
      if (y < TOP - 1 || y > bottom + 1) return;
      this.line(LEFT, y, width - RIGHT, y, "grid");
      ctx.fillStyle = this.color("muted");
      ctx.fillText(labels[i], LEFT - 8, y);
    });
    ctx.textBaseline = "top";
    ctx.textAlign = "center";
    for (const tick of timeTicks(base + lo, base + hi, (width - LEFT - RIGHT) / 80)) {
      const x = Math.round(this.xOf(tick.at - base)) + 0.5;
      this.line(x, TOP, x, bottom + 4, tick.strong ? "grid-strong" : "grid");
      ctx.fillStyle = this.color(tick.strong ? "ink" : "muted");
      ctx.fillText(tick.label, Math.min(x, width - ctx.measureText(tick.label).width / 2 - 1), bottom + 8);
    }
  }

  line(x0, y0, x1, y1, color, dash = []) {
    const { ctx } = this;
    ctx.strokeStyle = this.color(color);
    ctx.setLineDash(dash);
    ctx.beginPath();
    ctx.moveTo(x0, y0);
    ctx.lineTo(x1, y1);
    ctx.stroke();
    ctx.setLineDash([]);
  }

  /** A span of time in colour, never thinner than can be seen; labels get a solid foot, to tell them where both lie. */
  drawShade({ from, to, color, foot, isChosen }) {
    const { ctx } = this, bottom = this.bottom();
    const x = this.xOf(from), w = Math.max(2, this.xOf(to) - x);
    if (x + w < LEFT || x > this.width - RIGHT) return;
    ctx.fillStyle = this.color(`${color}-wash`);
    ctx.fillRect(x, 0, w, bottom);
    if (isChosen?.()) ctx.fillRect(x, 0, w, bottom);
    ctx.fillStyle = this.color(color);
    if (foot) ctx.fillRect(x, bottom - (this.spec.isMap ? 3 : 5), w, 5);
    else ctx.fillRect(x, this.spec.isMap ? 0 : TOP, w, this.spec.isMap ? 2 : 3);
  }

  drawLayer(layer, color, from, to) {
    const { ctx, data: { t, isBreak } } = this;
    ctx.lineJoin = "round";
    ctx.lineWidth = layer.kind === "range" && !this.spec.isMap ? 1.4 : 1.1;
    ctx.strokeStyle = this.color(color);
    ctx.fillStyle = this.color(layer.kind === "band" ? `${color}-wash` : color);
    for (const [first, last] of runs(layer.lo, isBreak, from, to)) {
      const trace = (values, begin, end, step) => {
        for (let i = begin; i !== end + step; i += step) ctx.lineTo(this.xOf(t[i]), this.yOf(values[i]));
      };
      ctx.beginPath();
      if (first === last) {
        // A lone value has no line to show it.
        const x = this.xOf(t[first]), top = this.yOf(layer.hi[first]);
        ctx.fillRect(x - 1, top - 1, 2, this.yOf(layer.lo[first]) - top + 2);
        continue;
      }
      trace(layer.hi, first, last, 1);
      if (layer.kind !== "line") trace(layer.lo, last, first, -1);
      if (layer.kind !== "line") ctx.closePath();
      if (layer.kind === "band") { ctx.fill(); continue; }
      if (layer.kind === "range") { ctx.globalAlpha = 0.55; ctx.fill(); ctx.globalAlpha = 1; }
      ctx.setLineDash(layer.kind === "line" ? [5, 3] : []);
      ctx.stroke();
      ctx.setLineDash([]);
    }
  }

  /** The part of a line that gives the alarm, drawn again in its colour: scores above 1, values outside their band. */
  drawAlarm() {
    const { ctx, spec } = this, layer = spec.layers[spec.layers.length - 1];
    for (const [first, last] of spec.alarm ?? []) {
      // Single samples need the line into and out of them; a bucket of many is marked by itself.
      const lone = (i) => layer.lo[i] === layer.hi[i] ? 1 : 0;
      const from = Math.max(first - lone(first), this.from), to = Math.min(last + lone(last), this.to);
      if (from <= to) this.drawLayer(layer, "alarm", from, to);
    }
    if (!spec.isScore) return;
    const y = this.yOf(1);
    ctx.save();
    ctx.beginPath();
    ctx.rect(LEFT, 0, this.width - LEFT - RIGHT, y);
    ctx.clip();
    this.drawLayer(layer, "alarm", this.from, this.to);
    ctx.restore();
    ctx.lineWidth = 1;
    this.line(LEFT, Math.round(y) + 0.5, this.width - RIGHT, Math.round(y) + 0.5, "alarm", [6, 4]);
    if (spec.isMap) return;
    ctx.fillStyle = this.color("alarm");
    ctx.strokeStyle = this.color("card");
    ctx.lineWidth = 4;
    ctx.textAlign = "left";
    ctx.textBaseline = "bottom";
    ctx.strokeText("alarm threshold", LEFT + 6, y - 3);
    ctx.fillText("alarm threshold", LEFT + 6, y - 3);
  }

  drawCursor() {
    const { ctx, view, data } = this;
    const at = view.cursor === null ? -1 : nearest(data.t, view.cursor);
    const isShown = at >= 0 && data.t[at] >= view.lo && data.t[at] <= view.hi;
    for (const { layer, value } of this.readout) value.textContent = isShown ? reading(layer, at) : "";
    if (!isShown) return;
    const x = Math.round(this.xOf(data.t[at])) + 0.5;
    this.line(x, TOP, x, this.bottom(), "cross");
    for (const layer of this.spec.layers) {
      if (layer.kind === "band" || layer.hi[at] === null) continue;
      ctx.fillStyle = this.color(layer.color);
      ctx.beginPath();
      ctx.arc(x, this.yOf(layer.hi[at]), 3, 0, 7);
      ctx.fill();
    }
    const text = formatTime(data.base + data.t[at], Math.min(MINUTE, (view.hi - view.lo) / this.width * 10));
    const w = ctx.measureText(text).width + 12, left = Math.min(Math.max(x - w / 2, 0), this.width - w);
    ctx.fillStyle = this.color("ink");
    ctx.beginPath();
    ctx.roundRect(left, this.bottom() + 3, w, 18, 4);
    ctx.fill();
    ctx.fillStyle = this.color("card");
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillText(text, left + w / 2, this.bottom() + 12.5);
  }

  drawSelection() {
    const { from, to } = this.drag, x = Math.min(from, to);
    this.ctx.fillStyle = this.color("select");
    this.ctx.fillRect(x, 0, Math.abs(to - from), this.bottom());
  }

  /** Dims what the other charts do not show. */
  drawMapWindow() {
    const { ctx, view } = this, from = this.xOf(view.lo), to = this.xOf(view.hi);
    ctx.fillStyle = this.color("veil");
    ctx.fillRect(LEFT, 0, from - LEFT, this.height);
    ctx.fillRect(to, 0, this.width - RIGHT - to, this.height);
    ctx.strokeStyle = this.color("cross");
    ctx.lineWidth = 1;
    ctx.strokeRect(Math.round(from) + 0.5, 0.5, Math.max(2, Math.round(to - from) - 1), this.height - 1);
  }
}

/** A layer's value at a bucket in words: one number, or lowest to highest. */
function reading(layer, at) {
  const lo = layer.lo[at], hi = layer.hi[at];
  if (lo === null || hi === null) return "–";
  return lo === hi ? formatNumber(lo) : `${formatNumber(lo)} … ${formatNumber(hi)}`;
}
