"use strict";
// Pure functions: ticks, numbers and times in words. Times are milliseconds; all calendars are UTC.

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
// Steps that divide the next larger unit, so that ticks fall on the same clock times every day.
const TIME_STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500,
  SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND,
  MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY,
];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The smallest of 1, 2, 5 times a power of ten that is at least `rough`. */
function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 2, 5]) if (factor * power >= rough * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

/** Round numbers in [lo, hi], about `count` of them and at least two. */
function numberTicks(lo, hi, count) {
  if (!(hi > lo)) return [lo];
  let step = niceStep((hi - lo) / Math.max(2, count));
  if (Math.floor(hi / step) <= Math.ceil(lo / step)) step = niceStep(step * 0.3);
  const ticks = [];
  for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi + step * 1e-9; k++) ticks.push(k * step);
  return ticks;
}

/** Round instants in [lo, hi] (ms since the epoch), about `count`: `{at, label, strong}`, strong where the date turns. */
function timeTicks(lo, hi, count) {
  const rough = (hi - lo) / Math.max(1, count);
  if (!(rough > 0)) return [];
  if (rough > 14 * DAY) return monthTicks(lo, hi, rough);
  // Below a millisecond the steps are decimal like any number's.
  const step = rough < 1 ? niceStep(rough) : TIME_STEPS.find((s) => s >= rough) ?? 14 * DAY;
  const ticks = [];
  for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi; k++) {
    const at = k * step, date = new Date(at);
    const midnight = at % DAY === 0;
    const day = `${MONTHS[date.getUTCMonth()]} ${date.getUTCDate()}`;
    ticks.push({ at, strong: midnight && step < DAY, label: midnight ? day : clock(at, step) });
  }
  return ticks;
}

/** First days of months or years. */
function monthTicks(lo, hi, rough) {
  const months = [1, 2, 3, 6, 12].find((m) => m * 30 * DAY >= rough) ?? 12 * niceStep(rough / (365 * DAY));
  const first = new Date(lo), ticks = [];
  let month = Math.ceil((first.getUTCFullYear() * 12 + first.getUTCMonth()) / months) * months;
  for (; ; month += months) {
    const at = Date.UTC(Math.floor(month / 12), month % 12, 1);
    if (at > hi) return ticks;
    const year = String(Math.floor(month / 12)), january = month % 12 === 0;
    if (at >= lo) ticks.push({ at, strong: january && months < 12, label: january ? year : MONTHS[month % 12] });
  }
}

/** Time of day with the digits that `step` needs. */
function clock(at, step) {
  const text = new Date(at).toISOString();
  if (step >= MINUTE) return text.slice(11, 16);
  if (step >= SECOND) return text.slice(11, 19);
  if (step >= 1) return text.slice(14, 23);
  return (((at % SECOND) + SECOND) % SECOND).toFixed(Math.ceil(-Math.log10(step))) + " ms";
}

/** An instant to the precision that `step` (the distance of neighbours) asks for. */
function formatTime(at, step = MINUTE) {
  const text = new Date(at).toISOString().replace("T", " ");
  return text.slice(0, step >= DAY ? 10 : step >= MINUTE ? 16 : step >= SECOND ? 19 : 23);
}

/** A length of time in one or two units: `2 d 3 h`, `45 min`, `320 ms`. */
function formatDuration(ms) {
  const units = [[365.25 * DAY, "y"], [DAY, "d"], [HOUR, "h"], [MINUTE, "min"], [SECOND, "s"]];
  const at = units.findIndex(([size]) => ms >= size);
  if (at < 0) return `${formatNumber(ms)} ms`;
  const [size, unit] = units[at], next = units[at + 1];
  if (!next) return `${formatNumber(ms / size)} ${unit}`;
  const whole = Math.floor(ms / size), left = Math.round((ms - whole * size) / next[0]);
  if (left * next[0] >= size) return `${whole + 1} ${unit}`;
  return left ? `${whole} ${unit} ${left} ${next[1]}` : `${whole} ${unit}`;
}

/** Four significant digits, in powers of ten where they would not fit; a dash for nothing. */
function formatNumber(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return value.toExponential(2).replace("e+", "e");
  // Whole numbers keep all their digits; the others drop the zeros at their end.
  return size >= 10 ** digits ? value.toFixed(0) : String(Number(value.toPrecision(digits)));
}

/** Labels for ticks: the decimals that their step needs, no more. */
function tickLabels(ticks) {
  const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : Math.abs(ticks[0]) || 1;
  const largest = Math.max(...ticks.map(Math.abs));
  if (largest >= 1e6 || (largest > 0 && largest < 1e-3)) return ticks.map((t) => t === 0 ? "0" : t.toExponential(1).replace("e+", "e"));
  const decimals = Math.min(8, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
  return ticks.map((tick) => tick.toFixed(decimals));
}

/** A share as a percentage. */
function formatShare(share) {
  return share > 0 && share < 0.01 ? "<1 %" : `${Math.round(share * 100)} %`;
}

/** Index of the entry of rising `sorted` nearest to `x`. */
function nearest(sorted, x) {
  let lo = 0, hi = sorted.length - 1;
  while (hi - lo > 1) {
    const mid = (lo + hi) >> 1;
    if (sorted[mid] <= x) lo = mid; else hi = mid;
  }
  return Math.abs(sorted[hi] - x) < Math.abs(sorted[lo] - x) ? hi : lo;
}

/** Runs [first, last] of indices in [from, to] where `values` are present and no break lies between. */
function runs(values, isBreak, from, to) {
  const found = [];
  let first = -1;
  for (let i = from; i <= to + 1; i++) {
    const present = i <= to && values[i] !== null && values[i] !== undefined;
    if (first >= 0 && (!present || isBreak[i])) { found.push([first, i - 1]); first = -1; }
    if (present && first < 0) first = i;
  }
  return found;
}
