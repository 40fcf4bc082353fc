/**
 * PushStream: calls over one connection, each answered on its own, in the order of the requests.
 * Calls are handed to the log one behind the other, so the records of a key keep the order of the
 * requests, and wait for the log side by side.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type {
  PushRequest,
  PushStreamRequest,
  PushStreamResponseSchema,
} from "#gen/tributary/push/v1/push_service_pb.js";
import { fail, failFields, reasonOf, retryAfterMsOf } from "../core/errors.ts";
import type { Principal } from "../core/principal.ts";
import type { Ingest } from "./ingest.ts";
import type { PushCall, PushResult } from "./push-call.ts";

/** Bytes of requests without an answer, beyond which no more are read. */
const UNANSWERED_BYTES_MAX = 16 * 1024 * 1024;
/** The same for their number. */
const UNANSWERED_MAX = 1000;
const RECHECK_MS = 5000;

type Answer = MessageInitShape<typeof PushStreamResponseSchema>;

/** What a stream of calls needs. */
export interface PushStreamOptions {
  /** Hands a call to the log, see `Ingest.start`. */
  readonly start: Ingest["start"];
  readonly principal: Principal;
  readonly signal: AbortSignal;
  readonly authorizePush: (principal: Principal, stream: string) => void;
  readonly recheck: (principal: Principal) => void;
  readonly toCall: (request: PushRequest) => PushCall;
  readonly now?: () => number;
}

interface Pending {
  readonly bytes: number;
  readonly answer: Promise<Answer>;
}

/** Answers the requests. Ends with the error of `recheck` when the caller may no longer push. */
export async function* createPushStream(
  requests: AsyncIterable<PushStreamRequest>,
  options: PushStreamOptions,
): AsyncGenerator<Answer> {
  const queue = createPendingQueue();
  const onAbort = () => queue.finish();
  options.signal.addEventListener("abort", onAbort);
  const reading = readRequests(requests, queue, options).then(
    () => queue.finish(),
    (error: unknown) => queue.finish(error),
  );
  try {
    for (;;) {
      const pending = await queue.next();
      if (!pending) break;
      yield await pending.answer;
      queue.settle(pending);
    }
    if (!options.signal.aborted) await reading;
    options.signal.throwIfAborted();
    const fault = queue.fault();
    if (fault !== undefined) throw fault;
  } finally {
    options.signal.removeEventListener("abort", onAbort);
    queue.finish();
  }
}

async function readRequests(
  requests: AsyncIterable<PushStreamRequest>,
  queue: PendingQueue,
  options: PushStreamOptions,
): Promise<void> {
  const { now = Date.now } = options;
  let checkedAtMs = now();
  let index = 0n;
  for await (const request of requests) {
    if (queue.isFinished()) return;
    if (now() - checkedAtMs >= RECHECK_MS) {
      options.recheck(options.principal);
      checkedAtMs = now();
    }
    const requestIndex = index++;
    const started = await startCall(request.push, options);
    const answer = started.answer.then(
      (value): Answer => ({ requestIndex, result: { case: "response", value } }),
      (error: unknown): Answer => ({
        requestIndex,
        result: { case: "error", value: pushError(error) },
      }),
    );
    await queue.add({ bytes: started.bytes, answer });
  }
}

/** Hands a call to the log; what is wrong with it becomes its answer. */
async function startCall(
  push: PushRequest | undefined,
  options: PushStreamOptions,
): Promise<{ readonly bytes: number; readonly answer: Promise<PushResult> }> {
  try {
    if (!push) throw failFields([{ field: "push", description: "is missing" }]);
    options.authorizePush(options.principal, push.stream);
    const call = options.toCall(push);
    const { answer } = await options.start(call);
    return { bytes: call.records.bytes.length, answer };
  } catch (error) {
    const answer = Promise.reject<PushResult>(error);
    // Whoever asks for the answer gets the error; until then it is not unhandled.
    answer.catch(() => {});
    return { bytes: 0, answer };
  }
}

function pushError(error: unknown) {
  const known = error instanceof ConnectError ? error : fail("INTERNAL", "internal error");
  return {
    code: codeToString(known.code ?? Code.Internal),
    reason: reasonOf(known) ?? "",
    message: known.rawMessage,
    retryAfterMs: BigInt(retryAfterMsOf(known) ?? 0),
  };
}

type PendingQueue = ReturnType<typeof createPendingQueue>;

/** Requests that wait for their answers, oldest first. */
function createPendingQueue() {
  const waiting: Pending[] = [];
  let bytes = 0;
  let count = 0;
  let isFinished = false;
  let fault: unknown;
  let wake = () => {};
  let wakeReader = () => {};
  const hasRoom = () => isFinished || (bytes < UNANSWERED_BYTES_MAX && count < UNANSWERED_MAX);
  return {
    /** Adds a request, and resolves when there is room for the next one. */
    async add(pending: Pending): Promise<void> {
      waiting.push(pending);
      bytes += pending.bytes;
      count++;
      wake();
      while (!hasRoom()) {
        await new Promise<void>((resolve) => {
          wakeReader = resolve;
        });
      }
    },
    /** The next request to answer; undefined when there will be none. */
    async next(): Promise<Pending | undefined> {
      while (waiting.length === 0 && !isFinished) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return waiting.shift();
    },
    /** Notes that a request was answered. */
    settle(pending: Pending): void {
      bytes -= pending.bytes;
      count--;
      wakeReader();
    },
    finish(error?: unknown): void {
      isFinished = true;
      fault ??= error;
      wake();
      wakeReader();
    },
    isFinished: () => isFinished,
    fault: () => fault,
  };
}
