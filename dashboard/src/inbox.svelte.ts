// The events that the inbox shows: read page by page, kept up to date by the stream of changes.
import { type Anomalies, type Event, type Verdict, VERDICTS } from "./api";
import { type ApiError, get } from "./client";
import { toFailure } from "./loading.svelte";

const PAGE_LEN = 50;

export interface Filter {
  open: boolean | null;
  severityMin: number | null;
  /** A verdict, or none given yet. */
  verdict: Verdict | null;
  device: string;
}

export function filterOf(query: URLSearchParams): Filter {
  const open = query.get("open");
  const severity = Number(query.get("severity_min") ?? "");
  return {
    open: open === "true" ? true : open === "false" ? false : null,
    severityMin: severity > 0 ? severity : null,
    verdict: VERDICTS.find((verdict) => verdict === query.get("verdict")) ?? null,
    device: query.get("device") ?? "",
  };
}

export class Inbox {
  events = $state.raw<Event[] | null>(null);
  failure = $state.raw<ApiError | null>(null);
  next = $state<string | null>(null);
  #filter: Filter = { open: null, severityMin: null, verdict: null, device: "" };
  #turn = 0;

  async load(filter: Filter): Promise<void> {
    this.#filter = filter;
    this.#turn++;
    await this.#read(null);
  }

  reload = (): Promise<void> => this.load(this.#filter);

  more = (): Promise<void> => this.#read(this.next);

  async #read(cursor: string | null): Promise<void> {
    const turn = this.#turn;
    const { open, severityMin, verdict, device } = this.#filter;
    try {
      const query = { open, severity_min: severityMin, verdict, device, order: "newest", cursor, limit: PAGE_LEN };
      const page = await get<Anomalies>("anomalies", query);
      if (turn !== this.#turn) return;
      const known = new Set(cursor === null ? [] : this.events?.map(({ id }) => id));
      this.events = [...(cursor === null ? [] : (this.events ?? [])), ...page.anomalies.filter(({ id }) => !known.has(id))];
      this.next = page.next;
      this.failure = null;
    } catch (failure) {
      if (turn === this.#turn) this.failure = toFailure(failure);
    }
  }

  /** Takes in an event that began, went on, ended or was judged by people. */
  apply(event: Event): void {
    if (this.events === null) return;
    const i = this.events.findIndex(({ id }) => id === event.id);
    if (i >= 0) this.events = this.events.with(i, event);
    else if (this.#isWanted(event)) {
      const place = this.events.findIndex(({ start }) => Date.parse(start) <= Date.parse(event.start));
      this.events = this.events.toSpliced(place < 0 ? this.events.length : place, 0, event);
    }
  }

  #isWanted(event: Event): boolean {
    const { open, severityMin, verdict, device } = this.#filter;
    return (open === null || open === event.is_open)
      && (severityMin === null || event.severity >= severityMin)
      && (verdict === null || verdict === event.verdict)
      && (device === "" || device === event.device);
  }
}
