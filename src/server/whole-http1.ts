/**
 * The port's own reader of HTTP/1.1 for pushes: a request in one piece costs one read and one write, and
 * none of the streams, events and timers of node:http, which take twice the CPU of a single push. It
 * takes only what `readWholeHead` reads, in bodies up to 256 KiB. At the first request of a connection
 * that is anything else, or too slow, the connection is handed over to node:http for good, with the
 * bytes that are not answered yet; so all limits of node:http hold.
 */
import type { Socket } from "node:net";
import type { WholeRequest, WholeResponse } from "../core/whole-message.ts";
import type { PortLimits } from "./limits.ts";
import { type SharedByConnections, WholeConnection } from "./whole-connection.ts";
import type { WholeHead } from "./whole-head.ts";

/** Serves a whole request; undefined when it is not for a lane. Nothing was sent then. */
export type WholeHandler = (
  request: WholeRequest,
  response: WholeResponse,
  peer: string | undefined,
) => Promise<void> | undefined;

/** What the reader works with. */
export interface WholeHttp1Options {
  readonly limits: PortLimits;
  readonly handle: WholeHandler;
  /** Whether a request with this head may be for a lane. */
  readonly isWanted: (head: Pick<WholeHead, "url" | "headers">) => boolean;
  /** Takes a connection, paused, whose unanswered bytes are put back. */
  readonly handOver: (socket: Socket) => void;
  /** Answers a connection whose caller ended it within a request, and closes it. */
  readonly refuse: (socket: Socket) => void;
  readonly isDraining: () => boolean;
}

/** The reader. */
export interface WholeHttp1 {
  /** Takes a paused connection that speaks HTTP/1.1. */
  take(socket: Socket): void;
  /** Ends connections without a request under way. */
  closeIdle(): void;
  /** Stops the look-outs; connections stay. */
  close(): void;
}

/** Bodies above it are left to node:http: what is scanned in one slice. */
const BODY_BYTES_MAX = 256 * 1024;

/** Makes the reader. */
export function createWholeHttp1(options: WholeHttp1Options): WholeHttp1 {
  const connections = new Set<WholeConnection>();
  const shared: SharedByConnections = {
    ...options,
    connections,
    keepAliveEnd: `Connection: keep-alive\r\nKeep-Alive: timeout=${options.limits.keepAliveMs / 1000}\r\n\r\n`,
    headLimits: { headerPairs: options.limits.headerPairs, bodyBytes: BODY_BYTES_MAX },
    heldBytes: 0,
    nowMs: performance.now(),
  };
  const look = () => {
    shared.nowMs = performance.now();
    for (const connection of connections) connection.look();
  };
  const timer = setInterval(look, options.limits.checkIntervalMs);
  timer.unref();
  return {
    take: (socket) => void new WholeConnection(shared, socket),
    closeIdle: () => {
      for (const connection of connections) connection.closeIdle();
    },
    close: () => clearInterval(timer),
  };
}
