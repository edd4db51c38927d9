// Which stretch of time the charts of a device show, as it stands in the address.

export const LASTS = { "1h": 3_600_000, "6h": 21_600_000, "1d": 86_400_000, "1w": 604_800_000 } as const;
export type Last = keyof typeof LASTS;

/** The newest part, the last hours, or everything follow what comes in; a fixed stretch does not. */
export type Span =
  | { kind: "newest" }
  | { kind: "last"; last: Last }
  | { kind: "all" }
  | { kind: "fixed"; from: number; to: number };

/** A stretch of time, in seconds. */
export interface Stretch {
  from: number;
  to: number;
}

/** Nothing shorter is shown. */
const SECONDS_MIN = 1;

/** What the server can tell apart: 64 bits of nanoseconds around 1970, in milliseconds. */
const MS_MAX = 9_223_372_036_854;

export function spanOf(query: URLSearchParams): Span {
  const last = query.get("last");
  if (last === "all") return { kind: "all" };
  if (last !== null && Object.hasOwn(LASTS, last)) return { kind: "last", last: last as Last };
  const [from, to] = [Date.parse(query.get("from") ?? ""), Date.parse(query.get("to") ?? "")];
  return from < to ? { kind: "fixed", from, to } : { kind: "newest" };
}

const iso = (ms: number) => new Date(Math.max(-MS_MAX, Math.min(MS_MAX, Math.round(ms)))).toISOString();

/** The query that asks the server for a span; `newest` and `first` are times of the device. */
export function request(span: Span, first: number, newest: number): { from?: string; to?: string } {
  switch (span.kind) {
    case "newest": return {};
    case "all": return { from: iso(first), to: iso(newest + 1) };
    case "last": return { from: iso(newest - LASTS[span.last]), to: iso(newest + 1) };
    case "fixed": return { from: iso(span.from), to: iso(span.to) };
  }
}

/** The stretch that is wanted, moved and cut so that it lies within another. */
export function within(wanted: Stretch, all: Stretch): Stretch {
  const length = Math.min(Math.max(wanted.to - wanted.from, SECONDS_MIN), Math.max(all.to - all.from, SECONDS_MIN));
  const from = Math.max(all.from, Math.min(wanted.from, all.to - length));
  return { from, to: from + length };
}

/** The address of a device with a stretch of time around it. */
export function link(device: string, start: string, end: string): string {
  const [from, to] = [Date.parse(start), Date.parse(end)];
  const margin = Math.max(60_000, (to - from) * 1.5);
  return `/devices/${encodeURIComponent(device)}?from=${iso(from - margin)}&to=${iso(to + margin)}`;
}

export const query = ({ from, to }: Stretch): Record<string, string | null> => ({ last: null, from: iso(from * 1000), to: iso(to * 1000) });
