import { fail } from "../core/errors.ts";

/** What a refusal of JetStream means for a publish; nothing was stored. */
export type RefusalMeaning =
  /** Passes by itself: leader election, a stream that is still loading, a batch cut in two. */
  | "retry"
  /** A message id that is stored already. */
  | "duplicate"
  /** An expectation on the last sequence of a subject failed. */
  | "wrong-sequence"
  | "full"
  | "too-large"
  | "failed";

const MEANINGS: Readonly<Record<number, RefusalMeaning>> = {
  503: "retry", // no responders
  10008: "retry", // JetStream system temporarily unavailable
  10009: "retry", // no suitable peers
  10039: "retry", // JetStream not enabled for account, while it starts
  10076: "retry", // JetStream not enabled, while it starts
  10118: "retry", // stream is offline
  10158: "retry", // duplicate message id is in process
  10163: "retry", // expected last sequence per subject temporarily unavailable
  10164: "retry", // another publish that names the subject is in process
  10176: "retry", // atomic publish batch is incomplete
  10210: "retry", // atomic publish too many inflight
  10211: "retry", // batch publish too many inflight
  10201: "duplicate",
  10071: "wrong-sequence",
  10002: "full", // resource limits exceeded for account
  10023: "full", // insufficient resources
  10047: "full", // insufficient storage resources available
  10054: "too-large", // message size exceeds maximum allowed
};

/** Reads JetStream's error code. 10077 (store failed) covers limits and write errors alike. */
export function meaningOf(code: number, text: string): RefusalMeaning {
  if (code === 10077) return /^maximum (bytes|messages)/.test(text) ? "full" : "failed";
  return MEANINGS[code] ?? "failed";
}

/** The error for a caller whose call was refused for this meaning. */
export function refusalError(meaning: RefusalMeaning, text: string): Error {
  if (meaning === "full") return storageFull(text);
  if (meaning === "too-large") {
    return fail("TOO_LARGE", "a record is larger than a message of the log may be");
  }
  return logUnavailable(text);
}

/** STREAM_FULL for the storage as a whole. */
export function storageFull(cause?: unknown): Error {
  return fail("STREAM_FULL", "the storage of the log is nearly full", {
    retryAfterMs: 30_000,
    cause,
  });
}

/** LOG_UNAVAILABLE: the call may be stored or not, and is not tried again. */
export function logUnavailable(cause?: unknown): Error {
  return fail(
    "LOG_UNAVAILABLE",
    "the log did not confirm in time: the fate of the call is unknown",
    {
      retryAfterMs: 1_000,
      cause,
    },
  );
}
