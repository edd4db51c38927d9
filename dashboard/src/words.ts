// How numbers, times and states are written.
import type { ChannelDrift, Job, State, Verdict } from "./api";

const NOTHING = "–";

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A count. */
export const count = (n: number | null | undefined): string => (n === null || n === undefined ? NOTHING : plain.format(n));

/** A score: two decimals, because 1.00 is where an alarm begins. */
export function score(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  return value >= 1000 ? plain.format(value) : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** A measured value, to four digits. */
export function measure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(2);
  return new Intl.NumberFormat("en", { maximumSignificantDigits: size >= 1e4 ? 7 : 4, useGrouping: size >= 1e5 }).format(value);
}

export const percent = (share: number | null | undefined): string =>
  share === null || share === undefined ? NOTHING : `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;

export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined) return NOTHING;
  if (n < 1000) return `${n} B`;
  const step = n < 1e6 ? 1 : n < 1e9 ? 2 : 3;
  return `${(n / 1000 ** step).toFixed(1)} ${["kB", "MB", "GB"][step - 1]}`;
}

/** A length of time, in its two largest units. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NOTHING;
  if (seconds < 1) return seconds <= 0 ? "0 s" : `${Math.round(seconds * 1000)} ms`;
  const whole = Math.round(seconds);
  const [d, h, m, s] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60, whole % 60];
  if (d > 0) return h > 0 ? `${d} d ${h} h` : `${d} d`;
  if (h > 0) return m > 0 ? `${h} h ${m} min` : `${h} h`;
  if (m > 0) return s > 0 ? `${m} min ${s} s` : `${m} min`;
  return `${s} s`;
}

export const between = (from: string, to: string): string => duration((Date.parse(to) - Date.parse(from)) / 1000);

const two = (n: number) => String(n).padStart(2, "0");

/** Date and time of day in the zone of the reader: one order of parts all over the world. */
export function local(time: string | number): string {
  const at = new Date(time);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export const utc = (time: string | number): string => new Date(time).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");

/** The zone in which `local` tells an instant: "UTC+2". */
export function zone(time: string | number): string {
  const minutes = -new Date(time).getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `UTC${minutes < 0 ? "−" : "+"}${hours}${rest > 0 ? `:${two(rest)}` : ""}`;
}

/** Before how long, as people say it. */
export function ago(time: string | null | undefined, now: number): string {
  if (!time) return "never";
  const seconds = (now - Date.parse(time)) / 1000;
  if (seconds < 2) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

export const STATE_WORDS: Record<State, { name: string; meaning: string }> = {
  event: { name: "Event", meaning: "Scores are above the threshold: something is not normal." },
  silent: { name: "Silent", meaning: "No samples for longer than usual." },
  warming: { name: "Warming", meaning: "Too few samples yet for a first score." },
  normal: { name: "Normal", meaning: "Samples arrive and look as they should." },
};

export const VERDICT_WORDS: Record<Verdict, { name: string; meaning: string }> = {
  "false-alarm": { name: "False alarm", meaning: "Nothing was wrong." },
  real: { name: "Real", meaning: "A fault: the alert was right." },
  maintenance: { name: "Maintenance", meaning: "People worked on the machine." },
  "new-normal": { name: "New normal", meaning: "This is how the machine runs from now on." },
};

export const JOB_WORDS: Record<Job["state"], string> = {
  waiting: "Waiting", running: "Running", done: "Done", failed: "Failed", cancelled: "Cancelled",
};

export const DRIFT_WORDS: Record<ChannelDrift["severity"], string> = {
  none: "None", low: "Low", medium: "Medium", high: "High", critical: "Critical",
};

/** A kind of event as people say it: `level shift`. */
export const kindWords = (kind: string) => kind.replaceAll("-", " ");
