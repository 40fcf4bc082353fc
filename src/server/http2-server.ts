/** The HTTP/2 half of the port: sessions with a limit on everything. */
import { constants, createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { Logger } from "../core/logger.ts";
import { createAddressBan } from "./address-ban.ts";
import type { ClientAddresses } from "./client-address.ts";
import type { HttpRequest, HttpResponse } from "./http-message.ts";
import type { PortLimits } from "./limits.ts";

/** HTTP/2 server with its open sessions. */
export interface Http2Half {
  readonly server: Http2Server;
  /** Asks every session to end after the requests it has (GOAWAY). */
  readonly closeSessions: () => void;
}

/** An HTTP/2 server that never listens: the port hands it connections. */
export function createHttp2Server(
  options: {
    readonly limits: PortLimits;
    readonly addresses: ClientAddresses;
    readonly logger: Logger;
  },
  listener: (request: HttpRequest, response: HttpResponse) => void,
): Http2Half {
  const { limits, addresses, logger } = options;
  const sessions = new Set<ServerHttp2Session>();
  const perAddress = new Map<string, number>();
  const ban = createAddressBan(limits.resetBanMs);
  const server = createServer(
    {
      maxSessionMemory: limits.sessionMegabytes,
      maxHeaderListPairs: limits.headerPairs,
      // Node answers rapid resets with GOAWAY after a burst of 1,000 and 33 a second.
      settings: {
        maxConcurrentStreams: limits.streamsPerSession,
        maxHeaderListSize: limits.headerBytes,
        enablePush: false,
      },
    },
    listener,
  );
  server.on("sessionError", (error) => logger.debug("HTTP/2 session failed", { error }));
  server.on("session", (session) => {
    const address = session.socket.remoteAddress ?? "";
    const count = (perAddress.get(address) ?? 0) + 1;
    perAddress.set(address, count);
    sessions.add(session);
    session.once("close", () => {
      sessions.delete(session);
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left > 0) perAddress.set(address, left);
      else perAddress.delete(address);
    });
    // A proxy speaks for many callers.
    const isOver = count > limits.sessionsPerAddress;
    if ((isOver || ban.has(address)) && !addresses.isTrusted(address)) {
      if (isOver) logger.warn("too many HTTP/2 sessions from one address", { address, count });
      // Node reads what the socket holds after this event, and fails when the session is gone.
      setImmediate(() => session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM));
      return;
    }
    superviseSession(session, limits, () => {
      logger.warn("an address resets HTTP/2 streams rapidly", { address });
      ban.add(address);
    });
  });
  return {
    server,
    closeSessions: () => {
      for (const session of sessions) session.close();
    },
  };
}

/** A session that fails after so many resets was ended for them. */
const RAPID_RESETS = 500;

/** Ends a session that is old, used up, silent or dead; tells when it was ended for its resets. */
function superviseSession(
  session: ServerHttp2Session,
  limits: PortLimits,
  onRapidResets: () => void,
): void {
  const bornMs = performance.now();
  let requests = 0;
  let open = 0;
  let resets = 0;
  let lastMs = bornMs;
  let isPingOut = false;
  session.on("stream", (stream) => {
    open += 1;
    requests += 1;
    stream.once("close", () => {
      open -= 1;
      if (stream.rstCode === constants.NGHTTP2_CANCEL) resets += 1;
      lastMs = performance.now();
    });
    if (requests >= limits.requestsPerSession) session.close();
  });
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const isIdle = open === 0 && nowMs - lastMs > limits.sessionIdleMs;
    if (isPingOut) session.destroy();
    else if (isIdle || nowMs - bornMs > limits.sessionAgeMs) session.close();
    if (session.destroyed || session.closed) return;
    isPingOut = true;
    session.ping(() => {
      isPingOut = false;
    });
  }, limits.pingMs);
  timer.unref();
  const first = setTimeout(() => requests === 0 && session.destroy(), limits.headersMs);
  first.unref();
  session.once("error", () => resets > RAPID_RESETS && onRapidResets());
  session.once("close", () => {
    clearInterval(timer);
    clearTimeout(first);
  });
}
