// Keys of the whole dashboard and of single pages, and the list of them that `?` shows.

import { untrack } from "svelte";

import { remember, remembered } from "./storage";

export interface KeyBinding {
  key: string;
  what: string;
  run: () => void;
  /** A key that is held down counts once. */
  isOnce?: boolean;
}

const OFF = "single-keys-off";

class Keyboard {
  bindings = $state.raw<KeyBinding[]>([]);
  /** Letters, digits and signs do something by themselves. Who speaks to the machine, or trembles, turns that off. */
  hasSingleKeys = $state(remembered(OFF) === null);

  setSingleKeys(isOn: boolean): void {
    this.hasSingleKeys = isOn;
    remember(OFF, isOn ? null : "true");
  }
}

export const keyboard = new Keyboard();

/** Adds keys for as long as a page is shown; returns what takes them away again. */
export function bind(bindings: KeyBinding[]): () => void {
  // Pages bind in effects: the list they add to must not call them again.
  const set = (change: (before: KeyBinding[]) => KeyBinding[]) => untrack(() => (keyboard.bindings = change(keyboard.bindings)));
  set((before) => [...before, ...bindings]);
  return () => set((before) => before.filter((one) => !bindings.includes(one)));
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function start(): void {
  addEventListener("keydown", (press) => {
    if (press.defaultPrevented || press.metaKey || press.ctrlKey || press.altKey || isTyping(press.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (press.key.length === 1 && !keyboard.hasSingleKeys) return;
    const binding = keyboard.bindings.findLast(({ key }) => key === press.key);
    if (!binding || (binding.isOnce && press.repeat)) return;
    press.preventDefault();
    binding.run();
  });
}
