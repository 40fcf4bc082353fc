/** Errors of gRPC calls that no generated handler answers. */
import type { Http2ServerResponse } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { stampRequestId } from "./answer.ts";

/** Sends an error as gRPC's status in headers alone (Trailers-Only), unless an answer was begun. */
export function sendGrpcError(
  response: Http2ServerResponse,
  error: ConnectError,
  requestId: string,
): void {
  if (response.headersSent || response.destroyed) return;
  stampRequestId(error, requestId);
  response.statusCode = 200;
  response.setHeader("content-type", "application/grpc+proto");
  setTrailerStatus(new Headers(), error).forEach((value, name) => {
    response.setHeader(name, value);
  });
  response.end();
}
