/** The cache of answers: what is read again, when, and how often a call is repeated. */
import { Code, ConnectError } from "@connectrpc/connect";
import { QueryCache, QueryClient } from "@tanstack/react-query";
import { isUnreachable } from "./transport.ts";

const SIGNED_OUT = "tributary:signed-out";

/** Makes the cache. A call is repeated only when nobody answered it. */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    queryCache: new QueryCache({ onError: announceSignOut }),
    defaultOptions: {
      queries: {
        retry: (count, error) => isUnreachable(error) && count < 30,
        retryDelay: (count) => Math.min(500 * 2 ** count, 4_000),
        staleTime: 2_000,
        networkMode: "always",
      },
      mutations: { networkMode: "always" },
    },
  });
}

/** Calls back when an answer says that the session has ended. */
export function onSignedOut(listener: () => void): () => void {
  addEventListener(SIGNED_OUT, listener);
  return () => removeEventListener(SIGNED_OUT, listener);
}

function announceSignOut(error: Error): void {
  if (ConnectError.from(error).code === Code.Unauthenticated) dispatchEvent(new Event(SIGNED_OUT));
}

/** How the pages of a list follow one another. */
export const PAGES = {
  pageParamKey: "pageToken" as const,
  getNextPageParam: (page: { readonly nextPageToken: string }) => page.nextPageToken || undefined,
};
