// Who is signed in, and what they may do.
import type { Permission, WhoAmI } from "./api";
import { ApiError, get, post, whenSignedOut } from "./client";

export const session = $state<{ who: WhoAmI | null; isKnown: boolean; failure: ApiError | null }>({
  who: null,
  isKnown: false,
  failure: null,
});

/** Whether the one who is signed in may do this; what they may not do is not shown. */
export const may = (permission: Permission): boolean => session.who?.permissions.includes(permission) ?? false;

/** Asks the server who we are; a code in the address (`#code=…`) signs in by itself, once. */
export async function begin(): Promise<void> {
  session.failure = null;
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  // A code works once and opens everything: it does not stay in the address or in the history.
  if (code) history.replaceState(null, "", location.pathname + location.search);
  try {
    session.who = code ? await signInBy({ code }) : await get<WhoAmI>("whoami");
  } catch (failure) {
    session.who = null;
    if (failure instanceof ApiError && (code !== null || failure.status !== 401)) session.failure = failure;
  }
  session.isKnown = true;
}

const signInBy = (proof: { key: string } | { code: string }) => post<WhoAmI>("sign-in", proof);

/** Signs in; an `ApiError` where the key is refused. */
export async function signIn(key: string): Promise<void> {
  session.who = await signInBy({ key });
  session.failure = null;
}

export async function signOut(): Promise<void> {
  await post("sign-out");
  session.who = null;
}

whenSignedOut(() => (session.who = null));
