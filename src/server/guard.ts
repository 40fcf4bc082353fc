/**
 * What every request passes first, on both protocols: a request id, a sane target and Host, bounded
 * headers, a time limit for its body, and a catch for every exception. A bare Connect adapter dies of
 * one bad Host header.
 */
import { constants } from "node:http2";
import { checkCredentials } from "../auth/authenticate.ts";
import type { Call } from "../core/call.ts";
import { fail } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { asPublicError, isServerFault, sendError } from "./answer.ts";
import type { ClientAddresses } from "./client-address.ts";
import {
  type AnyResponse,
  type HttpHandler,
  type HttpRequest,
  type HttpResponse,
  isHttp2,
} from "./http-message.ts";
import type { PortLimits } from "./limits.ts";
import { createRequestIds } from "./request-id.ts";
import type { Lane } from "./route.ts";
import type { WholeHandler } from "./whole-http1.ts";

const nextRequestId = createRequestIds();
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,64}$/;
const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;
const HEADERS_TOO_LARGE = 431;

/** RFC 6797; a year, as browsers' preload lists want it. */
const STAY_WITH_TLS = "max-age=31536000";

/** How long the rest of a body is read and dropped after an early answer, before the cut. */
const DISCARD_MS = 1_000;

/** What the guard works with. */
export interface GuardOptions {
  readonly handler: HttpHandler;
  readonly limits: PortLimits;
  readonly logger: Logger;
  readonly addresses: ClientAddresses;
  /** Whether callers come over TLS, ended here or by a proxy: then they are told to stay with it. */
  readonly isTls?: boolean | undefined;
  /** Whether connections should end after their answer. */
  readonly isDraining: () => boolean;
}

/** Wraps the handler; the result never throws and answers every request. */
export function createGuard(
  options: GuardOptions,
): (request: HttpRequest, response: HttpResponse) => void {
  const { handler } = options;
  return (request, response) => {
    const call = createCall(request, response, options);
    try {
      response.setHeader("x-request-id", call.requestId);
      if (options.isTls) response.setHeader("strict-transport-security", STAY_WITH_TLS);
      if (!isHttp2(request) && options.isDraining()) response.setHeader("connection", "close");
      response.on("error", () => response.destroy());
      cutUnreadBody(request, response);
      const excess = headerExcess(request.rawHeaders, options.limits);
      if (excess) {
        refuseHeaders(response, call, excess);
        return;
      }
      checkTarget(request);
      checkCredentials(request.rawHeaders, request.url ?? "");
      const done = handler(request, response, call);
      if (done) done.catch((error: unknown) => answerFailure(options, response, call, error));
    } catch (error) {
      answerFailure(options, response, call, error);
    }
  };
}

const nothing = () => undefined;

/**
 * The same for requests that arrived whole, in heads that hold nothing to refuse. A lane that does not
 * take one has not touched it.
 */
export function createWholeGuard(
  lane: Lane,
  options: Pick<GuardOptions, "addresses" | "isTls" | "logger">,
): WholeHandler {
  return (request, response, peer) => {
    const { method, url, headers } = request;
    const call: Call = {
      method,
      url,
      requestId: requestIdOf(headers),
      remoteAddress: options.addresses.find({ peer, headers }),
      receiveSlowly: nothing,
    };
    try {
      response.setHeader("x-request-id", call.requestId);
      if (options.isTls) response.setHeader("strict-transport-security", STAY_WITH_TLS);
      const done = lane(request, response, call);
      return done?.catch((error: unknown) => answerFailure(options, response, call, error));
    } catch (error) {
      answerFailure(options, response, call, error);
      return Promise.resolve();
    }
  };
}

/** The caller's own id when it is sane, else a new one. */
function requestIdOf(headers: HttpRequest["headers"]): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && REQUEST_ID.test(given) ? given : nextRequestId();
}

function createCall(
  request: HttpRequest,
  response: HttpResponse,
  { limits, addresses }: GuardOptions,
): Call {
  return {
    method: request.method ?? "",
    url: request.url ?? "",
    requestId: requestIdOf(request.headers),
    remoteAddress: addresses.find({
      peer: request.socket?.remoteAddress,
      headers: request.headers,
    }),
    receiveSlowly: limitBodyTime(request, response, limits),
  };
}

/**
 * HTTP/1.1 has Node's own `requestTimeout`; HTTP/2 has none, so a body that drips would stay for ever.
 * Returns what lifts the limit.
 */
function limitBodyTime(
  request: HttpRequest,
  response: HttpResponse,
  limits: PortLimits,
): () => void {
  if (!isHttp2(request)) return () => undefined;
  const { stream } = request;
  stream.setTimeout(limits.sessionIdleMs, () => stream.close(constants.NGHTTP2_CANCEL));
  if (request.complete) return () => undefined;
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), limits.requestMs);
  const clear = () => clearTimeout(timer);
  request.once("end", clear);
  response.once("close", clear);
  return clear;
}

/** After an early answer the rest of the body is dropped for a moment, then the connection is cut. */
function cutUnreadBody(request: HttpRequest, response: HttpResponse): void {
  // Node takes the socket off a request that it is done with.
  const { socket } = request;
  // The HTTP/2 response tells of its end only when the stream closes, the stream itself at once.
  const answer = isHttp2(request) ? request.stream : response;
  answer.once("finish", () => {
    if (request.complete) return;
    const timer = setTimeout(() => {
      if (request.complete) return;
      if (isHttp2(request)) request.stream.close(constants.NGHTTP2_NO_ERROR);
      else socket.destroy();
    }, DISCARD_MS);
    timer.unref();
    request.resume();
  });
}

/** The limit that headers break; undefined when they are fine. */
function headerExcess(rawHeaders: readonly string[], limits: PortLimits): string | undefined {
  if (rawHeaders.length > 2 * limits.headerPairs) return `${limits.headerPairs} headers`;
  let bytes = 0;
  for (const text of rawHeaders) bytes += text.length;
  return bytes > limits.headerBytes ? `${limits.headerBytes} bytes of headers` : undefined;
}

/** Fails with HEADERS_INVALID when the target or the Host could not make an address. */
function checkTarget(request: HttpRequest): void {
  const host = readHost(request);
  if (host === undefined || !HOST.test(host)) {
    throw fail("HEADERS_INVALID", "the Host header must be one name or address, such as host:8080");
  }
  if (request.url !== undefined && /^https?:\/\//i.test(request.url)) {
    const at = request.url.indexOf("/", request.url.indexOf("//") + 2);
    request.url = at < 0 ? "/" : request.url.slice(at);
  }
  if (!request.url?.startsWith("/") || !URL.canParse(`http://${host}`)) {
    throw fail("HEADERS_INVALID", "the request target must be a path that starts with /");
  }
}

function readHost(request: HttpRequest): string | undefined {
  if (isHttp2(request)) return request.authority || request.headers.host;
  const hosts = request.rawHeaders.filter((text, i) => i % 2 === 0 && /^host$/i.test(text)).length;
  if (hosts > 1) return undefined;
  // HTTP/1.0 needs no Host.
  if (hosts === 0 && request.httpVersion === "1.0") request.headers.host = "localhost";
  return request.headers.host;
}

function refuseHeaders(response: HttpResponse, call: Call, most: string): void {
  const error = fail("HEADERS_INVALID", `a request may have at most ${most}`);
  const { requestId } = call;
  sendError(response, error, { requestId, status: HEADERS_TOO_LARGE });
}

function answerFailure(
  { logger }: Pick<GuardOptions, "logger">,
  response: AnyResponse,
  { requestId }: Call,
  reason: unknown,
): void {
  const error = asPublicError(reason);
  if (isServerFault(error)) {
    logger.error("request failed", { requestId, error: error.cause ?? error });
  }
  if (response.headersSent) response.destroy();
  else sendError(response, error, { requestId });
}
