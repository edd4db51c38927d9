// How the service is: asked by the frame of all pages, for all of them.
import type { Status } from "./api";
import { get } from "./client";
import { Loaded } from "./loading.svelte";

const EVERY_MS = 5_000;

export const status = new Loaded((signal) => get<Status>("status", {}, signal));

/** Asks now and then, while the page is seen, until the returned function is called. */
export function follow(): () => void {
  const look = () => {
    if (!document.hidden) void status.refresh();
  };
  look();
  const timer = setInterval(look, EVERY_MS);
  document.addEventListener("visibilitychange", look);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", look);
    status.stop();
  };
}
