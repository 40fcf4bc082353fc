/** The HTTP/1.1 half of the port. */
import { createServer, type Server } from "node:http";
import type { Duplex } from "node:stream";
import type { HttpRequest, HttpResponse } from "./http-message.ts";
import type { PortLimits } from "./limits.ts";

/** Statuses of requests that Node's parser refuses; everything else is 400. */
const PARSER_STATUS: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, "Request Header Fields Too Large"],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, "Content Too Large"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "Request Timeout"],
};

/**
 * An HTTP server that never listens: the port hands it connections. It has no `upgrade` listener on
 * purpose: the JVM's HttpClient sends `Upgrade: h2c` with every POST and is answered over HTTP/1.1.
 */
export function createHttp1Server(
  limits: PortLimits,
  listener: (request: HttpRequest, response: HttpResponse) => void,
): Server {
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.checkIntervalMs,
      // The guard answers a missing Host with a JSON body.
      requireHostHeader: false,
      shouldUpgradeCallback: () => false,
    },
    listener,
  );
  // Node would drop the headers above its count without a word; the guard refuses them.
  server.maxHeadersCount = 0;
  server.maxRequestsPerSocket = limits.requestsPerSocket;
  server.on("clientError", refuse);
  // Node starts its checks of slow connections when a server listens, which this one never does.
  server.emit("listening");
  return server;
}

/** Answers bytes that are no request, and closes the connection. */
export function refuse(error: Pick<NodeJS.ErrnoException, "code">, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, text] = PARSER_STATUS[error.code ?? ""] ?? [400, "Bad Request"];
  const message = `${text}: the request is not valid HTTP/1.1, too large or too slow`;
  const body = JSON.stringify({ code: "invalid_argument", message });
  const head = [
    `HTTP/1.1 ${status} ${text}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}
