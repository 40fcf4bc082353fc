/** Plain JSON answers: the ones that no generated handler makes. */
import { create, type JsonValue } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus } from "@connectrpc/connect/protocol-connect";
import { ErrorInfoSchema, RequestInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import { fail, type Reason, reasonOf, retryAfterMsOf } from "../core/errors.ts";
import { errorJson } from "./error-json.ts";
import type { AnyResponse, HttpRequest, HttpResponse } from "./http-message.ts";

/** Statuses of plain HTTP answers that differ from Connect's mapping of the code. */
const STATUS_OF_REASON: Partial<Record<Reason, number>> = {
  TOO_LARGE: 413,
  CONTENT_TYPE_UNSUPPORTED: 415,
  METHOD_NOT_ALLOWED: 405,
};

const UNROUTED: ReadonlySet<Reason> = new Set([
  "ROUTE_NOT_FOUND",
  "METHOD_NOT_ALLOWED",
  "CONTENT_TYPE_UNSUPPORTED",
]);

/** Set on every answer that says nothing else: none is sniffed, framed or cached by accident. */
const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
} as const;

/** Sets the security headers, for whoever answers to go on from. */
export function setSecurityHeaders(response: HttpResponse): void {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
}

/** HTTP status of an error in a plain HTTP answer. */
export function statusOf(error: ConnectError): number {
  const reason = reasonOf(error);
  return (reason && STATUS_OF_REASON[reason]) ?? codeToHttpStatus(error.code);
}

/**
 * Connect's JSON form of an error, with the request id in its ErrorInfo. What no rpc answered carries
 * no details, as clients of any schema may get it.
 */
export function errorBody(error: ConnectError, requestId: string): JsonValue {
  const reason = reasonOf(error);
  if (reason && UNROUTED.has(reason)) error.details.length = 0;
  stampRequestId(error, requestId);
  return errorJson(error);
}

/** Writes the request id into an error of ours: its ErrorInfo, and a google.rpc.RequestInfo. */
export function stampRequestId(error: ConnectError, requestId: string): void {
  for (const detail of [...error.details]) {
    if ("desc" in detail && detail.desc.typeName === ErrorInfoSchema.typeName) {
      const info = detail.value as { metadata?: Record<string, string> };
      const isStamped = info.metadata?.requestId !== undefined;
      info.metadata = { ...info.metadata, requestId };
      if (isStamped) continue;
      const value = create(RequestInfoSchema, { requestId });
      error.details.push({ desc: RequestInfoSchema, value });
    }
  }
}

/** Any thrown value as an error that tells nothing of our insides: what is not ours is INTERNAL. */
export function asPublicError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  return fail("INTERNAL", "internal error; the server's log has it under the request id", {
    cause: error,
  });
}

/** Whether an error is a fault of the server that its log must hold. */
export function isServerFault(error: ConnectError): boolean {
  return error.code === Code.Internal || error.code === Code.Unknown;
}

/** What goes with a JSON answer. */
export interface JsonAnswer {
  readonly status: number;
  readonly body: JsonValue;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends a JSON answer, unless one was begun. */
export function sendJson(response: AnyResponse, answer: JsonAnswer): void {
  sendText(response, {
    status: answer.status,
    text: JSON.stringify(answer.body),
    headers: { "content-type": "application/json", ...answer.headers },
  });
}

/** Sends a text of any type with the security headers, unless an answer was begun. */
export function sendText(
  response: AnyResponse,
  answer: { status: number; text: string; headers: Readonly<Record<string, string>> },
): void {
  if (response.headersSent || response.destroyed) return;
  response.statusCode = answer.status;
  const headers = {
    ...SECURITY_HEADERS,
    ...answer.headers,
    "content-length": String(Buffer.byteLength(answer.text)),
  };
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  const isHead = response.req?.method === "HEAD";
  // A text goes out with the head in one write.
  response.end(isHead ? "" : answer.text);
}

/** Sends an error as Connect's JSON with its headers, such as WWW-Authenticate and Retry-After. */
export function sendError(
  response: AnyResponse,
  error: ConnectError,
  options: { readonly requestId: string; readonly status?: number },
): void {
  const retryAfterMs = retryAfterMsOf(error);
  const headers: Record<string, string> = {};
  error.metadata.forEach((value, name) => {
    headers[name] = value;
  });
  if (retryAfterMs !== undefined) headers["retry-after"] = String(Math.ceil(retryAfterMs / 1000));
  const status = options.status ?? statusOf(error);
  const reason = reasonOf(error);
  // Not `application/json`: a Connect client would take the code of the body, where its protocol
  // infers one from the status of an answer that no rpc gave.
  if (reason && UNROUTED.has(reason)) headers["content-type"] = "application/problem+json";
  const body = errorBody(error, options.requestId);
  sendJson(response, { status, body, headers });
}

/** 404 for a path that nothing serves. */
export function routeNotFound(request: HttpRequest): ConnectError {
  return fail(
    "ROUTE_NOT_FOUND",
    `nothing is served at ${shorten(request.url ?? "", 80)}; /openapi.json lists what is`,
  );
}

/** 405: the path is right, the method is not. */
export function methodNotAllowed(allowed: readonly string[]): ConnectError {
  const list = [...new Set(allowed)].join(", ");
  return fail("METHOD_NOT_ALLOWED", `use ${list} here`, { headers: { Allow: list } });
}

/** 415 that names the content types which would do. */
export function contentTypeUnsupported(
  got: string | undefined,
  wanted: readonly string[],
): ConnectError {
  const what = got ? `content type ${JSON.stringify(shorten(got, 80))}` : "a missing content type";
  return fail("CONTENT_TYPE_UNSUPPORTED", `${what} is not taken here; send ${wanted.join(" or ")}`);
}

/** At most `max` characters of a text that the caller sent. */
export function shorten(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}…` : text;
}
