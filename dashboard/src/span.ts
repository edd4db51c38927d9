// Which stretch of time the charts of a device show, as it stands in the address.

export const LASTS = { "1h": 3_600_000, "6h": 21_600_000, "1d": 86_400_000, "1w": 604_800_000 } as const;
export type Last = keyof typeof LASTS;

/** The newest part, the last hours, or everything follow what comes in; a fixed stretch does not. */
export type Span =
  | { kind: "newest" }
  | { kind: "last"; last: Last }
  | { kind: "all" }
  | { kind: "fixed"; from: number; to: number };

export function spanOf(query: URLSearchParams): Span {
  const last = query.get("last");
  if (last === "all") return { kind: "all" };
  if (last !== null && last in LASTS) return { kind: "last", last: last as Last };
  const [from, to] = [Date.parse(query.get("from") ?? ""), Date.parse(query.get("to") ?? "")];
  return from < to ? { kind: "fixed", from, to } : { kind: "newest" };
}

const iso = (ms: number) => new Date(Math.round(ms)).toISOString();

/** The query that asks the server for a span; `newest` and `first` are times of the device. */
export function request(span: Span, first: number, newest: number): { from?: string; to?: string } {
  switch (span.kind) {
    case "newest": return {};
    case "all": return { from: iso(first), to: iso(newest + 1) };
    case "last": return { from: iso(newest - LASTS[span.last]), to: iso(newest + 1) };
    case "fixed": return { from: iso(span.from), to: iso(span.to) };
  }
}

/** The address of a device with a stretch of time around it. */
export function link(device: string, start: string, end: string): string {
  const [from, to] = [Date.parse(start), Date.parse(end)];
  const margin = Math.max(60_000, (to - from) * 1.5);
  return `/devices/${encodeURIComponent(device)}?from=${iso(from - margin)}&to=${iso(to + margin)}`;
}

export const query = (from: number, to: number): Record<string, string | null> => ({ last: null, from: iso(from), to: iso(to) });
