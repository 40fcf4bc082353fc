/**
 * Errors that arise before a message reaches the interceptors: Connect answers 500 for malformed
 * protobuf, and its texts may echo long values of the caller. Here they become 400 with a short text.
 */
import { create, type DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextKey, type HandlerContext } from "@connectrpc/connect";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import type { Reason } from "../core/errors.ts";
import { reasonOf } from "../core/errors.ts";
import { shorten } from "./answer.ts";
import { explainEnum } from "./enum-fault.ts";

/** What mending needs to know of a call. */
interface Progress {
  /** Faults of parsing can only arise before its message is decoded. */
  isDecoded: boolean;
  /** Whether its errors carry our ErrorInfo. Services of other projects have contracts of their own. */
  readonly isOurs: boolean;
}

/** Set by the gate for each call. */
export const progressKey = createContextKey<Progress>({ isDecoded: false, isOurs: true });

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
export function mendParseFaults(context: HandlerContext, isOurs: boolean): void {
  const progress = { isDecoded: false, isOurs };
  context.values.set(progressKey, progress);
  context.signal.addEventListener(
    "abort",
    () => {
      if (!progress.isDecoded) mendParseFault(context.signal.reason, isOurs, context.method.input);
    },
    { once: true },
  );
}

/** Turns a fault of decoding into INVALID_ARGUMENT with our ErrorInfo; leaves other values alone. */
export function mendParseFault(error: unknown, isOurs: boolean, input?: DescMessage): void {
  if (!(error instanceof ConnectError)) return;
  if (!isOurs) {
    if (reasonOf(error)) error.details.length = 0;
    return;
  }
  const reason = reasonOf(error) ?? REASON_OF_CODE.get(error.code);
  if (!reason || reason === "INTERNAL") return;
  const mutable = error as { code: Code; rawMessage: string };
  if (error.code === Code.Internal) mutable.code = Code.InvalidArgument;
  mutable.rawMessage =
    (input && explainEnum(error.rawMessage, input)) ?? shorten(error.rawMessage, TEXT_MAX);
  if (error.details.length === 0) {
    const value = create(ErrorInfoSchema, { reason, domain: "tributary" });
    error.details.push({ desc: ErrorInfoSchema, value });
  }
}
