// The devices that the overview shows: read page by page as people scroll, kept up to date by the live stream.
import type { Device, DeviceOrder, Devices, State } from "./api";
import { type ApiError, get } from "./client";
import { toFailure } from "./loading.svelte";

const PAGE_LEN = 100;

export interface Choice {
  query: string;
  state: State | null;
  sort: DeviceOrder;
}

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

  /** Reads the first page of a choice. */
  async load(choice: Choice): Promise<void> {
    this.#choice = choice;
    this.#turn++;
    await this.#read(null);
  }

  /** The same choice again, from its first page. */
  reload = (): Promise<void> => this.load(this.#choice);

  /** Reads the next page; answers false where there is none, or one is on its way. */
  async more(): Promise<boolean> {
    if (this.#next === null || this.#isReading || this.failure !== null) return false;
    await this.#read(this.#next);
    return true;
  }

  async #read(cursor: string | null): Promise<void> {
    const turn = this.#turn;
    this.#isReading = true;
    try {
      const page = await get<Devices>("devices", { ...this.#choice, cursor, limit: PAGE_LEN });
      if (turn !== this.#turn) return;
      const known = new Set(cursor === null ? [] : this.devices?.map(({ device }) => device));
      const fresh = page.devices.filter(({ device }) => !known.has(device));
      this.devices = cursor === null ? page.devices : [...(this.devices ?? []), ...fresh];
      this.#next = page.next;
      this.total = page.total;
      this.failure = null;
      if (cursor === null) this.isStale = false;
    } catch (failure) {
      if (turn === this.#turn) this.failure = toFailure(failure);
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
    let isOther = false;
    for (const device of changed) {
      const i = place.get(device.device);
      const before = i === undefined ? undefined : devices[i];
      if (i !== undefined) updated[i] = device;
      if (before === undefined ? this.#isWanted(device) : before.state !== device.state) isOther = true;
    }
    this.devices = updated;
    if (isOther) this.isStale = true;
    return isOther;
  }

  /** A device that is not in the list would belong near its top. */
  #isWanted({ device, state }: Device): boolean {
    const { query, state: wanted, sort } = this.#choice;
    if (!device.toLowerCase().includes(query.toLowerCase()) || (wanted !== null && wanted !== state)) return false;
    return this.#next === null || (sort === "worst" && state === "event");
  }
}
