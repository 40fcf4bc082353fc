/** The connections of one webhook: kept while they are used, opened to checked addresses only. */
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { EgressGuard } from "../egress.ts";
import { timeoutFault } from "../sink-fault.ts";
import {
  ConnectionLost,
  type ConnectionOwner,
  PostConnection,
  type WireAnswer,
  type WireRequest,
} from "./post-connection.ts";

/** Connections that one sink keeps; more requests than these wait. */
const CONNECTIONS_MAX = 16;
/** Those of them that stay without work. */
const IDLE_MAX = 4;
/** Answers are mostly shorter; a longer one is read in pieces. */
const READ_BYTES = 4 * 1024;
const KEEP_ALIVE_MS = 1_000;

/** Where to, and with what. */
export interface ConnectionsOptions {
  readonly url: URL;
  readonly guard: EgressGuard;
  /** In PEM; empty for none. */
  readonly certificate: string;
  readonly key: string;
  /** Authority of the server's certificate, in PEM; empty for the usual ones. */
  readonly authority: string;
}

/** The connections to one endpoint. */
export interface PostConnections {
  /**
   * Sends a request over one of them. Rejects when no answer came: with SinkFault for an address that is not
   * allowed or when the signal ends it, else with an error that has a `code`.
   */
  send(request: WireRequest, signal: AbortSignal): Promise<WireAnswer>;
  /** Ends all of them; requests that wait or are under way fail. Idempotent. */
  close(): void;
}

/** Opens none yet. */
export function createPostConnections(options: ConnectionsOptions): PostConnections {
  const open = new Set<PostConnection>();
  const idle: PostConnection[] = [];
  const waiting: (() => void)[] = [];
  const socket = createSocketMaker(options);
  let isClosed = false;
  const owner: ConnectionOwner = {
    free(connection) {
      if (waiting.length === 0 && idle.length >= IDLE_MAX) connection.destroy();
      else idle.push(connection);
      waiting.shift()?.();
    },
    gone(connection) {
      open.delete(connection);
      const at = idle.indexOf(connection);
      if (at >= 0) idle.splice(at, 1);
      waiting.shift()?.();
    },
  };
  const take = (): PostConnection | undefined => {
    for (let known = idle.pop(); known; known = idle.pop()) {
      if (known.isUsable) return known;
      known.destroy();
    }
    if (open.size >= CONNECTIONS_MAX) return undefined;
    const made = socket((bytes) => connection.take(bytes));
    const connection: PostConnection = new PostConnection(made, owner);
    open.add(connection);
    return connection;
  };
  const takeTurn = async (signal: AbortSignal): Promise<PostConnection> => {
    for (;;) {
      if (isClosed) throw new ConnectionLost("ECONNABORTED", false);
      const connection = take();
      if (connection) return connection;
      await waitFor(waiting, signal);
    }
  };
  return {
    async send(request, signal) {
      await socket.check();
      for (;;) {
        const connection = await takeTurn(signal);
        try {
          return await connection.send(request, signal);
        } catch (error) {
          // A server may close an idle connection while the request is on its way: that is no failure.
          if (!(error instanceof ConnectionLost && error.isStale) || signal.aborted) throw error;
        }
      }
    },
    close() {
      isClosed = true;
      for (const connection of open) connection.destroy();
      for (const go of waiting.splice(0)) go();
    },
  };
}

async function waitFor(waiting: (() => void)[], signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = () => {
    const at = waiting.indexOf(resolve);
    if (at >= 0) waiting.splice(at, 1);
    reject(timeoutFault("waiting for a connection"));
  };
  signal.addEventListener("abort", stop, { once: true });
  waiting.push(resolve);
  if (signal.aborted) stop();
  try {
    await promise;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

interface SocketMaker {
  (take: (bytes: Buffer) => void): Socket;
  /** Rejects when the address is a literal that is not allowed. */
  check(): Promise<unknown>;
}

function createSocketMaker(options: ConnectionsOptions): SocketMaker {
  const { url, guard } = options;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const isLiteral = isIP(host) !== 0;
  const to = {
    host,
    port: Number(url.port || (url.protocol === "https:" ? 443 : 80)),
    lookup: guard.lookup,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  };
  // Node asks no resolver for IP literals, so they are checked here, once; WHATWG URL has made 0x7f.1 and
  // the like dotted decimals already.
  let checked: Promise<unknown> | undefined;
  const check = (): Promise<unknown> => {
    checked ??= isLiteral ? guard.resolve(host) : Promise.resolve();
    return checked;
  };
  let session: Buffer | undefined;
  const make = (take: (bytes: Buffer) => void): Socket => {
    if (url.protocol !== "https:") {
      // One buffer for all reads instead of one of 64 KiB for each.
      const callback = (bytes: number, buffer: Uint8Array): boolean => {
        take((buffer as Buffer).subarray(0, bytes));
        return true;
      };
      return connectPlain({
        ...to,
        onread: { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback },
      });
    }
    const secure = connectTls({
      ...to,
      ...(!isLiteral && { servername: host }),
      ALPNProtocols: ["http/1.1"],
      ...(options.certificate && { cert: options.certificate, key: options.key }),
      ...(options.authority && { ca: options.authority }),
      ...(session && { session }),
    });
    secure.on("session", (next: Buffer) => {
      session = next;
    });
    secure.on("error", () => {
      session = undefined;
    });
    return secure.on("data", take);
  };
  return Object.assign(make, { check });
}
