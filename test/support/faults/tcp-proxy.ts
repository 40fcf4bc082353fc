/** A TCP proxy before a server, that treats connections as badly as told (as Toxiproxy does). */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What the proxy does from now on, to open connections as well. */
export type Toxic =
  | { readonly kind: "none" }
  /** Every chunk, both ways, comes so much later. */
  | { readonly kind: "latency"; readonly ms: number }
  /** Cuts every connection with a reset after so long, again and again. */
  | { readonly kind: "reset"; readonly afterMs: number }
  /** The end of a connection is told to the other side only so much later. */
  | { readonly kind: "slow_close"; readonly ms: number }
  /** Nothing comes through, and nothing ends. */
  | { readonly kind: "timeout" }
  /** New connections are refused, open ones cut. */
  | { readonly kind: "down" };

/** The proxy. */
export interface TcpProxy {
  readonly port: number;
  /** The address with the proxy's host and port in place of its own. */
  before(url: string): string;
  toxic: Toxic;
  /** Connections that were made. */
  readonly connections: number;
  close(): Promise<void>;
}

/** Starts a proxy on a free port of loopback. `target` is asked at each connection. */
export async function startTcpProxy(
  target: () => { readonly host: string; readonly port: number },
): Promise<TcpProxy> {
  let toxic: Toxic = { kind: "none" };
  let connections = 0;
  const links = new Set<Link>();
  const server = createServer((inner) => {
    connections += 1;
    if (toxic.kind === "down") return void inner.resetAndDestroy();
    const outer = connect(target());
    const link = createLink(inner, outer, () => toxic);
    links.add(link);
    link.apply();
    inner.once("close", () => links.delete(link));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    before(url) {
      const made = new URL(url);
      made.hostname = "127.0.0.1";
      made.port = String(port);
      return made.href;
    },
    get toxic() {
      return toxic;
    },
    set toxic(next) {
      toxic = next;
      for (const link of links) link.apply();
    },
    get connections() {
      return connections;
    },
    async close() {
      for (const link of links) link.cut();
      server.close();
      await once(server, "close");
    },
  };
}

/** Both halves of one connection. */
interface Link {
  /** The toxic has changed. */
  apply(): void;
  cut(): void;
}

function createLink(inner: Socket, outer: Socket, toxicOf: () => Toxic): Link {
  let timer: NodeJS.Timeout | undefined;
  const cut = () => {
    clearTimeout(timer);
    inner.resetAndDestroy();
    outer.resetAndDestroy();
  };
  pipe(inner, outer, toxicOf);
  pipe(outer, inner, toxicOf);
  return {
    apply() {
      const toxic = toxicOf();
      clearTimeout(timer);
      if (toxic.kind === "down") cut();
      if (toxic.kind === "reset") timer = setTimeout(cut, toxic.afterMs * Math.random());
      for (const socket of [inner, outer]) {
        if (toxic.kind === "timeout") socket.pause();
        else socket.resume();
      }
    },
    cut,
  };
}

function pipe(from: Socket, to: Socket, toxicOf: () => Toxic): void {
  // Chunks keep their order when the delay changes.
  let dueMs = 0;
  const later = (ms: number, work: () => void) => {
    dueMs = Math.max(dueMs, performance.now() + ms);
    const waitMs = dueMs - performance.now();
    if (waitMs < 1) work();
    else setTimeout(work, waitMs);
  };
  from.on("data", (chunk) => {
    const toxic = toxicOf();
    later(toxic.kind === "latency" ? toxic.ms : 0, () => {
      if (!to.destroyed && !to.write(chunk)) from.pause();
    });
  });
  to.on("drain", () => {
    if (toxicOf().kind !== "timeout") from.resume();
  });
  from.on("end", () => {
    const toxic = toxicOf();
    later(toxic.kind === "slow_close" ? toxic.ms : 0, () => to.end());
  });
  from.on("error", () => to.resetAndDestroy());
  from.on("close", () => {
    const { kind } = toxicOf();
    if (kind !== "slow_close" && kind !== "timeout") to.destroySoon();
  });
}
