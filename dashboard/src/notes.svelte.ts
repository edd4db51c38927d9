// Doing something at the server, and saying how it went: for eyes and for screen readers.
import type { ApiError } from "./client";
import { toFailure } from "./loading.svelte";

export const notes = $state<{ list: { id: number; text: string; isBad: boolean }[] }>({ list: [] });

const SHOWN_MS = 6_000;
let last = 0;

export function say(text: string, isBad = false): void {
  const id = ++last;
  notes.list.push({ id, text, isBad });
  setTimeout(() => forget(id), isBad ? 2 * SHOWN_MS : SHOWN_MS);
}

export function forget(id: number): void {
  notes.list = notes.list.filter((note) => note.id !== id);
}

/** Something that is done at a press, once at a time. */
export class Doing {
  isBusy = $state(false);
  /** Why it failed the last time. A dialog shows that itself: notes lie behind it. */
  failure = $state.raw<ApiError | null>(null);

  /** Does it and says so; `null` where it failed, or is being done already. */
  async run<T>(doing: () => Promise<T>, done: string): Promise<T | null> {
    if (this.isBusy) return null;
    this.isBusy = true;
    this.failure = null;
    try {
      const value = await doing();
      say(done);
      return value;
    } catch (failure) {
      this.failure = toFailure(failure);
      return null;
    } finally {
      this.isBusy = false;
    }
  }
}

/** Does something and says how it went; `null` where it failed. */
export async function attempt<T>(doing: () => Promise<T>, done: string): Promise<T | null> {
  const one = new Doing();
  const value = await one.run(doing, done);
  if (one.failure) say(`${one.failure.title}. ${one.failure.detail}`, true);
  return value;
}
