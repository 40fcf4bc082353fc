/** What the port knows of one HTTP request, for logs, audit and stored origin. */
import { createContextKey } from "@connectrpc/connect";

/** One HTTP request. */
export interface Call {
  readonly method: string;
  /** Path and query, as the caller sent them. */
  readonly url: string;
  /** Names the request in logs and answers; the caller's own `x-request-id` when it is sane. */
  readonly requestId: string;
  /** Network address of the caller, as text without a port: the peer, or whom trusted proxies name. */
  readonly remoteAddress: string;
  /**
   * Lets the request body take longer than the time limit for whole requests (30 s), for calls that
   * stream; from then on only silence ends it.
   */
  readonly receiveSlowly: () => void;
}

/** Where rpc handlers and interceptors find the request they serve; undefined in memory. */
export const callKey = createContextKey<Call | undefined>(undefined);
