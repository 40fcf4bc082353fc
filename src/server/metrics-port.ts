/** The port of /metrics: apart from the one that callers reach, so that what it tells stays with operators. */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { METRICS_TYPE } from "../core/metric-text.ts";
import { StartError } from "../core/start-error.ts";

/** What the port is made of. */
export interface MetricsPortOptions {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  /** Whoever asks has to send it as a bearer token; undefined: nobody has to. */
  readonly token: string | undefined;
  /** The text of the moment. */
  readonly collect: () => Promise<string>;
}

/** An open port. */
export interface MetricsPort {
  readonly port: number;
  /** Idempotent. */
  close(): Promise<void>;
}

const CONNECTIONS_MAX = 32;
const REQUEST_MS = 5_000;

/** Opens the port. Rejects with a StartError when it cannot be bound. */
export async function openMetricsPort(options: MetricsPortOptions): Promise<MetricsPort> {
  const { host, port } = options;
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: 60_000 },
    (request, response) => void answer(options, request, response),
  );
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      const text = `port ${port} on ${host} cannot be bound for metrics: set TRIBUTARY_METRICS_PORT to a free one`;
      reject(new StartError(text, { cause }));
    });
    server.listen({ host, port }, resolve);
  });
  let closing: Promise<void> | undefined;
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closing;
    },
  };
}

async function answer(
  { token, collect }: MetricsPortOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const end = (status: number, text: string, headers: Record<string, string> = {}) => {
    const head = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };
    response.writeHead(status, { ...head, ...headers }).end(text);
  };
  request.resume();
  if ((request.url ?? "").split("?")[0] !== "/metrics") return end(404, "only /metrics is here\n");
  if (request.method !== "GET" && request.method !== "HEAD") {
    return end(405, "send a GET\n", { allow: "GET, HEAD" });
  }
  if (token !== undefined && !isSame(request.headers.authorization ?? "", `Bearer ${token}`)) {
    const text = "send TRIBUTARY_METRICS_TOKEN as a bearer token\n";
    return end(401, text, { "www-authenticate": 'Bearer realm="metrics"' });
  }
  try {
    end(200, await collect(), { "content-type": METRICS_TYPE });
  } catch {
    end(500, "the metrics could not be collected\n");
  }
}

/** Takes as long for a wrong token as for the right one. */
function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => createHash("sha256").update(text).digest());
  return timingSafeEqual(a!, b!);
}
