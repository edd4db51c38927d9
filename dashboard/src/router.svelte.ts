// Which page is shown: the path of the address, by the history of the browser.

class Place {
  path = $state(location.pathname);
  #search = $state(location.search);
  /** Another object only where the query is another. */
  query = $derived(new URLSearchParams(this.#search));

  read(): void {
    this.path = location.pathname;
    this.#search = location.search;
  }
}

export const place = new Place();

/** Goes to a page of the dashboard. */
export function go(to: string, { isReplacing = false } = {}): void {
  if (to === location.pathname + location.search) return;
  const before = place.path;
  if (isReplacing) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  place.read();
  if (before !== place.path && !isReplacing) scrollTo(0, 0);
}

/** Sets parts of the query and keeps the rest; empty values go. A new step is one that the browser can go back from. */
export function setQuery(changes: Record<string, string | null>, { isNewStep = false } = {}): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  go(query.size === 0 ? location.pathname : `${location.pathname}?${query}`, { isReplacing: !isNewStep });
}

/** The parts of a path behind a prefix, decoded. */
export function parts(path: string): string[] {
  return path.split("/").filter(Boolean).map((segment) => {
    try {
      return decodeURIComponent(segment);
    } catch {
      return segment; // not an address of ours; shown as it is
    }
  });
}

/** Follows links within the dashboard without loading the page anew. */
export function start(): void {
  addEventListener("popstate", () => place.read());
  addEventListener("click", (click) => {
    if (click.defaultPrevented || click.button !== 0 || click.metaKey || click.ctrlKey || click.shiftKey || click.altKey) return;
    const link = (click.target as Element | null)?.closest?.("a");
    if (!link || link.origin !== location.origin || link.target || link.hasAttribute("download")) return;
    if (link.pathname.startsWith("/api/") || link.pathname === "/docs" || link.pathname.endsWith(".json")) return;
    if (link.hash && link.pathname === location.pathname) return; // a place on this page
    click.preventDefault();
    go(link.pathname + link.search);
  });
}
