// From the answer of the server to the columns that a chart draws.
import type { ChannelHistory, History, Numbers, Rows } from "./api";

/** Times in seconds, then one column for each line: what uPlot reads. */
export type Columns = [number[], ...Numbers[]];

/** Samples of the newest stretch, and points asked for: that stretch comes sample by sample. */
export const POINTS = 1_000;

/** Steps this much longer than the usual one are gaps; no line is drawn over them. */
const GAP_STEPS = 4;

/** A history as charts draw it. All charts have the same rows, with an empty one in each gap, where lines break. */
export interface Drawn {
  score: Columns;
  channels: { channel: ChannelHistory; columns: Columns }[];
}

export function drawn({ time_ms, score, channels }: History): Drawn {
  const steps = time_ms.slice(1).map((time, i) => time - (time_ms[i] ?? time)).sort((a, b) => a - b);
  const usual = steps[Math.floor(steps.length / 2)] ?? 0;
  const times: number[] = [];
  /** Where a row comes from; -1: from nowhere. */
  const places: number[] = [];
  time_ms.forEach((time, i) => {
    const before = time_ms[i - 1];
    if (before !== undefined && time - before > GAP_STEPS * usual) {
      times.push((before + usual) / 1000);
      places.push(-1);
    }
    times.push(time / 1000);
    places.push(i);
  });
  const column = (of: Numbers | null): Numbers => places.map((place) => of?.[place] ?? null);
  return {
    score: [times, column(score.max), column(score.min)],
    channels: channels.map((channel) => {
      const { max, min, expected, upper, lower } = channel;
      return { channel, columns: [times, ...[max, min, expected, upper, lower].map(column)] };
    }),
  };
}

/** History with samples that were judged since, the newest `POINTS` at most. What was there already is left out. */
export function extended(history: History, rows: Rows): History {
  const last = history.time_ms.at(-1) ?? -Infinity;
  const fresh = rows.time_ms.flatMap((time, i) => (time > last ? [i] : []));
  if (fresh.length === 0) return history;
  const push = (column: Numbers, from: Numbers | undefined): Numbers => [...column, ...fresh.map((i) => from?.[i] ?? null)].slice(-POINTS);
  return {
    ...history,
    n_samples: Math.min(POINTS, history.n_samples + fresh.length),
    time_ms: [...history.time_ms, ...fresh.map((i) => rows.time_ms[i] ?? last)].slice(-POINTS),
    score: { min: push(history.score.min, rows.score), max: push(history.score.max, rows.score) },
    channels: history.channels.map((channel) => {
      const values = rows.values[rows.channels.indexOf(channel.channel)];
      const empty = (column: Numbers | null) => column && push(column, undefined);
      return {
        ...channel,
        min: push(channel.min, values),
        max: push(channel.max, values),
        expected: empty(channel.expected),
        lower: empty(channel.lower),
        upper: empty(channel.upper),
      };
    }),
  };
}
