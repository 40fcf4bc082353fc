/** Which requests are pushes of the fast lane, told by their heads. */
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { WholeRequest } from "../core/whole-message.ts";
import { grpcHeadOf } from "./grpc-form.ts";

/** A push, by its form. */
export type LaneRoute = LaneHead & (JsonRoute | ProtoRoute | GrpcRoute | RestRoute);

interface LaneHead {
  /** Time that the caller gives, from `connect-timeout-ms` or `grpc-timeout`. */
  readonly timeoutMs: number | undefined;
  readonly isTimeoutWrong: boolean;
  readonly isTypeWrong: boolean;
}

/** Connect's unary form in JSON. */
interface JsonRoute {
  readonly kind: "json";
}

/** Connect's unary form in binary. */
interface ProtoRoute {
  readonly kind: "proto";
}

/** gRPC's unary form in binary. */
interface GrpcRoute {
  readonly kind: "grpc";
}

/** `POST /v1/{stream}/records?branch=…&return_record_ids=true`. */
export interface RestRoute {
  readonly kind: "rest";
  readonly stream: string;
  readonly branch: string;
  readonly returnRecordIds: boolean;
}

const RPC_PATH = "/tributary.push.v1.PushService/Push";
const REST_HEAD = "/v1/projects/";
const REST_TAIL = "/records";
/** Wider than the rule of names: a stream that cannot exist is answered as one that does not. */
const STREAM_SHAPE = /^projects\/[^/]+\/streams\/[^/]+$/;

const SOURCE_HEAD = "/in/";
const REST_SHAPE = /^\/v1\/projects\/[^/?]+\/streams\/[^/?]+\/records(?:\?|$)/;
const LANE_TYPE = /^application\/(?:json|proto)(?: *;|$)/i;

/**
 * Whether a POST with this head is for one of the lanes of pushes, as far as the port must know before
 * it reads the request by itself. Tokens in queries are judged elsewhere.
 */
export function isPushHead(head: Pick<WholeRequest, "url" | "headers">): boolean {
  const { url, headers } = head;
  if (url.includes("access_token")) return false;
  if (url === RPC_PATH) return LANE_TYPE.test(headers["content-type"] ?? "");
  return url.startsWith(SOURCE_HEAD) || REST_SHAPE.test(url);
}

/** Routes of heads that whole requests have in common, by their headers. */
const known = new WeakMap<object, LaneRoute>();

/**
 * The route of a request; undefined when it is not for the lane. Whole requests of one connection share
 * their headers as long as they are the same, target included, so their route is found once.
 */
export function routeOf(
  request: IncomingMessage | Http2ServerRequest | WholeRequest,
): LaneRoute | undefined {
  if (!("body" in request)) return findRoute(request);
  const found = known.get(request.headers);
  if (found) return found;
  const route = findRoute(request);
  if (route) known.set(request.headers, route);
  return route;
}

function findRoute(
  request: IncomingMessage | Http2ServerRequest | WholeRequest,
): LaneRoute | undefined {
  if (request.method !== "POST") return undefined;
  const target = request.url ?? "";
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  const type = parseType(request.headers["content-type"]);
  if (path === RPC_PATH) {
    if (type.name === "application/grpc" || type.name === "application/grpc+proto") {
      const head = grpcHeadOf(request);
      return head && { kind: "grpc", ...head, isTimeoutWrong: false, isTypeWrong: false };
    }
    if (type.name !== "application/json" && type.name !== "application/proto") return undefined;
    const kind = type.name === "application/json" ? "json" : "proto";
    return { kind, ...timeoutOf(request), isTypeWrong: kind === "json" && !type.isUtf8 };
  }
  if (!path.startsWith(REST_HEAD) || !path.endsWith(REST_TAIL)) return undefined;
  const stream = path.slice("/v1/".length, -REST_TAIL.length);
  if (!STREAM_SHAPE.test(stream)) return undefined;
  const fields = new URLSearchParams(query < 0 ? "" : target.slice(query + 1));
  const isJson = type.name === "application/json" || type.name === "application/x-ndjson";
  return {
    kind: "rest",
    stream,
    branch: fields.get("branch") ?? "",
    returnRecordIds: isTrue(fields.get("return_record_ids") ?? fields.get("returnRecordIds")),
    ...timeoutOf(request),
    isTypeWrong: !isJson || !type.isUtf8,
  };
}

function isTrue(text: string | null): boolean {
  return text === "true" || text === "1" || text === "";
}

function parseType(header: string | undefined): {
  readonly name: string;
  readonly isUtf8: boolean;
} {
  if (header === "application/json") return { name: header, isUtf8: true };
  const [name = "", ...parameters] = (header ?? "").split(";");
  const charset = parameters
    .map((text) => /^\s*charset\s*=\s*"?([^"]*)"?\s*$/i.exec(text)?.[1])
    .find((text) => text !== undefined);
  const isUtf8 = charset === undefined || /^utf-?8$/i.test(charset);
  return { name: name.trim().toLowerCase(), isUtf8 };
}

function timeoutOf(request: IncomingMessage | Http2ServerRequest | WholeRequest) {
  const text = request.headers["connect-timeout-ms"];
  if (text === undefined) return { timeoutMs: undefined, isTimeoutWrong: false };
  const isGood = typeof text === "string" && /^\d{1,10}$/.test(text);
  // A timer of Node holds at most 2^31 - 1 ms, and no push takes a minute.
  return {
    timeoutMs: isGood ? Math.min(Number(text), 60_000) : undefined,
    isTimeoutWrong: !isGood,
  };
}
