// Requests to the server this page came from, and what is said when one fails.
import type { Mistake, Problem } from "./api";

/** A request that failed, told for people. */
export class ApiError extends Error {
  constructor(
    /** 0 where no answer came. */
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly requestId: string | null,
    readonly mistakes: Mistake[],
  ) {
    super(detail);
  }
}

type Query = Record<string, string | number | boolean | null | undefined>;

interface Options {
  query?: Query;
  /** Sent as JSON; text goes as it is. */
  body?: unknown;
  signal?: AbortSignal;
  /** The state of what is changed, as its reader saw it. */
  tag?: string | null;
}

/** Something with the tag of its state. */
export interface Tagged<T> {
  body: T;
  tag: string | null;
}

const onSignedOut = new Set<() => void>();

/** Calls back when the server no longer knows who we are. */
export function whenSignedOut(callback: () => void): void {
  onSignedOut.add(callback);
}

/** The address of a part of the API; empty values are left out. */
export function address(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  return search.size === 0 ? `/api/v1/${path}` : `/api/v1/${path}?${search}`;
}

async function request<T>(method: string, path: string, { query, body, signal, tag }: Options): Promise<Tagged<T>> {
  const isText = typeof body === "string";
  const headers = new Headers({ accept: "application/json" });
  const init: RequestInit = { method, headers, credentials: "same-origin" };
  if (signal !== undefined) init.signal = signal;
  if (tag) headers.set("if-match", tag);
  if (body !== undefined) {
    init.body = isText ? body : JSON.stringify(body);
    headers.set("content-type", isText ? "text/plain; charset=utf-8" : "application/json");
  }
  let answer: Response;
  try {
    answer = await fetch(address(path, query), init);
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError(0, "No answer", "The server does not answer. Is it running, and is the network up?", null, []);
  }
  if (!answer.ok) throw await failure(answer, path);
  return { body: (answer.status === 204 ? undefined : await answer.json()) as T, tag: answer.headers.get("etag") };
}

async function failure(answer: Response, path: string): Promise<ApiError> {
  if (answer.status === 401 && path !== "sign-in") for (const callback of onSignedOut) callback();
  const problem = (await answer.json().catch(() => ({}))) as Partial<Problem>;
  return new ApiError(
    answer.status,
    problem.title ?? `The server answered ${answer.status}`,
    problem.detail ?? `The request for ${path} failed.`,
    problem.request_id ?? answer.headers.get("x-request-id"),
    problem.mistakes ?? [],
  );
}

export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return (await request<T>("GET", path, signal === undefined ? { query } : { query, signal })).body;
}

export async function post<T>(path: string, body: unknown = {}): Promise<T> {
  return (await request<T>("POST", path, { body })).body;
}

export async function remove(path: string): Promise<void> {
  await request("DELETE", path, {});
}

/** Something that may be changed by several people at once, */
export const getTagged = <T>(path: string, signal: AbortSignal): Promise<Tagged<T>> => request<T>("GET", path, { signal });

/** and another state of it; refused where it is not in the state of that tag any more. */
export const putTagged = <T>(path: string, body: string, tag: string | null): Promise<Tagged<T>> => request<T>("PUT", path, { body, tag });

/** A name as part of a path. */
export const part = encodeURIComponent;
