// The devices that the overview shows: read page by page as people scroll, kept up to date by the live stream.
import type { Device, DeviceOrder, Devices, State } from "./api";
import { type ApiError, get } from "./client";
import { toFailure } from "./loading.svelte";

const PAGE_LEN = 100;

/** More than this the server does not send at once. */
const PAGE_LEN_MAX = 1_000;

export interface Choice {
  query: string;
  state: State | null;
  sort: DeviceOrder;
}

const byName = (a: Device, b: Device) => (a.device < b.device ? -1 : Number(a.device > b.device));
const time = ({ last_time }: Device) => (last_time === null ? -Infinity : Date.parse(last_time));
const worst = (device: Device) => Math.max(0, device.worst?.score ?? 0);

/** The orders of the server: `board/list.rs`. */
const ORDERS: Record<DeviceOrder, (a: Device, b: Device) => number> = {
  name: byName,
  recent: (a, b) => (time(a) === time(b) ? byName(a, b) : time(b) - time(a)),
  worst: (a, b) => Number(b.state === "event") - Number(a.state === "event") || worst(b) - worst(a) || byName(a, b),
};

export class Fleet {
  devices = $state.raw<Device[] | null>(null);
  total = $state(0);
  failure = $state.raw<ApiError | null>(null);
  /** The order or the choice of devices is no longer what the server would say. */
  isStale = $state(false);
  #next: string | null = null;
  #choice: Choice = { query: "", state: null, sort: "worst" };
  #turn = 0;
  #isReading = false;
  /** Where the page that failed begins. */
  #failed: string | null = null;

  /** Reads the first page of a choice. */
  async load(choice: Choice): Promise<void> {
    this.#choice = choice;
    this.#turn++;
    await this.#read(null);
  }

  /** The same choice again, from its first page. */
  reload = (): Promise<void> => this.load(this.#choice);

  /** All that is here, anew: changes may have been missed. */
  async renew(): Promise<void> {
    this.#turn++;
    await this.#read(null, Math.max(PAGE_LEN, Math.min(this.devices?.length ?? 0, PAGE_LEN_MAX)));
  }

  /** What failed, once more. */
  retry = (): Promise<void> => this.#read(this.#failed);

  /** Reads the next page; answers false where there is none, or one is on its way. */
  async more(): Promise<boolean> {
    if (this.#next === null || this.#isReading || this.failure !== null) return false;
    await this.#read(this.#next);
    return true;
  }

  async #read(cursor: string | null, limit = PAGE_LEN): Promise<void> {
    const turn = this.#turn;
    this.#isReading = true;
    try {
      const page = await get<Devices>("devices", { ...this.#choice, cursor, limit });
      if (turn !== this.#turn) return;
      const known = new Set(cursor === null ? [] : this.devices?.map(({ device }) => device));
      const fresh = page.devices.filter(({ device }) => !known.has(device));
      this.devices = cursor === null ? page.devices : [...(this.devices ?? []), ...fresh];
      this.#next = page.next;
      this.total = page.total;
      this.failure = null;
      if (cursor === null) this.isStale = false;
    } catch (failure) {
      if (turn !== this.#turn) return;
      this.failure = toFailure(failure);
      this.#failed = cursor;
    } finally {
      if (turn === this.#turn) this.#isReading = false;
    }
  }

  /** Takes in what changed; answers whether a device has another state than before. */
  apply(changed: Device[]): boolean {
    const devices = this.devices;
    if (devices === null) return false;
    const place = new Map(devices.map(({ device }, i) => [device, i]));
    const updated = [...devices];
    const order = ORDERS[this.#choice.sort];
    let isOther = false;
    let isStale = false;
    for (const device of changed) {
      const i = place.get(device.device);
      const before = i === undefined ? undefined : devices[i];
      if (i !== undefined) updated[i] = device;
      isOther ||= before?.state !== device.state;
      // It has gone from the choice, or it belongs among those that are shown.
      const last = devices.at(-1);
      isStale ||= before === undefined
        ? this.#isWanted(device) && (this.#next === null || last === undefined || order(device, last) < 0)
        : !this.#isWanted(device);
    }
    this.devices = updated;
    isStale ||= updated.some((device, i) => i > 0 && order(updated[i - 1] ?? device, device) > 0);
    if (isStale) this.isStale = true;
    return isOther;
  }

  #isWanted({ device, state }: Device): boolean {
    const { query, state: wanted } = this.#choice;
    return device.toLowerCase().includes(query.toLowerCase()) && (wanted === null || wanted === state);
  }
}
