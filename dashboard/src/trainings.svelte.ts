// Trainings on the server, looked at often while one is under way.
import type { Job } from "./api";
import { get } from "./client";
import { Loaded } from "./loading.svelte";

const BUSY_MS = 1_000;
const QUIET_MS = 10_000;

export const isUnderWay = ({ state }: Job): boolean => state === "waiting" || state === "running";

export class Trainings extends Loaded<{ jobs: Job[] }> {
  #nWaiting = 0;

  /** `onEnd` is called when a training has ended: there may be another version now. */
  constructor(private readonly onEnd: () => void) {
    super((signal) => get<{ jobs: Job[] }>("jobs", {}, signal));
  }

  /** Looks until the returned function is called. */
  follow(): () => void {
    let timer: ReturnType<typeof setTimeout>;
    let isStopped = false;
    const look = async () => {
      await this.load();
      if (isStopped) return;
      const nWaiting = this.value?.jobs.filter(isUnderWay).length ?? 0;
      if (nWaiting < this.#nWaiting) this.onEnd();
      this.#nWaiting = nWaiting;
      timer = setTimeout(look, nWaiting > 0 ? BUSY_MS : QUIET_MS);
    };
    void look();
    this.#wake = () => {
      clearTimeout(timer);
      void look();
    };
    return () => {
      isStopped = true;
      clearTimeout(timer);
      this.stop();
    };
  }

  #wake: () => void = () => undefined;

  /** Something was started: look now, and often. */
  wake(): void {
    this.#wake();
  }
}
