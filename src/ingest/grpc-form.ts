/**
 * The unary gRPC form of a push: which requests the lane takes, the one frame of their body, and the
 * answer. The adapter of the generated handler takes 0.8 ms of CPU for a call, this form 0.1 ms.
 */
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { fail } from "../core/errors.ts";
import type { WholeRequest } from "../core/whole-message.ts";

/** Flags (1 byte) and length (4 bytes, big-endian) before each message. */
const FRAME_HEAD = 5;
const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};
/** No push takes a minute. */
const TIMEOUT_MAX_MS = 60_000;

/**
 * The time that a gRPC request gives; undefined when the lane leaves the request to the generated
 * handler, which knows every form: compressed, or with a time that cannot be read.
 */
export function grpcHeadOf(
  request: IncomingMessage | Http2ServerRequest | WholeRequest,
): { readonly timeoutMs: number | undefined } | undefined {
  const { headers } = request;
  const encoding = headers["grpc-encoding"] ?? "identity";
  if (request.httpVersionMajor !== 2 || encoding !== "identity") return undefined;
  const timeout = headers["grpc-timeout"];
  if (timeout === undefined) return { timeoutMs: undefined };
  const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(String(timeout)) ?? [];
  if (digits === undefined) return undefined;
  return { timeoutMs: Math.min(Number(digits) * UNIT_MS[unit]!, TIMEOUT_MAX_MS) };
}

/** The message of a body of one frame. Fails with INVALID_BODY or NOT_IMPLEMENTED, as gRPC asks. */
export function readFrame(body: Uint8Array): Uint8Array {
  if (body.length === 0) throw fail("NOT_IMPLEMENTED", "the call has no request message");
  const end = body.length < FRAME_HEAD ? Number.NaN : FRAME_HEAD + lengthIn(body);
  if (!(body.length >= end)) {
    throw fail("INVALID_BODY", "the request message is cut off, or its length is wrong");
  }
  if (body[0] !== 0) {
    throw fail("INVALID_BODY", "the request message has flags, but no grpc-encoding was named");
  }
  if (body.length > end) {
    throw fail("NOT_IMPLEMENTED", "a unary call takes one request message, this one has more");
  }
  return body.subarray(FRAME_HEAD);
}

function lengthIn(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(1);
}

/** Answers with one message and status OK. */
export function sendGrpcMessage(response: Http2ServerResponse, message: Uint8Array): void {
  const frame = Buffer.allocUnsafe(FRAME_HEAD + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, FRAME_HEAD);
  response.statusCode = 200;
  response.setHeader("content-type", "application/grpc+proto");
  response.addTrailers({ "grpc-status": "0" });
  response.end(frame);
}
