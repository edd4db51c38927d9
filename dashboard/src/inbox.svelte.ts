// The events that the inbox shows: read page by page, kept up to date by the stream of changes.
import { type Anomalies, type Event, type Verdict, VERDICTS } from "./api";
import { type ApiError, get } from "./client";
import { toFailure } from "./loading.svelte";

const PAGE_LEN = 50;

/** More than this the server does not send at once. */
const PAGE_LEN_MAX = 1_000;

/** With more than this, the inbox begins anew. */
const LEN_MAX = 2_000;

export interface Filter {
  open: boolean | null;
  severityMin: number | null;
  /** A verdict, or `none`: nobody gave one yet. */
  verdict: Verdict | "none" | null;
  device: string;
}

export function filterOf(query: URLSearchParams): Filter {
  const open = query.get("open");
  const severity = Number(query.get("severity_min") ?? "");
  const verdict = query.get("verdict");
  return {
    open: open === "true" ? true : open === "false" ? false : null,
    severityMin: severity > 0 ? severity : null,
    verdict: verdict === "none" ? "none" : (VERDICTS.find((one) => one === verdict) ?? null),
    device: query.get("device") ?? "",
  };
}

export class Inbox {
  events = $state.raw<Event[] | null>(null);
  failure = $state.raw<ApiError | null>(null);
  next = $state<string | null>(null);
  #filter: Filter = { open: null, severityMin: null, verdict: null, device: "" };
  #turn = 0;
  /** For each answer that is on its way, what was told since it was asked for: it may be of before that. */
  readonly #told = new Set<Event[]>();
  /** Where the page that failed begins. */
  #failed: string | null = null;

  async load(filter: Filter): Promise<void> {
    this.#filter = filter;
    this.#turn++;
    await this.#read(null);
  }

  more = (): Promise<void> => this.#read(this.next);

  /** All that is here, anew: changes may have been missed. */
  async renew(): Promise<void> {
    this.#turn++;
    await this.#read(null, Math.max(PAGE_LEN, Math.min(this.events?.length ?? 0, PAGE_LEN_MAX)));
  }

  /** What failed, once more. */
  retry = (): Promise<void> => this.#read(this.#failed);

  async #read(cursor: string | null, limit = PAGE_LEN): Promise<void> {
    const turn = this.#turn;
    const { open, severityMin, verdict, device } = this.#filter;
    const said = verdict === "none" ? { judged: false } : { verdict };
    const told: Event[] = [];
    this.#told.add(told);
    try {
      const page = await get<Anomalies>("anomalies", { open, severity_min: severityMin, ...said, device, order: "newest", cursor, limit });
      if (turn !== this.#turn) return;
      const known = new Set(cursor === null ? [] : this.events?.map(({ id }) => id));
      this.events = [...(cursor === null ? [] : (this.events ?? [])), ...page.anomalies.filter(({ id }) => !known.has(id))];
      this.next = page.next;
      this.failure = null;
      for (const event of told) this.#take(event);
    } catch (failure) {
      if (turn !== this.#turn) return;
      this.failure = toFailure(failure);
      this.#failed = cursor;
    } finally {
      this.#told.delete(told);
    }
  }

  /** Takes in an event that began, went on, ended or was judged by people. */
  apply(event: Event): void {
    for (const told of this.#told) told.push(event);
    this.#take(event);
  }

  #take(event: Event): void {
    if (this.events === null) return;
    const i = this.events.findIndex(({ id }) => id === event.id);
    if (!this.#isWanted(event)) {
      if (i >= 0) this.events = this.events.toSpliced(i, 1);
    } else if (i >= 0) {
      this.events = this.events.with(i, event);
    } else {
      const place = this.events.findIndex(({ start }) => Date.parse(start) <= Date.parse(event.start));
      // Older than all that is here: it comes with its page.
      if (place < 0 && this.next !== null) return;
      this.events = this.events.toSpliced(place < 0 ? this.events.length : place, 0, event);
      if (this.events.length > LEN_MAX) void this.load(this.#filter);
    }
  }

  #isWanted(event: Event): boolean {
    const { open, severityMin, verdict, device } = this.#filter;
    return (open === null || open === event.is_open)
      && (severityMin === null || event.severity >= severityMin)
      && (verdict === null || verdict === (event.verdict ?? "none"))
      && (device === "" || device === event.device);
  }
}
