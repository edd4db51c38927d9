// Keys of the whole dashboard and of single pages, and the list of them that `?` shows.

export interface KeyBinding {
  key: string;
  what: string;
  run: () => void;
}

export const keyboard = $state<{ bindings: KeyBinding[] }>({ bindings: [] });

/** Adds keys for as long as a page is shown; returns what takes them away again. */
export function bind(bindings: KeyBinding[]): () => void {
  keyboard.bindings = [...keyboard.bindings, ...bindings];
  return () => (keyboard.bindings = keyboard.bindings.filter((one) => !bindings.some(({ key, what }) => key === one.key && what === one.what)));
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function start(): void {
  addEventListener("keydown", (press) => {
    if (press.defaultPrevented || press.metaKey || press.ctrlKey || press.altKey || isTyping(press.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const binding = keyboard.bindings.findLast(({ key }) => key === press.key);
    if (!binding) return;
    press.preventDefault();
    binding.run();
  });
}
