/** The HTTP/1.1 half of the port: its own reader for what lanes take, node:http for everything else. */
import type { Socket } from "node:net";
import { createGuard, createWholeGuard, type GuardOptions } from "./guard.ts";
import { createHttp1Server, refuse } from "./http1-server.ts";
import type { Lane } from "./route.ts";
import { createWholeHttp1, type WholeHttp1Options } from "./whole-http1.ts";

/** Lanes that small requests reach without node:http. */
export interface ShortWay {
  readonly lane: Lane;
  /** Which requests those are, by their heads. */
  readonly isWanted: WholeHttp1Options["isWanted"];
}

/** Connections that speak HTTP/1.1. */
export interface Http1Half {
  /** Takes a paused connection. */
  take(socket: Socket): void;
  /** Ends connections without a request under way. */
  closeIdle(): void;
  /** Cuts everything that node:http has; the port cuts the sockets. */
  close(): void;
}

/** Makes the half; without a short way node:http serves all. */
export function createHttp1Half(options: GuardOptions, short: ShortWay | undefined): Http1Half {
  const server = createHttp1Server(options.limits, createGuard(options));
  const takeAll = (socket: Socket) => {
    server.emit("connection", socket);
    socket.resume();
  };
  const whole =
    short &&
    createWholeHttp1({
      limits: options.limits,
      isDraining: options.isDraining,
      isWanted: short.isWanted,
      handle: createWholeGuard(short.lane, options),
      handOver: takeAll,
      refuse: (socket) => refuse({}, socket),
    });
  return {
    take: whole?.take ?? takeAll,
    closeIdle() {
      server.closeIdleConnections();
      whole?.closeIdle();
    },
    close() {
      whole?.close();
      server.close();
      server.closeAllConnections();
    },
  };
}
