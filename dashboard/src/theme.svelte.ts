// Light, dark, or as the system says.

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

function stored(): Theme {
  const theme = document.documentElement.dataset["theme"];
  return theme === "light" || theme === "dark" ? theme : "system";
}

const system = matchMedia("(prefers-color-scheme: dark)");

export const theme = $state({ chosen: stored(), isDark: isDark(stored()) });

function isDark(chosen: Theme): boolean {
  return chosen === "system" ? system.matches : chosen === "dark";
}

system.addEventListener("change", () => (theme.isDark = isDark(theme.chosen)));

export function choose(chosen: Theme): void {
  theme.chosen = chosen;
  theme.isDark = isDark(chosen);
  if (chosen === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
  try {
    localStorage.setItem("theme", chosen);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
}

/** A colour of the style sheet as numbers that a canvas understands. */
export function colour(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
