/**
 * The fast lane: pushes over plain HTTP, without generated code and without objects for records.
 * It serves the unary Connect and gRPC forms of PushService.Push and the REST face, with one meaning;
 * all else (streams, gRPC-Web, compressed gRPC) is left to the generated handlers.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus } from "@connectrpc/connect/protocol-connect";
import type { Call } from "../core/call.ts";
import { fail, failFields, reasonOf } from "../core/errors.ts";
import type { Eventually } from "../core/eventually.ts";
import { authenticationOf, type Principal, shareOf } from "../core/principal.ts";
import type { WholeRequest, WholeResponse } from "../core/whole-message.ts";
import { createWorkInTurns } from "../core/work-in-turns.ts";
import type { Admission, AdmittedBytes } from "./admission.ts";
import { readFrame } from "./grpc-form.ts";
import type { Ingest } from "./ingest.ts";
import { type LaneRoute, type RestRoute, routeOf } from "./lane-route.ts";
import { sendResult } from "./push-answer.ts";
import { type PushBody, readPushRequest, readRestRecords } from "./push-body.ts";
import { withDeadline } from "./push-deadline.ts";
import { readPushMessage } from "./push-message.ts";
import { contentLengthOf, inflateOf, readBody } from "./request-body.ts";
import { peekStream } from "./stream-peek.ts";
import { waitForRoom } from "./wait-for-room.ts";

/** A request of either version of HTTP, or one that has arrived whole. */
export type LaneRequest = IncomingMessage | Http2ServerRequest | WholeRequest;
/** The answer to it. */
export type LaneResponse = ServerResponse | Http2ServerResponse | WholeResponse;

/** What the lane needs. */
export interface PushLaneOptions {
  readonly ingest: Ingest;
  readonly admission: Admission;
  /** Who calls, found by headers alone; and whether the token allows to write. Throws to refuse. */
  readonly authenticate: (request: LaneRequest) => Principal | Promise<Principal>;
  /** Refuses callers with too many pushes, else gives headers for the answer. Off when left out. */
  readonly limitCaller?: ((callerId: string) => Readonly<Record<string, string>>) | undefined;
  /** Whether the caller may push to the stream. Throws to refuse. */
  readonly authorizePush: (principal: Principal, stream: string) => void;
  /** Answers with an error as JSON; `status` is set where it differs from that of plain HTTP. */
  readonly sendError: (
    response: LaneResponse,
    error: ConnectError,
    options: { readonly requestId: string; readonly status?: number },
  ) => void;
  /** The same as a status of gRPC. */
  readonly sendGrpcError: (
    response: Http2ServerResponse,
    error: ConnectError,
    requestId: string,
  ) => void;
  /** Hears of every refusal. Left out: nobody does. */
  readonly onRefused?: ((refusal: Refusal) => void) | undefined;
}

/** A refused request of a lane. */
export interface Refusal {
  readonly call: Call;
  readonly error: ConnectError;
  /** Whose it was, where that was found out. */
  readonly principal?: Principal | undefined;
  /** Name of the stream or source, where it is known; it may not exist. */
  readonly resource: string;
}

/** Takes a request that is a push; returns undefined at once, untouched, for any other. */
export type PushLane = (
  request: LaneRequest,
  response: LaneResponse,
  call: Call,
) => Promise<void> | undefined;

/**
 * Refusals that are answered in one turn of the event loop, 2 ms' worth; the others come after
 * what else is there, so that a project with a thousand refused calls costs nobody a turn.
 */
const refusals = createWorkInTurns(64);

/** Bytes to ask for when a body does not say its length. */
const UNKNOWN_LENGTH = 64 * 1024;

/** Makes the lane. The promise rejects only for faults of our own, which nobody has answered then. */
export function createPushLane(options: PushLaneOptions): PushLane {
  return (request, response, call) => {
    const route = routeOf(request);
    return route && serve(options, route, { request, response, call });
  };
}

interface Exchange {
  readonly request: LaneRequest;
  readonly response: LaneResponse;
  readonly call: Call;
}

async function serve(
  options: PushLaneOptions,
  route: LaneRoute,
  exchange: Exchange,
): Promise<void> {
  const { request, response, call } = exchange;
  let principal: Principal | undefined;
  let resource = route.kind === "rest" ? route.stream : "";
  let admitted: AdmittedBytes | undefined;
  try {
    // Only what has to wait is awaited: most calls wait for nothing but the log.
    const found = options.authenticate(request);
    principal = found instanceof Promise ? await found : found;
    if (options.limitCaller) setHeaders(response, options.limitCaller(principal.id));
    if (route.kind === "rest") {
      options.authorizePush(principal, route.stream);
      const looking = options.ingest.lookFor(route.stream);
      if (looking) await looking;
      options.ingest.streamOf(route.stream);
    }
    const inflate = checkHead(route, request);
    const bytes = contentLengthOf(request) ?? UNKNOWN_LENGTH;
    const projectUid = shareOf(principal);
    const { admission } = options;
    admitted =
      admission.admitNow(projectUid, bytes) ??
      (await waitForRoom(admission, response, { projectUid, bytes }));
    const onStream = (stream: string) => {
      resource = stream;
    };
    const onFirst = refuserOf(options, route, { principal, onStream });
    const arrived = readBody(request, { inflate, admitted, onFirst });
    const body = arrived instanceof Promise ? await arrived : arrived;
    const reading =
      route.kind === "rest"
        ? readRest(options, route, body)
        : readKnownPush(options, route, { principal, bytes: body, onStream });
    const push = reading instanceof Promise ? await reading : reading;
    const answer = options.ingest.push({
      stream: push.stream,
      branch: push.branch,
      records: push.records,
      returnRecordIds: push.returnRecordIds,
      idempotencyKey: idempotencyKeyOf(request, push.idempotencyKey),
      caller: {
        id: principal.id,
        authentication: authenticationOf(principal),
        address: call.remoteAddress,
        traceContext: headerOf(request, "traceparent"),
      },
    });
    const { timeoutMs } = route;
    const result = await (timeoutMs === undefined ? answer : withDeadline(timeoutMs, answer));
    if (!response.destroyed) sendResult(response, route, result);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    options.onRefused?.({ call, error, principal, resource });
    refusals.run(() => refuse(options, route, { ...exchange, error }));
  } finally {
    admitted?.release();
  }
}

function setHeaders(response: LaneResponse, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

/** Refuses what the head of a request tells already; returns how to inflate its body. */
function checkHead(route: LaneRoute, request: LaneRequest) {
  if (route.isTypeWrong) {
    const wanted =
      route.kind === "rest" ? "application/json or application/x-ndjson" : "application/json";
    throw fail("CONTENT_TYPE_UNSUPPORTED", `send the body as ${wanted}, in UTF-8`);
  }
  if (route.isTimeoutWrong) {
    const field = "connect-timeout-ms";
    throw failFields([{ field, description: "is not a number of milliseconds, 1 to 10 digits" }]);
  }
  const inflate = inflateOf(request.headers["content-encoding"]);
  if (inflate) return inflate;
  const text = "this content encoding is not taken: use gzip, br, zstd or none";
  throw fail(route.kind === "rest" ? "CONTENT_TYPE_UNSUPPORTED" : "NOT_IMPLEMENTED", text);
}

interface PushInput {
  readonly bytes: Uint8Array;
  readonly principal: Principal;
  readonly onStream: (stream: string) => void;
}

/** Refuses by the first bytes of a body what its end would not change; undefined for the REST face. */
function refuserOf(
  { ingest, authorizePush }: PushLaneOptions,
  { kind }: LaneRoute,
  { principal, onStream }: Omit<PushInput, "bytes">,
): ((piece: Buffer) => void) | undefined {
  if (kind === "rest") return undefined;
  return (piece) => {
    const stream = peekStream(kind, piece);
    if (stream === undefined) return;
    try {
      onStream(stream);
      authorizePush(principal, stream);
      ingest.streamOf(stream);
    } catch (error) {
      // It may be made meanwhile, and is looked for when the body is there.
      if (reasonOf(error) !== "RESOURCE_NOT_FOUND") throw error;
    }
  };
}

/** As `readPush`; a body that names an unknown stream is read again after one more look for that. */
function readKnownPush(
  options: PushLaneOptions,
  route: LaneRoute,
  input: PushInput,
): Eventually<PushBody> {
  let looking: Promise<void> | undefined;
  const onAllowed = (stream: string) => {
    looking = options.ingest.lookFor(stream);
  };
  const again = async (error: unknown) => {
    if (!looking || reasonOf(error) !== "RESOURCE_NOT_FOUND") throw error;
    await looking;
    return await readPush(options, route, input);
  };
  try {
    const reading = readPush(options, route, { ...input, onAllowed });
    return reading instanceof Promise ? reading.catch(again) : reading;
  } catch (error) {
    return again(error);
  }
}

function readPush(
  { ingest, authorizePush }: PushLaneOptions,
  route: LaneRoute,
  input: PushInput & { readonly onAllowed?: (stream: string) => void },
): Eventually<PushBody> {
  const lookup = (stream: string) => {
    input.onStream(stream);
    authorizePush(input.principal, stream);
    input.onAllowed?.(stream);
    return ingest.streamOf(stream);
  };
  if (route.kind === "json") return readPushRequest(input.bytes, lookup);
  const isFramed = route.kind === "grpc";
  const body = readPushMessage(isFramed ? readFrame(input.bytes) : input.bytes);
  lookup(body.stream);
  return body;
}

/** The body of the REST face, whose stream is known by then. */
function readRest(
  { ingest }: PushLaneOptions,
  { stream, branch, returnRecordIds }: RestRoute,
  bytes: Uint8Array,
): Eventually<PushBody> {
  const reading = readRestRecords(bytes, ingest.streamOf(stream));
  return reading instanceof Promise
    ? reading.then((records) => ({ stream, branch, returnRecordIds, idempotencyKey: "", records }))
    : { stream, branch, returnRecordIds, idempotencyKey: "", records: reading };
}

/** The key from header or body, which must not contradict each other. */
function idempotencyKeyOf(request: LaneRequest, fromBody: string): string {
  const fromHeader = headerOf(request, "idempotency-key");
  if (fromHeader === "" || fromHeader === fromBody) return fromBody;
  if (fromBody === "") return fromHeader;
  const description = "differs from the header Idempotency-Key";
  throw failFields([{ field: "idempotency_key", description }]);
}

function headerOf(request: LaneRequest, name: string): string {
  const value = request.headers[name];
  return typeof value === "string" ? value : "";
}

function refuse(
  options: PushLaneOptions,
  route: LaneRoute,
  { response, call, error }: Exchange & { readonly error: ConnectError },
): void {
  if (response.destroyed) return;
  if (route.kind === "grpc") {
    options.sendGrpcError(response as Http2ServerResponse, error, call.requestId);
    return;
  }
  const isConnect = route.kind !== "rest" && reasonOf(error) !== "CONTENT_TYPE_UNSUPPORTED";
  options.sendError(response, error, {
    requestId: call.requestId,
    ...(isConnect ? { status: codeToHttpStatus(error.code) } : {}),
  });
}
