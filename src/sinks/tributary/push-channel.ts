/**
 * Calls over one PushStream of another Tributary, each acknowledged on its own. The stream is opened by the
 * first call and again by the first one after it broke; a call whose answer never came may be repeated, for
 * its idempotency key tells the other side.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import { ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import type {
  PushError,
  PushRequestSchema,
  PushStreamRequestSchema,
  PushStreamResponse,
} from "#gen/tributary/push/v1/push_service_pb.js";

/** A call of Push. */
export type PushInit = MessageInitShape<typeof PushRequestSchema>;

type StreamRequest = MessageInitShape<typeof PushStreamRequestSchema>;

/** Opens a stream with a token. */
export type OpenPushStream = (
  requests: AsyncIterable<StreamRequest>,
  options: { readonly token: string; readonly signal: AbortSignal },
) => AsyncIterable<PushStreamResponse>;

/** Calls over one stream. */
export interface PushChannel {
  /**
   * Resolves when the other side has stored the call. Rejects with the ConnectError of its refusal or of the
   * stream, and when the signal ends it; then the stream is given up.
   */
  push(request: PushInit, options: { token: string; signal: AbortSignal }): Promise<void>;
  close(): void;
}

/** What a channel is made of. */
export interface PushChannelOptions {
  readonly open: OpenPushStream;
  /** Called when no stream is open: nobody needs the connection, or it hangs. */
  readonly onIdle: () => void;
  /** How long a stream without calls stays open; 20 s. */
  readonly idleMs?: number;
}

/** Calls without an answer, beyond which a call waits for its turn: the other side bounds them as well. */
const UNANSWERED_MAX = 64;

/** Makes it; nothing is connected before the first call. */
export function createPushChannel({
  open,
  onIdle,
  idleMs = 20_000,
}: PushChannelOptions): PushChannel {
  let current: Stream | undefined;
  let idle: NodeJS.Timeout | undefined;
  const streamWith = (token: string): Stream => {
    // Another token is for other calls: those under way keep theirs.
    if (current?.isOpen && current.token === token) return current;
    void current?.end();
    current = new Stream(open, token);
    return current;
  };
  return {
    async push(request, { token, signal }) {
      clearTimeout(idle);
      const stream = streamWith(token);
      const giveUp = () => {
        stream.fail(new ConnectError("the call took too long", Code.DeadlineExceeded));
        onIdle();
      };
      signal.addEventListener("abort", giveUp, { once: true });
      try {
        signal.throwIfAborted();
        await stream.call(request);
      } finally {
        signal.removeEventListener("abort", giveUp);
        clearTimeout(idle);
        idle = setTimeout(() => {
          void stream.end().then(() => {
            // A call that came meanwhile has opened another one.
            if (current === stream) onIdle();
          });
        }, idleMs);
        idle.unref();
      }
    },
    close() {
      clearTimeout(idle);
      current?.fail(new ConnectError("the sink was closed", Code.Canceled));
    },
  };
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

class Stream {
  readonly token: string;
  readonly #controller = new AbortController();
  readonly #waiting: Waiting[] = [];
  readonly #outgoing: StreamRequest[] = [];
  #wake = () => {};
  #wakeCaller = () => {};
  #isEnded = false;
  #answers = 0n;
  #fault: unknown;
  readonly #reading: Promise<void>;

  constructor(open: OpenPushStream, token: string) {
    this.token = token;
    const { signal } = this.#controller;
    this.#reading = this.#read(() => open(this.#requests(), { token, signal }));
  }

  get isOpen(): boolean {
    return !this.#isEnded;
  }

  async call(push: PushInit): Promise<void> {
    while (this.#waiting.length >= UNANSWERED_MAX && !this.#isEnded) {
      await new Promise<void>((resolve) => {
        this.#wakeCaller = resolve;
      });
    }
    if (this.#isEnded) throw this.#fault ?? streamEnded();
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#outgoing.push({ push });
      this.#wake();
    });
  }

  /** Sends no more; resolves when what is under way was answered. */
  end(): Promise<void> {
    this.#isEnded = true;
    this.#wake();
    this.#wakeCaller();
    return this.#reading;
  }

  fail(error: unknown): void {
    this.#fault ??= error;
    void this.end();
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.#controller.abort();
  }

  async *#requests(): AsyncGenerator<StreamRequest> {
    for (;;) {
      const next = this.#outgoing.shift();
      if (next) yield next;
      else if (this.#isEnded) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  async #read(open: () => AsyncIterable<PushStreamResponse>): Promise<void> {
    try {
      for await (const response of open()) this.#answered(response);
      this.fail(streamEnded());
    } catch (error) {
      this.fail(error);
    }
  }

  #answered({ requestIndex, result }: PushStreamResponse): void {
    const call = this.#waiting.shift();
    if (!call || requestIndex !== this.#answers++) {
      throw new ConnectError("the other side answers what was not asked", Code.Internal);
    }
    if (result.case === "response") call.resolve();
    else call.reject(errorFrom(result.value));
    this.#wakeCaller();
  }
}

function streamEnded(): ConnectError {
  return new ConnectError("the other side ended the stream", Code.Unavailable);
}

/** The error that a call of its own would have had. */
function errorFrom(error: PushError | undefined): ConnectError {
  const { code = "", reason = "", message = "", retryAfterMs = 0n } = error ?? {};
  const made = new ConnectError(message, codeFromString(code) ?? Code.Unknown);
  const info = create(ErrorInfoSchema, { reason, domain: "tributary" });
  if (reason !== "") made.details.push({ desc: ErrorInfoSchema, value: info });
  if (retryAfterMs > 0n) {
    const value = create(RetryInfoSchema, { retryDelay: durationFromMs(Number(retryAfterMs)) });
    made.details.push({ desc: RetryInfoSchema, value });
  }
  return made;
}
