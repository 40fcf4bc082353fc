/** The Node requests and responses that the port serves: HTTP/1.1 and HTTP/2 alike. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Readable } from "node:stream";
import type { Call } from "../core/call.ts";
import type { WholeRequest, WholeResponse } from "../core/whole-message.ts";

/** A request of either protocol. */
export type HttpRequest = IncomingMessage | Http2ServerRequest;

/** The answer to it. */
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** A request in any form, as lanes get it. */
export type AnyRequest = HttpRequest | WholeRequest;

/** The answer to it. */
export type AnyResponse = HttpResponse | WholeResponse;

/** Serves one request; a rejection is answered with 500 by the guard. */
export type HttpHandler = (
  request: HttpRequest,
  response: HttpResponse,
  call: Call,
) => void | Promise<void>;

/** Path of a request without its query. */
export function pathOf(request: Pick<AnyRequest, "url">): string {
  const target = request.url ?? "";
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

/** Query of a request, decoded. */
export function queryOf(request: HttpRequest): URLSearchParams {
  const target = request.url ?? "";
  const query = target.indexOf("?");
  return new URLSearchParams(query < 0 ? "" : target.slice(query + 1));
}

/** Whether the request came over HTTP/2. */
export function isHttp2(request: AnyRequest): request is Http2ServerRequest {
  return request.httpVersionMajor === 2;
}

/**
 * The body in chunks. Unlike iterating over the request itself, stopping early does not destroy it:
 * that would leave the connection stuck before the answer is through. The guard drops the rest.
 */
export function bodyOf(request: HttpRequest): AsyncIterable<Uint8Array<ArrayBuffer>> {
  const body: Readable = request;
  return body.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<
    Uint8Array<ArrayBuffer>
  >;
}
