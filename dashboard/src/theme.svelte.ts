// Light, dark, or as the system says.
import { remember } from "./storage";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

function stored(): Theme {
  const theme = document.documentElement.dataset["theme"];
  return theme === "light" || theme === "dark" ? theme : "system";
}

const system = matchMedia("(prefers-color-scheme: dark)");

export const theme = $state({ chosen: stored(), isDark: isDark(stored()) });

/** Colours of the style sheet that were read, by name. */
const read = new Map<string, string>();

function isDark(chosen: Theme): boolean {
  return chosen === "system" ? system.matches : chosen === "dark";
}

function change(chosen: Theme) {
  read.clear();
  theme.chosen = chosen;
  theme.isDark = isDark(chosen);
}

system.addEventListener("change", () => change(theme.chosen));

export function choose(chosen: Theme): void {
  if (chosen === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
  change(chosen);
  remember("theme", chosen);
}

/** A colour of the style sheet as numbers that a canvas understands. Read once for a theme: each reading makes the browser work out styles. */
export function colour(name: string): string {
  const known = read.get(name);
  if (known !== undefined) return known;
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  read.set(name, value);
  return value;
}
