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

async function request<T>(method: string, path: string, { query, body, signal }: Options): Promise<T> {
  const isText = typeof body === "string";
  const init: RequestInit = { method, headers: { accept: "application/json" }, credentials: "same-origin" };
  if (signal !== undefined) init.signal = signal;
  if (body !== undefined) {
    init.body = isText ? body : JSON.stringify(body);
    init.headers = {
      accept: "application/json",
      "content-type": isText ? "text/plain; charset=utf-8" : "application/json",
    };
  }
  let answer: Response;
  try {
    answer = await fetch(address(path, query), init);
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError(0, "No answer", "The server does not answer. Is it running, and is the network up?", null, []);
  }
  if (!answer.ok) throw await failure(answer, path);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
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

export const get = <T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> =>
  request<T>("GET", path, signal === undefined ? { query } : { query, signal });
export const post = <T>(path: string, body: unknown = {}): Promise<T> => request<T>("POST", path, { body });
export const put = <T>(path: string, body: unknown): Promise<T> => request<T>("PUT", path, { body });
export const remove = <T>(path: string): Promise<T> => request<T>("DELETE", path, {});

/** A name as part of a path. */
export const part = encodeURIComponent;
