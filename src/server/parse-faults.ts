/**
 * Errors that arise before a message reaches the interceptors: Connect answers 500 for malformed
 * protobuf, and its texts may echo long values of the caller. Here they become 400 with a short text.
 */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextKey, type HandlerContext } from "@connectrpc/connect";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import type { Reason } from "../core/errors.ts";
import { reasonOf } from "../core/errors.ts";
import { shorten } from "./answer.ts";

/** How far a call has come: parse faults can only arise before its message is decoded. */
export const progressKey = createContextKey<{ isDecoded: boolean }>({ isDecoded: false });

const TEXT_MAX = 160;

const REASON_OF_CODE: ReadonlyMap<Code, Reason> = new Map([
  [Code.Internal, "INVALID_BODY"],
  [Code.InvalidArgument, "INVALID_BODY"],
  [Code.ResourceExhausted, "TOO_LARGE"],
] as const);

/**
 * Watches a call from its gate on. Connect aborts the call's signal with the very error that it is
 * about to send, which is the one place where a fault of decoding can be told and put right.
 */
export function mendParseFaults(context: HandlerContext): void {
  const progress = { isDecoded: false };
  context.values.set(progressKey, progress);
  context.signal.addEventListener(
    "abort",
    () => {
      if (!progress.isDecoded) mendParseFault(context.signal.reason);
    },
    { once: true },
  );
}

/** Turns a fault of decoding into INVALID_ARGUMENT with our ErrorInfo; leaves other values alone. */
export function mendParseFault(error: unknown): void {
  if (!(error instanceof ConnectError) || reasonOf(error) || error.details.length > 0) return;
  const reason = REASON_OF_CODE.get(error.code);
  if (!reason) return;
  const mutable = error as { code: Code; rawMessage: string };
  if (error.code === Code.Internal) mutable.code = Code.InvalidArgument;
  mutable.rawMessage = shorten(error.rawMessage, TEXT_MAX);
  error.details.push({
    desc: ErrorInfoSchema,
    value: create(ErrorInfoSchema, { reason, domain: "tributary" }),
  });
}
