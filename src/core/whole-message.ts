/**
 * A request that has arrived whole, and the answer to it: what the port's own reader of HTTP/1.1 hands
 * to lanes, in place of the streams of node:http.
 */
import type { IncomingHttpHeaders } from "node:http";

/** A request with its body. */
export interface WholeRequest {
  readonly method: string;
  /** Path and query, as the caller sent them. */
  readonly url: string;
  /** As node:http has them; each header came once. */
  readonly headers: IncomingHttpHeaders;
  readonly httpVersionMajor: 1;
  /** The body as it came; a view that nobody writes to. */
  readonly body: Uint8Array;
}

/** The answer; the members have the meaning that they have in node:http. */
export interface WholeResponse {
  statusCode: number;
  readonly headersSent: boolean;
  /** Whether the caller has gone. */
  readonly destroyed: boolean;
  /** Not known here; there for the likeness to node:http. */
  readonly req?: { readonly method?: string } | undefined;
  setHeader(name: string, value: string): unknown;
  /** Sends head and body in one write. A second call does nothing. */
  end(body?: string | Uint8Array): unknown;
  /** Hears of a caller who goes before the answer; one listener at a time. */
  once(event: "close", listener: () => void): unknown;
  off(event: "close", listener: () => void): unknown;
  /** Cuts the connection. */
  destroy(): unknown;
}
