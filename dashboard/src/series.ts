// From the answer of the server to the columns that a chart draws.
import type { ChannelHistory, History, Numbers, Rows } from "./api";

/** Times in seconds, then one column for each line: what uPlot reads. */
export type Columns = [number[], ...Numbers[]];

/** Steps this much longer than the usual one are gaps; no line is drawn over them. */
const GAP_STEPS = 4;

/** Columns with an empty row in each gap, so that the line breaks there. */
export function withGaps(timeMs: number[], columns: Numbers[]): Columns {
  const steps = timeMs.slice(1).map((time, i) => time - (timeMs[i] ?? time)).sort((a, b) => a - b);
  const usual = steps[Math.floor(steps.length / 2)] ?? 0;
  const times: number[] = [];
  const out: Numbers[] = columns.map(() => []);
  timeMs.forEach((time, i) => {
    const before = timeMs[i - 1];
    if (before !== undefined && time - before > GAP_STEPS * usual) {
      times.push((before + usual) / 1000);
      for (const column of out) column.push(null);
    }
    times.push(time / 1000);
    out.forEach((column, c) => column.push(columns[c]?.[i] ?? null));
  });
  return [times, ...out];
}

export const scoreColumns = ({ time_ms, score }: History): Columns => withGaps(time_ms, [score.max, score.min]);

export function channelColumns(timeMs: number[], channel: ChannelHistory): Columns {
  const none: Numbers = timeMs.map(() => null);
  const { max, min, expected, upper, lower } = channel;
  return withGaps(timeMs, [max, min, expected ?? none, upper ?? none, lower ?? none]);
}

/**
 * History with samples that were judged since. What was there already is left out, and as many old samples go as new
 * ones come, so that the charts move on instead of growing.
 */
export function extended(history: History, rows: Rows): History {
  const last = history.time_ms.at(-1) ?? -Infinity;
  const fresh = rows.time_ms.flatMap((time, i) => (time > last ? [i] : []));
  if (fresh.length === 0) return history;
  const isFull = history.time_ms.length > 0;
  const push = (column: Numbers, from: Numbers | undefined): Numbers => {
    const longer = [...column, ...fresh.map((i) => from?.[i] ?? null)];
    return isFull ? longer.slice(fresh.length) : longer;
  };
  return {
    ...history,
    time_ms: [...history.time_ms, ...fresh.map((i) => rows.time_ms[i] ?? last)].slice(isFull ? fresh.length : 0),
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
