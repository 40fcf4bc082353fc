/** What an outage of a dependency did to the writers, from their attempts. */
import type { Attempt, Load } from "../load.ts";

/** Figures of an outage, in milliseconds. */
export interface OutageFigures {
  /** Attempts that were refused or failed. */
  readonly failed: number;
  /** The longest that any attempt took, failed or not. */
  readonly slowestMs: number;
  /** From the end of the outage to the first OK after it. */
  readonly recoveryMs: number;
  /** Refusals without a hint when to retry. */
  readonly withoutHint: number;
  /** Statuses other than 200 with their reasons, and how many. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** Judges the attempts since `beganAtMs`; `endedAtMs` is when the dependency was back. */
export function judgeOutage(load: Load, beganAtMs: number, endedAtMs: number): OutageFigures {
  const since = load.attempts.filter((a) => a.atMs >= beganAtMs);
  const failed = since.filter((a) => a.status !== 200);
  const refusals: Record<string, number> = {};
  for (const { status, reason } of failed) {
    const name = `${status} ${reason}`;
    refusals[name] = (refusals[name] ?? 0) + 1;
  }
  const back = since.find((a) => a.status === 200 && a.atMs >= endedAtMs);
  return {
    failed: failed.length,
    slowestMs: Math.max(0, ...since.map((a) => a.tookMs)),
    recoveryMs: back ? back.atMs - endedAtMs : Number.POSITIVE_INFINITY,
    withoutHint: failed.filter((a) => a.status !== 0 && !a.hasRetryHint).length,
    refusals,
  };
}

/** Waits until the load got `count` more OKs than now. */
export function moreAcked(load: Load, count: number): () => boolean {
  const goal = acked(load) + count;
  return () => acked(load) >= goal;
}

function acked(load: Load): number {
  return load.history.count("ok");
}

/** One line about a run, for the report of the test run. */
export function report(name: string, figures: object): void {
  const text = JSON.stringify(figures, (_, value: unknown) =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(3)) : value,
  );
  process.stderr.write(`[${name}] ${text}\n`);
}

/** Attempts between two moments. */
export function attemptsBetween(load: Load, fromMs: number, toMs: number): Attempt[] {
  return load.attempts.filter((a) => a.atMs >= fromMs && a.atMs < toMs);
}
