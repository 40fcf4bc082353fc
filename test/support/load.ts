/** Writers that push numbered records of their own keys, repeat what failed, and keep a history. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ErrorBody } from "./api.ts";
import { reasonIn } from "./api.ts";
import { createHistory, type History, type Numbered } from "./history.ts";
import type { Target } from "./server.ts";

/** How much is pushed. */
export interface LoadOptions {
  readonly target: Target;
  /** Name of a stream with the fields of `LOAD_FIELDS`, keyed by `key`. */
  readonly stream: string;
  /** Writers that push side by side, each one call at a time; 8 by default. */
  readonly writers?: number;
  /** Keys of each writer; 4 by default. */
  readonly keys?: number;
  /** Records of a call; 5 by default. */
  readonly recordsPerCall?: number;
  /** Wait between the calls of a writer; 5 ms by default. */
  readonly pauseMs?: number;
  /**
   * Whether a call that failed is repeated, with its idempotency key, until it is answered (default).
   * Else its records have an unknown fate.
   */
  readonly repeat?: boolean;
}

/** Fields of the stream that the writers need. */
export const LOAD_FIELDS = { key: "STRING", writer: "LONG", n: "LONG" };

/** One attempt of a call. */
export interface Attempt {
  /** When it ended, by performance.now(). */
  readonly atMs: number;
  readonly tookMs: number;
  /** HTTP status; 0 when the connection failed. */
  readonly status: number;
  readonly reason: string;
  /** Whether the answer said when to retry. */
  readonly hasRetryHint: boolean;
}

/** Running writers. */
export interface Load {
  readonly history: History;
  /** Attempts so far, in the order of their ends. */
  readonly attempts: readonly Attempt[];
  /** Answers that no fault explains, such as a 400: should stay empty. */
  readonly surprises: readonly string[];
  /** Lets the writers finish their calls (repeating for `graceMs`, 30 s) and ends them. */
  stop(graceMs?: number): Promise<void>;
}

/** Starts the writers. */
export function startLoad(options: LoadOptions): Load {
  const history = createHistory();
  const attempts: Attempt[] = [];
  const surprises: string[] = [];
  const ending = new AbortController();
  const giveUp = new AbortController();
  const context = {
    options,
    history,
    attempts,
    surprises,
    ending: ending.signal,
    giveUp: giveUp.signal,
  };
  const writers = Array.from({ length: options.writers ?? 8 }, (_, writer) =>
    runWriter(context, writer),
  );
  return {
    history,
    attempts,
    surprises,
    async stop(graceMs = 30_000) {
      ending.abort();
      const timer = setTimeout(() => giveUp.abort(), graceMs);
      await Promise.all(writers);
      clearTimeout(timer);
    },
  };
}

interface Context {
  options: LoadOptions;
  history: History;
  attempts: Attempt[];
  surprises: string[];
  ending: AbortSignal;
  giveUp: AbortSignal;
}

async function runWriter(context: Context, writer: number): Promise<void> {
  const { options, history } = context;
  const { keys = 4, recordsPerCall = 5, pauseMs = 5 } = options;
  const next = new Map<string, number>();
  for (let call = 0; !context.ending.aborted; call++) {
    const records: Numbered[] = [];
    for (let i = 0; i < recordsPerCall; i++) {
      const key = `w${writer}-k${(call * recordsPerCall + i) % keys}`;
      const n = next.get(key) ?? 0;
      next.set(key, n + 1);
      records.push({ key, n });
      history.invoke({ key, n });
    }
    const fate = await pushUntilAnswered(context, writer, records);
    for (const record of records) history.settle(record, fate);
    await sleep(pauseMs);
  }
}

async function pushUntilAnswered(context: Context, writer: number, records: readonly Numbered[]) {
  const { options, attempts, surprises, giveUp } = context;
  const request = {
    body: JSON.stringify(records.map(({ key, n }) => ({ value: { key, writer, n } }))),
    idempotencyKey: randomUUID(),
  };
  for (;;) {
    const attempt = await attemptPush(options, request);
    attempts.push(attempt);
    if (attempt.status === 200) return "ok";
    const isPassing = [0, 429, 500, 502, 503, 504].includes(attempt.status);
    if (!isPassing || attempt.status === 500) surprises.push(`${attempt.status} ${attempt.reason}`);
    if (!isPassing) return "refused";
    // 429 says that nothing was stored; of the others nothing is known.
    if (options.repeat === false || giveUp.aborted) {
      return attempt.status === 429 ? "refused" : "unknown";
    }
    await sleep(100);
  }
}

async function attemptPush(
  { target, stream }: LoadOptions,
  request: { body: string; idempotencyKey: string },
): Promise<Attempt> {
  const begin = performance.now();
  const end = (status: number, reason: string, hasRetryHint = false): Attempt => {
    const atMs = performance.now();
    return { atMs, tookMs: atMs - begin, status, reason, hasRetryHint };
  };
  try {
    const answer = await fetch(`${target.url}/v1/${stream}/records`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${await target.token()}`,
        "content-type": "application/json",
        "idempotency-key": request.idempotencyKey,
      },
      body: request.body,
      signal: AbortSignal.timeout(15_000),
    });
    const text = await answer.text();
    if (answer.ok) return end(answer.status, "");
    const hint = answer.headers.has("retry-after") || text.includes("google.rpc.RetryInfo");
    return end(answer.status, describe(text), hint);
  } catch (error) {
    return end(0, String((error as Error).cause ?? error));
  }
}

function describe(text: string): string {
  try {
    return reasonIn(JSON.parse(text) as ErrorBody) || text.slice(0, 200);
  } catch {
    return text.slice(0, 200);
  }
}
