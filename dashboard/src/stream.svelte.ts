// Server-sent events. The browser takes up a broken connection by itself; where it gives up (the server was restarted
// or refused), we ask again. Whenever a connection opens, the page reads anew what it may have missed before.
import { ApiError, get } from "./client";

const RETRY_MS = 1_000;
const RETRY_MS_MAX = 30_000;

/** Whether the server speaks to us at the moment; `null` while nobody listens. */
export const connection = $state<{ isLive: boolean | null }>({ isLive: null });

/**
 * Listens until the returned function is called, and while the page is seen: browsers allow six connections to a
 * server, and hidden windows would take them from the one that is looked at.
 *
 * `onOpen` is called whenever a connection opens: what happened before is not told.
 */
export function listen<T>(url: string, event: string, onData: (data: T) => void, onOpen: (isFirst: boolean) => void): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let waitMs = RETRY_MS;
  let isStopped = false;
  let isFirst = true;

  /** Whether a connection is wanted, and there is none. */
  const isIdle = () => !isStopped && !document.hidden && (source === null || source.readyState === EventSource.CLOSED);

  function open() {
    source = new EventSource(url);
    source.onopen = () => {
      connection.isLive = true;
      waitMs = RETRY_MS;
      onOpen(isFirst);
      isFirst = false;
    };
    source.addEventListener(event, (message: MessageEvent<string>) => onData(JSON.parse(message.data) as T));
    source.onerror = () => {
      connection.isLive = false;
      if (source?.readyState === EventSource.CLOSED) retry();
    };
  }

  function retry() {
    timer = setTimeout(async () => {
      try {
        // A stream does not say why it was refused. Who is no longer signed in is asked for the key.
        await get("whoami");
      } catch (failure) {
        if (failure instanceof ApiError && failure.status === 401) return;
        if (isIdle()) retry();
        return;
      }
      if (isIdle()) open();
    }, waitMs);
    waitMs = Math.min(2 * waitMs, RETRY_MS_MAX);
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function look() {
    close();
    if (!document.hidden) open();
  }

  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    isStopped = true;
    document.removeEventListener("visibilitychange", look);
    close();
    connection.isLive = null;
  };
}
