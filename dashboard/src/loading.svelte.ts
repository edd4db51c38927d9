// Something read from the server: on its way, here, or failed with a way to try again.
import { untrack } from "svelte";

import { ApiError } from "./client";

export class Loaded<T> {
  value = $state.raw<T | null>(null);
  failure = $state.raw<ApiError | null>(null);
  isLoading = $state(false);
  #turn = 0;
  #abort: AbortController | null = null;

  constructor(private readonly read: (signal: AbortSignal) => Promise<T>) {}

  /** Reads anew; what was here stays until the answer comes, and only the last of several answers counts. */
  load = async (): Promise<void> => {
    const turn = ++this.#turn;
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    this.isLoading = true;
    try {
      // Effects call this: what is read here is not what they wait for.
      const value = await untrack(() => this.read(abort.signal));
      if (turn !== this.#turn) return;
      this.value = value;
      this.failure = null;
    } catch (failure) {
      if (turn !== this.#turn) return;
      this.failure = toFailure(failure);
    }
    this.isLoading = false;
  };

  /** Forgets the answer that is on its way. */
  stop(): void {
    this.#turn++;
    this.#abort?.abort();
  }
}

/** What failed, told for people. */
export function toFailure(failure: unknown): ApiError {
  if (failure instanceof ApiError) return failure;
  return new ApiError(0, "Something went wrong on this page", String(failure), null, []);
}
