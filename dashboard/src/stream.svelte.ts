// Server-sent events. The browser takes up a broken connection by itself, after the last event it saw; where it
// gives up (the server was restarted or refused), we ask again, and the page reads anew what it may have missed.

const RETRY_MS = 3_000;

/** Whether the server speaks to us at the moment; `null` while nobody listens. */
export const connection = $state<{ isLive: boolean | null }>({ isLive: null });

/**
 * Listens until the returned function is called.
 *
 * `onGap` is called after a connection that had to be made anew, because events in between may be missing.
 */
export function listen<T>(url: string, event: string, onData: (data: T) => void, onGap: () => void): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;

  function open(isAgain: boolean) {
    source = new EventSource(url);
    source.onopen = () => {
      connection.isLive = true;
      if (isAgain) onGap();
    };
    source.addEventListener(event, (message: MessageEvent<string>) => onData(JSON.parse(message.data) as T));
    source.onerror = () => {
      if (isClosed) return;
      connection.isLive = false;
      if (source?.readyState === EventSource.CLOSED) timer = setTimeout(() => open(true), RETRY_MS);
    };
  }

  open(false);
  return () => {
    isClosed = true;
    clearTimeout(timer);
    source?.close();
    connection.isLive = null;
  };
}
