// Short messages about what was just done, for eyes and for screen readers.
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

/** Does something and says how it went; `null` where it failed. */
export async function attempt<T>(doing: () => Promise<T>, done: string): Promise<T | null> {
  try {
    const value = await doing();
    say(done);
    return value;
  } catch (failure) {
    const { title, detail } = toFailure(failure);
    say(`${title}. ${detail}`, true);
    return null;
  }
}
