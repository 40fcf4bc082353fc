/**
 * The one port: HTTP/1.1 and HTTP/2 (prior knowledge, or ALPN over TLS) on one TCP socket, so that
 * gRPC, gRPC-Web, Connect and plain HTTP need one address.
 */
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import type { Logger } from "../core/logger.ts";
import { StartError } from "../core/start-error.ts";
import { createWorkInTurns } from "../core/work-in-turns.ts";
import { createClientAddresses } from "./client-address.ts";
import { createGuard } from "./guard.ts";
import type { HttpHandler } from "./http-message.ts";
import { createHttp1Half, type ShortWay } from "./http1-half.ts";
import { createHttp2Server } from "./http2-server.ts";
import { PORT_LIMITS, type PortLimits } from "./limits.ts";
import { sniffProtocol } from "./protocol-sniffer.ts";
import { readTlsFiles, type TlsFiles, watchTlsFiles } from "./tls-files.ts";

/**
 * A connection that looks idle may have a request on its way, which closing would cut: for so long
 * requests are still taken, and answered with `Connection: close`.
 */
const DRAIN_GRACE_MS = 600;

/** New connections whose first requests are served in one turn of the event loop: about 2 ms of work. */
const BEGINNINGS_A_TURN = 32;

/** What the port needs. */
export interface PortOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Serves TLS only, when set. */
  readonly tls?: TlsFiles;
  /** Whether a proxy in front ends TLS. */
  readonly isBehindTls?: boolean;
  /** Limits that differ from PORT_LIMITS. */
  readonly limits?: Partial<PortLimits>;
  /** Addresses and CIDRs of proxies whose word for the caller's address is believed; none by default. */
  readonly trustedProxies?: readonly string[];
  readonly handler: HttpHandler;
  /** Left out: node:http serves all of HTTP/1.1. */
  readonly short?: ShortWay;
  readonly logger: Logger;
  /**
   * Shares the port with other processes of this installation (SO_REUSEPORT): the first one makes sure that
   * nobody else has it, which sharing would not tell. Left out: the port is ours alone.
   */
  readonly sharing?: "first" | "next" | undefined;
  /** Called once when draining begins, to end calls that would stay open for ever. */
  readonly onDrain?: () => void;
}

/** An open port. */
export interface Port {
  /** Address that it is bound to. */
  readonly address: string;
  readonly port: number;
  /**
   * Takes no more connections, lets requests in flight end, then closes. What is still open after
   * `deadlineMs` is cut.
   */
  drain(deadlineMs: number): Promise<void>;
  /** Cuts everything. */
  close(): Promise<void>;
}

/** Opens the port. Rejects with a StartError when it cannot be bound or the TLS files are not usable. */
export async function createPort(options: PortOptions): Promise<Port> {
  const limits: PortLimits = { ...PORT_LIMITS, ...options.limits };
  let isDraining = false;
  const addresses = createClientAddresses(options.trustedProxies ?? []);
  const guarded = {
    ...options,
    limits,
    addresses,
    isTls: options.tls !== undefined || options.isBehindTls,
    isDraining: () => isDraining,
  };
  const http1 = createHttp1Half(guarded, options.short);
  const http2 = createHttp2Server(
    { limits, addresses, logger: options.logger },
    createGuard(guarded),
  );
  const sockets = new Set<Socket>();

  const assign = (socket: Socket, isHttp2: boolean) => {
    if (isHttp2) {
      socket.allowHalfOpen = false;
      http2.server.emit("connection", socket);
      // Not at once: Node reads what the socket holds right after this.
      if (isDraining) setImmediate(http2.closeSessions);
      return;
    }
    http1.take(socket);
  };
  const beginnings = createWorkInTurns(BEGINNINGS_A_TURN);
  const accept = (socket: Socket) => {
    // Each protocol listens itself later; until then an error must not end the process.
    socket.on("error", () => socket.destroy());
    const take = (isHttp2: boolean) =>
      beginnings.run(() => {
        if (!socket.destroyed) assign(socket, isHttp2);
      });
    sniffProtocol(socket, { timeoutMs: limits.firstBytesMs, take });
  };
  const { server, stopWatch } = createListener({ ...options, limits }, accept, assign);
  server.maxConnections = limits.connections;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  if (options.sharing === "first" && options.port !== 0) await claim(options);
  await listen(server, options);

  const close = async () => {
    isDraining = true;
    stopWatch();
    const closed = closeServer(server);
    for (const socket of sockets) socket.destroy();
    http1.close();
    await closed;
  };
  const drain = async (deadlineMs: number) => {
    if (!isDraining) options.onDrain?.();
    isDraining = true;
    const closed = closeServer(server);
    http2.closeSessions();
    let idle: NodeJS.Timeout;
    const sweep = () => {
      http1.closeIdle();
      idle = setTimeout(sweep, 50);
    };
    idle = setTimeout(sweep, Math.min(DRAIN_GRACE_MS, deadlineMs));
    await Promise.race([closed, elapse(deadlineMs)]);
    clearTimeout(idle);
    await close();
  };
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("the port has no address");
  return { address: bound.address, port: bound.port, drain, close };
}

function readFirstTlsFiles(files: TlsFiles) {
  try {
    return readTlsFiles(files);
  } catch (cause) {
    const { message } = cause as Error;
    const names = `${files.certFile} and ${files.keyFile}`;
    throw new StartError(`the TLS files ${names} cannot be used: ${message}`, { cause });
  }
}

function createListener(
  options: PortOptions & { readonly limits: PortLimits },
  accept: (socket: Socket) => void,
  assign: (socket: Socket, isHttp2: boolean) => void,
): { server: Server; stopWatch: () => void } {
  const tcp = { noDelay: true, keepAlive: true, allowHalfOpen: true };
  if (!options.tls) {
    return { server: createTcpServer(tcp, accept), stopWatch: () => undefined };
  }
  const server = createTlsServer({
    ...tcp,
    ...readFirstTlsFiles(options.tls),
    ALPNProtocols: ["h2", "http/1.1"],
    minVersion: "TLSv1.2",
    handshakeTimeout: options.limits.firstBytesMs,
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("secureConnection", (socket: TLSSocket) => {
    if (socket.alpnProtocol === "h2") {
      socket.on("error", () => socket.destroy());
      assign(socket, true);
    } else accept(socket);
  });
  const stopWatch = watchTlsFiles(options.tls, {
    onChange: (context) => server.setSecureContext(context),
    logger: options.logger,
  });
  return { server, stopWatch };
}

/** Takes the port for a moment, as nobody can who shares it. */
async function claim(options: PortOptions): Promise<void> {
  const server = createTcpServer();
  await listen(server, { ...options, sharing: undefined });
  await closeServer(server);
}

function listen(server: Server, { host, port, sharing }: PortOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: NodeJS.ErrnoException) => {
      reject(new StartError(describeListenFault(cause, host, port), { cause }));
    };
    server.once("error", refuse);
    const reusePort = sharing !== undefined;
    server.listen({ host, port, backlog: 1_024, reusePort }, () => {
      server.off("error", refuse);
      resolve();
    });
  });
}

function describeListenFault(
  { code, message }: NodeJS.ErrnoException,
  host: string,
  port: number,
): string {
  if (code === "EADDRINUSE") {
    return `port ${port} on ${host} is in use: end what listens there, or set PORT to another port (0 picks a free one)`;
  }
  if (code === "ENOTSUP") {
    return `several processes cannot share port ${port} on this system: start without --workers`;
  }
  if (code === "EACCES") {
    return `port ${port} on ${host} needs rights that this user lacks: set PORT to one above 1023`;
  }
  return `${host} with port ${port} cannot be listened on: ${message}`;
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function elapse(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
