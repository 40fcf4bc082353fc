import type { RequestOutcome } from "../sink.ts";
import { retryRequest, retrySink } from "../sink-fault.ts";
import type { Answer } from "./post.ts";

const EXCERPT_CHARS = 200;
const RETRY_AFTER_MS_MAX = 24 * 3600 * 1000;

/** What an answer means for a request of `rows` rows; `nowMs` for Retry-After dates. */
export function outcomeOf(
  answer: Answer,
  { rows, nowMs }: { rows: number; nowMs: number },
): RequestOutcome {
  const { status } = answer;
  if (status >= 200 && status < 300) {
    return { kind: "rows", outcomes: new Array(rows).fill({ kind: "delivered" }) };
  }
  const reason = `HTTP_${status}`;
  const why = describeAnswer(answer);
  if (status === 410) return { kind: "pause", reason, why };
  if (status >= 300 && status < 400) {
    return retrySink(reason, `${why}; redirects are not followed: set the address they lead to`);
  }
  if (status === 429 || status === 503) {
    const afterMs = parseRetryAfter(answer.retryAfter, nowMs);
    return {
      kind: "retry",
      scope: "sink",
      reason,
      why,
      burnsAttempt: false,
      ...(afterMs !== undefined && { afterMs }),
    };
  }
  if (status === 400 || status === 413 || status === 422) {
    if (rows > 1) return retryRequest(reason, why);
    return { kind: "rows", outcomes: [{ kind: "reject", reason, why }] };
  }
  return retrySink(reason, why);
}

/** Retry-After (RFC 9110, section 10.2.3) in milliseconds, at most a day; undefined when unusable. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX);
}

/** The answer in words: its status and the beginning of its body. */
export function describeAnswer({ status, text }: Answer): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters have no place in a cause.
  const excerpt = text.replace(/[\u0000-\u001f\u007f\s]+/g, " ").trim();
  const cut = excerpt.length > EXCERPT_CHARS ? `${excerpt.slice(0, EXCERPT_CHARS)}…` : excerpt;
  return cut === "" ? `the endpoint answered ${status}` : `the endpoint answered ${status}: ${cut}`;
}
