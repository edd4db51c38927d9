// Trainings on the server, looked at often while one is under way.
import type { Job } from "./api";
import { get } from "./client";
import { Loaded } from "./loading.svelte";

const BUSY_MS = 1_000;
const QUIET_MS = 10_000;

export const isUnderWay = ({ state }: Job): boolean => state === "waiting" || state === "running";

export class Trainings extends Loaded<{ jobs: Job[] }> {
  #underWay: string[] = [];
  #look: () => void = () => undefined;

  /** `onEnd` is called when a training has ended: there may be another version now. */
  constructor(private readonly onEnd: () => void) {
    super((signal) => get<{ jobs: Job[] }>("jobs", {}, signal));
  }

  /** Looks until the returned function is called. */
  follow(): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isStopped = false;
    const look = async () => {
      await this.refresh();
      if (isStopped) return;
      const underWay = (this.value?.jobs ?? []).filter(isUnderWay).map(({ id }) => id);
      if (this.#underWay.some((id) => !underWay.includes(id))) this.onEnd();
      this.#underWay = underWay;
      // Somebody may have looked in between: one timer is enough.
      clearTimeout(timer);
      timer = setTimeout(look, underWay.length > 0 ? BUSY_MS : QUIET_MS);
    };
    this.#look = look;
    void look();
    return () => {
      isStopped = true;
      clearTimeout(timer);
      this.stop();
    };
  }

  /** Something was started: look now, and often. */
  wake(): void {
    this.#look();
  }
}
