// How charts over time look: options for uPlot, drawn with the colours of the style sheet.
import type uPlot from "uplot";

import type { Stretch } from "./span";
import { colour } from "./theme.svelte";
import { local, measure } from "./words";

export interface Drawing {
  kind: "score" | "channel";
  width: number;
  height: number;
  /** Stretches to be shaded, in seconds. */
  shades: () => Stretch[];
  /** Left and right end of the chart, in seconds. */
  span: () => Stretch;
  onCursor: (idx: number | null) => void;
  onSelect: (from: number, to: number) => void;
}

const SYNC = "device";

export function options(drawing: Drawing): uPlot.Options {
  const { kind, width, height } = drawing;
  const axis = { stroke: colour("muted"), grid: { stroke: colour("grid"), width: 1 }, ticks: { show: false }, font: `11px ${font()}` };
  return {
    width,
    height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: SYNC, setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
      // With Shift the same movement pans, see `Chart.svelte`.
      bind: { mousedown: (_chart, _target, handler) => (press) => (press.shiftKey ? null : handler(press)), dblclick: () => null },
    },
    scales: {
      x: { time: true, range: () => [drawing.span().from, drawing.span().to] },
      y: kind === "score" ? { range: scoreRange, distr: 100, fwd: squeezed, bwd: unsqueezed } : { range: channelRange },
    },
    axes: [
      { ...axis, size: 38, values: (_chart, splits, _axis, _space, step) => times(splits, step) },
      {
        ...axis,
        size: 58,
        values: (_chart, splits) => splits.map((value) => (value === null ? "" : measure(value))),
        // uPlot would drop all numbers but powers of ten on a scale that is not even.
        ...(kind === "score" ? { splits: scoreSplits, filter: (_chart: uPlot, splits: number[]) => splits } : {}),
      },
    ],
    series: [{}, ...(kind === "score" ? scoreLines() : channelLines())],
    bands: kind === "score"
      ? [{ series: [1, 2], fill: colour("line-wash") }]
      : [{ series: [4, 5], fill: colour("expected-wash") }, { series: [1, 2], fill: colour("line-wash") }],
    hooks: {
      drawClear: [(chart) => shade(chart, drawing.shades())],
      draw: kind === "score" ? [drawThreshold] : [],
      setCursor: [(chart) => drawing.onCursor(chart.cursor.idx ?? null)],
      setSelect: [
        (chart) => {
          const { left, width: selected } = chart.select;
          if (selected < 4) return;
          drawing.onSelect(chart.posToVal(left, "x"), chart.posToVal(left + selected, "x"));
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

const font = () => getComputedStyle(document.body).fontFamily;

function scoreLines(): uPlot.Series[] {
  const line = { stroke: colour("line"), width: 1.5, points: { show: false } };
  return [{ ...line, label: "score" }, { ...line, label: "lowest" }];
}

function channelLines(): uPlot.Series[] {
  const line = { stroke: colour("line"), width: 1.4, points: { show: false } };
  const edge = { width: 0, points: { show: false } };
  return [
    { ...line, label: "highest" },
    { ...line, label: "lowest" },
    { stroke: colour("expected"), width: 1.3, dash: [5, 4], points: { show: false }, label: "expected" },
    { ...edge, label: "upper" },
    { ...edge, label: "lower" },
  ];
}

/** Time of day, and the date beneath it where a day begins. */
function times(splits: number[], stepSeconds: number): string[] {
  let day = "";
  return splits.map((seconds) => {
    const [date = "", time = ""] = local(seconds * 1000).split(" ");
    const isNewDay = date !== day;
    day = date;
    if (stepSeconds >= 86_400) return date.slice(5);
    const shown = stepSeconds >= 60 ? time.slice(0, 5) : time;
    return isNewDay ? `${shown}\n${date.slice(5)}` : shown;
  });
}

/** Up to here scores are drawn as they are; above, by their logarithm. A fault scores a hundred, and what is near the threshold must not become a flat line beside it. */
const KNEE = 2;

const squeezed = (score: number) => (score <= KNEE ? score : KNEE * (1 + Math.log(score / KNEE)));
const unsqueezed = (at: number) => (at <= KNEE ? at : KNEE * Math.exp(at / KNEE - 1));

const SCORES = [0, 0.5, 1, 1.5, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000, 1_000_000];

/** Room that a number on the axis takes, in pixels. */
const SPLIT_PX = 17;

function scoreSplits(chart: uPlot, _axis: number, low: number, high: number): number[] {
  const perUnit = chart.bbox.height / devicePixelRatio / (squeezed(high) - squeezed(low) || 1);
  const shown: number[] = [];
  for (const score of SCORES.filter((score) => low <= score && score <= high)) {
    const last = shown.at(-1);
    // The threshold keeps its number whatever stands near.
    if (score === 1 && last !== undefined && last > 0 && perUnit * (1 - last) < SPLIT_PX) shown.pop();
    const before = shown.at(-1);
    if (before === undefined || score === 1 || perUnit * (squeezed(score) - squeezed(before)) >= SPLIT_PX) shown.push(score);
  }
  return shown;
}

/** The threshold is always in sight. */
const scoreRange = (_chart: uPlot, _low: number | null, high: number | null): [number, number] => [0, Math.max(1.3, (high ?? 0) * 1.08)];

function channelRange(_chart: uPlot, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const margin = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1;
  return [low - margin, high + margin];
}

function shade(chart: uPlot, shades: Stretch[]) {
  const { ctx, bbox } = chart;
  const [wash, mark] = [colour("alarm-wash"), colour("alarm-mark")];
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const { from, to } of shades) {
    const left = chart.valToPos(from, "x", true);
    const width = Math.max(2, chart.valToPos(to, "x", true) - left);
    ctx.fillStyle = wash;
    ctx.fillRect(left, bbox.top, width, bbox.height);
    ctx.fillStyle = mark;
    ctx.fillRect(left, bbox.top, width, 2 * devicePixelRatio);
  }
  ctx.restore();
}

function drawThreshold(chart: uPlot) {
  const { ctx, bbox } = chart;
  const y = Math.round(chart.valToPos(1, "y", true)) + 0.5;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour("alarm-mark");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.font = `${11 * devicePixelRatio}px ${font()}`;
  ctx.textBaseline = "bottom";
  ctx.textAlign = "left";
  ctx.fillText("threshold", bbox.left + 6 * devicePixelRatio, y - 3 * devicePixelRatio);
  ctx.restore();
}
