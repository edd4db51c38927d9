// Which page is shown: the path of the address, by the history of the browser.

export const place = $state({ path: location.pathname, query: new URLSearchParams(location.search) });

function read() {
  place.path = location.pathname;
  place.query = new URLSearchParams(location.search);
}

/** Goes to a page of the dashboard. */
export function go(to: string, { isReplacing = false } = {}): void {
  if (to === location.pathname + location.search) return;
  if (isReplacing) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  const isOtherPage = location.pathname !== place.path;
  read();
  if (isOtherPage && !isReplacing) scrollTo(0, 0);
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
  addEventListener("popstate", read);
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
