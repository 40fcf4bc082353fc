/** A real HTTP endpoint for webhook sinks that checks signatures and behaves as badly as told. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";

/** How the receiver answers from now on. */
export type ReceiverMode =
  | { readonly kind: "ok"; readonly delayMs?: number }
  /** A status, such as 500, 410, 429 with `retryAfter` seconds, 302 with `location`. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly retryAfter?: number;
      readonly location?: string;
    }
  /** Takes the request and never answers. */
  | { readonly kind: "hang" }
  /** 422 for a request that holds a record for which `isBad` says so, else 200. */
  | { readonly kind: "refuse"; readonly isBad: (record: Record<string, unknown>) => boolean }
  /** Cuts the connection: without an answer, or after its head (200) in the middle of its body. */
  | { readonly kind: "reset"; readonly at: "head" | "body" }
  /** Sends a byte each half second, without end: of the head, or of the body after a head (200). */
  | { readonly kind: "drip"; readonly at: "head" | "body" };

/** A request that came. */
export interface ReceivedRequest {
  readonly id: string;
  readonly atMs: number;
  readonly headers: IncomingMessage["headers"];
  readonly path: string;
  readonly text: string;
  readonly records: readonly Record<string, unknown>[];
  /** Status that it got; 0 while it hangs or was cut. */
  status: number;
}

/** The endpoint. */
export interface Receiver {
  readonly url: string;
  mode: ReceiverMode;
  /** Checks signatures by it when set; what does not verify is in `faults`. */
  secret: string | undefined;
  readonly requests: readonly ReceivedRequest[];
  readonly faults: readonly string[];
  /** Records of the requests that were answered with 2xx, in order. */
  accepted(): Record<string, unknown>[];
  close(): Promise<void>;
}

/** Starts the endpoint on a free port of loopback; its path is random. */
export async function startReceiver(mode: ReceiverMode = { kind: "ok" }): Promise<Receiver> {
  const requests: ReceivedRequest[] = [];
  const faults: string[] = [];
  // A port may have been another receiver's, to which a sink still sends.
  const path = `/${randomBytes(6).toString("hex")}`;
  const server = createServer((request, response) => {
    if (request.url !== path) return void response.writeHead(404).end();
    void take(request, response).catch((error) => faults.push(String(error)));
  });
  const receiver: Receiver = {
    get url() {
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
    },
    mode,
    secret: undefined,
    requests,
    faults,
    accepted: () => requests.filter((r) => r.status === 200).flatMap((r) => r.records),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const text = await readText(request);
    const received: ReceivedRequest = {
      id: String(request.headers["webhook-id"] ?? ""),
      atMs: performance.now(),
      headers: request.headers,
      path: request.url ?? "",
      text,
      records: JSON.parse(text) as Record<string, unknown>[],
      status: 0,
    };
    // The test of a sink at its creation is a request without records, which is answered with 200.
    if (received.records.length === 0) return void response.end();
    if (receiver.secret) verify(receiver.secret, received, faults);
    requests.push(received);
    await answer(receiver.mode, received, response);
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return receiver;
}

function verify(secret: string, received: ReceivedRequest, faults: string[]): void {
  try {
    new Webhook(secret).verify(received.text, received.headers as Record<string, string>);
  } catch (error) {
    faults.push(`${received.id}: ${(error as Error).message}`);
  }
}

async function answer(
  mode: ReceiverMode,
  received: ReceivedRequest,
  response: ServerResponse,
): Promise<void> {
  const send = (status: number, headers: Record<string, string> = {}) => {
    received.status = status;
    response.writeHead(status, headers).end(status === 200 ? "ok" : "refused by the receiver");
  };
  switch (mode.kind) {
    case "ok":
      if (mode.delayMs) await new Promise((resolve) => setTimeout(resolve, mode.delayMs));
      return send(200);
    case "status":
      return send(mode.status, {
        ...(mode.retryAfter !== undefined && { "retry-after": String(mode.retryAfter) }),
        ...(mode.location !== undefined && { location: mode.location }),
      });
    case "hang":
      return;
    case "refuse":
      return send(received.records.some(mode.isBad) ? 422 : 200);
    case "reset":
      if (mode.at === "head") return void response.destroy();
      beginAnswer(received, response);
      response.write("half an ans");
      setTimeout(() => response.destroy(), 20);
      return;
    case "drip": {
      const { socket } = response;
      if (mode.at === "body") beginAnswer(received, response);
      else socket?.write("HTTP/1.1 200 OK\r\nx-slow: ");
      const timer = setInterval(() => socket?.write("."), 500);
      response.on("close", () => clearInterval(timer));
      return;
    }
  }
}

function beginAnswer(received: ReceivedRequest, response: ServerResponse): void {
  received.status = 200;
  response.writeHead(200, { "content-length": "100000" });
  response.flushHeaders();
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
