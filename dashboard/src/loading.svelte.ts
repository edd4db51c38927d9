// Something read from the server: on its way, here, or failed with a way to try again.
import { untrack } from "svelte";

import { ApiError } from "./client";

export class Loaded<T> {
  value = $state.raw<T | null>(null);
  failure = $state.raw<ApiError | null>(null);
  isLoading = $state(false);
  #turn = 0;
  #abort: AbortController | null = null;
  /** Something has changed since the answer that is on its way was asked for. */
  #isStale = false;

  constructor(private readonly read: (signal: AbortSignal) => Promise<T>) {}

  /** Asks something else than before, or again: an answer that is on its way is no longer wanted. */
  load = async (): Promise<void> => {
    const turn = ++this.#turn;
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    this.isLoading = true;
    this.#isStale = false;
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
    if (this.#isStale) await this.load();
  };

  /** Asks the same again. An answer that is on its way is waited for first: it would never come where changes are many. */
  refresh = async (): Promise<void> => {
    if (untrack(() => this.isLoading)) this.#isStale = true;
    else await this.load();
  };

  /** Forgets the answer that is on its way. */
  stop(): void {
    this.#turn++;
    this.#abort?.abort();
    this.isLoading = false;
  }
}

/** What failed, told for people. */
export function toFailure(failure: unknown): ApiError {
  if (failure instanceof ApiError) return failure;
  return new ApiError(0, "Something went wrong on this page", String(failure), null, []);
}
