/** PushService for the generated handlers: gRPC, gRPC-Web, and streams of every protocol. */
import { ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { PushRequest, PushService } from "#gen/tributary/push/v1/push_service_pb.js";
import { callKey } from "../core/call.ts";
import { fail } from "../core/errors.ts";
import type { OpenCalls } from "../core/open-calls.ts";
import { authenticationOf, type Principal, principalKey, shareOf } from "../core/principal.ts";
import type { Admission } from "./admission.ts";
import type { Ingest } from "./ingest.ts";
import type { PushCall, PushCaller } from "./push-call.ts";
import type { Refusal } from "./push-lane.ts";
import { fromPushRequest } from "./push-message.ts";
import { createPushStream } from "./push-stream.ts";

/** What the service needs. */
export interface PushServiceOptions {
  readonly ingest: Ingest;
  /** The bound on bytes in memory, shared with the lane: here messages are read already. */
  readonly admission: Admission;
  /**
   * Whether the caller may push to the stream: throws to refuse. Asked for every request of a
   * PushStream; for Push the interceptors have asked.
   */
  readonly authorizePush: (principal: Principal, stream: string) => void;
  /** Whether the caller's token is still good; throws to end a PushStream. Asked every 5 s. */
  readonly recheck: (principal: Principal) => void;
  /** Counts streams while they are open; left out in tests. */
  readonly openCalls?: OpenCalls;
  /** As in the lane; each request of a stream is a push. */
  readonly limitCaller?: ((callerId: string) => Readonly<Record<string, string>>) | undefined;
  /** Hears of refused requests of a PushStream; of refused calls the interceptors tell. */
  readonly onRefused?: ((refusal: Refusal) => void) | undefined;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Makes the implementation. */
export function createPushService(options: PushServiceOptions): ServiceImpl<typeof PushService> {
  return {
    async push(request, context) {
      const { principal, caller } = callerOf(context);
      const call = { ...toCall(request, caller), ...keyOf(request, context) };
      const start = admittedStart(options, principal, context.signal);
      return (await start(call)).answer;
    },
    pushStream: (requests, context) => {
      context.values.get(callKey)?.receiveSlowly();
      const { principal, caller } = callerOf(context);
      const answers = createPushStream(requests, {
        ...options,
        authorizePush: tellingRefusals(options, context),
        start: admittedStart(options, principal, context.signal),
        principal,
        signal: context.signal,
        toCall: (request) => toCall(request, caller),
      });
      return options.openCalls?.during(principal.projectUid, answers) ?? answers;
    },
  };
}

/** Authorises a request of a stream, which nobody else sees the refusal of. */
function tellingRefusals(
  { authorizePush, onRefused }: PushServiceOptions,
  context: HandlerContext,
): PushServiceOptions["authorizePush"] {
  const call = context.values.get(callKey);
  return (principal, stream) => {
    try {
      authorizePush(principal, stream);
    } catch (error) {
      if (call && error instanceof ConnectError) {
        onRefused?.({ call, error, principal, resource: stream });
      }
      throw error;
    }
  };
}

/** Starts calls when there is room for their bytes, which they hold until their answers. */
function admittedStart(
  { ingest, admission, limitCaller }: PushServiceOptions,
  principal: Principal,
  signal: AbortSignal,
): Ingest["start"] {
  return async (call) => {
    limitCaller?.(principal.id);
    const held = await admission.admit(shareOf(principal), call.records.bytes.length, signal);
    try {
      const { answer } = await ingest.start(call);
      return { answer: answer.finally(held.release) };
    } catch (error) {
      held.release();
      throw error;
    }
  };
}

function toCall(request: PushRequest, caller: PushCaller): PushCall {
  return { ...fromPushRequest(request), caller };
}

/** The header `Idempotency-Key` does what the field does. */
function keyOf(request: PushRequest, context: HandlerContext): { idempotencyKey: string } {
  const header = context.requestHeader.get("idempotency-key") ?? "";
  return { idempotencyKey: request.idempotencyKey || header };
}

function callerOf(context: HandlerContext): { principal: Principal; caller: PushCaller } {
  const principal = context.values.get(principalKey);
  if (!principal) throw fail("TOKEN_MISSING", "a push needs an access token");
  const caller = {
    id: principal.id,
    authentication: authenticationOf(principal),
    address: context.values.get(callKey)?.remoteAddress ?? "",
    traceContext: context.requestHeader.get("traceparent") ?? "",
  };
  return { principal, caller };
}
