/** Tells the attempt log what was tried. Without a log nothing is recorded. */
import { Attempt_State } from "#gen/tributary/management/v1/attempt_pb.js";
import type { AttemptLog, AttemptNote } from "../core/attempt.ts";
import type { SinkDefinition } from "../core/definitions.ts";
import { type Exchange, recordExchanges } from "../core/exchange.ts";
import type { Place, RequestOutcome } from "../sinks/sink.ts";
import { comparePlaces } from "./place.ts";
import type { PreparedOutcome } from "./plan-transform.ts";

/** As a driver's outcome, with what the filter left out. */
export type AttemptOutcome =
  | { readonly kind: "rows"; readonly outcomes: readonly PreparedOutcome[] }
  | Exclude<RequestOutcome, { readonly kind: "rows" }>;

/** What is known of an attempt before it is made. */
export interface AttemptFacts {
  readonly sink: SinkDefinition;
  readonly version: number;
  readonly requestId: string;
  readonly number: number;
  readonly partition: number;
  readonly ranges: AttemptNote["ranges"];
  readonly records: number;
  readonly isReplay: boolean;
}

/** Who makes attempts. */
interface AttemptHost {
  readonly attempts: AttemptLog | undefined;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** Makes an attempt and notes what came of it, unless the filter left nothing to send. */
export async function noteAttempt<T extends AttemptOutcome>(
  { attempts, now, signal }: AttemptHost,
  facts: AttemptFacts,
  work: () => Promise<T>,
): Promise<T> {
  if (!attempts) return await work();
  const exchanges: Exchange[] = [];
  const startMs = now();
  const began = performance.now();
  const outcome = await recordExchanges(exchanges, work);
  // What ends because ownership is lost says nothing of the destination.
  if (signal.aborted) return outcome;
  const told = tell(outcome, facts.records);
  if (told) {
    const durationMs = performance.now() - began;
    attempts.note({ ...facts, ...told, startMs, durationMs, exchanges, isFlush: false });
  }
  return outcome;
}

type Told = Pick<AttemptNote, "state" | "reason" | "why" | "filtered" | "held">;

function tell(outcome: AttemptOutcome, records: number): Told | undefined {
  if (outcome.kind === "rows") return tellRows(outcome.outcomes);
  if (outcome.kind === "behind") return undefined;
  const none = { filtered: 0, held: 0 };
  if (outcome.kind === "fenced") {
    const why = "another node delivers for this sink now";
    return { state: Attempt_State.FENCED, reason: "FENCED", why, ...none };
  }
  const { reason, why } = outcome;
  if (outcome.kind === "pause") return { state: Attempt_State.STOPPED, reason, why, ...none };
  if (outcome.scope === "sink") return { state: Attempt_State.RETRYING, reason, why, ...none };
  if (records > 1) return { state: Attempt_State.SPLIT, reason, why, ...none };
  return { state: Attempt_State.HELD, reason, why, filtered: 0, held: 1 };
}

function tellRows(outcomes: readonly PreparedOutcome[]): Told | undefined {
  let filtered = 0;
  let held = 0;
  let staged = 0;
  let first: { reason: string; why: string } | undefined;
  for (const outcome of outcomes) {
    if (outcome.kind === "filtered") filtered += 1;
    else if (outcome.kind === "staged") staged += 1;
    else if (outcome.kind === "reject") {
      held += 1;
      first ??= outcome;
    }
  }
  if (filtered === outcomes.length) return undefined;
  const { reason, why } = first ?? { reason: "", why: "" };
  const taken = staged > 0 ? Attempt_State.STAGED : Attempt_State.DELIVERED;
  return { state: held > 0 ? Attempt_State.HELD : taken, reason, why, filtered, held };
}

/** What is known of a flush. */
export interface FlushFacts extends AttemptHost {
  readonly sink: SinkDefinition;
  readonly version: number;
}

/** Flushes and notes what came of it, unless nothing was settled. */
export async function noteFlush(
  { attempts, now, signal, sink, version }: FlushFacts,
  flush: () => Promise<readonly Place[]>,
): Promise<readonly Place[]> {
  if (!attempts) return await flush();
  const exchanges: Exchange[] = [];
  const startMs = now();
  const began = performance.now();
  const note = (told: Pick<Told, "state" | "reason" | "why">, places: readonly Place[]) => {
    const sorted = [...places].sort(comparePlaces);
    const [from, to] = [sorted[0], sorted.at(-1)];
    attempts.note({
      ...{ sink, version, requestId: "", number: 1, partition: -1, filtered: 0, held: 0 },
      ...told,
      ...{ startMs, durationMs: performance.now() - began, exchanges },
      ranges: from && to ? [{ from, to }] : [],
      records: places.length,
      isReplay: false,
      isFlush: true,
    });
  };
  try {
    const places = await recordExchanges(exchanges, flush);
    if (places.length > 0) note({ state: Attempt_State.DELIVERED, reason: "", why: "" }, places);
    return places;
  } catch (error) {
    const reason = (error as { reason?: unknown }).reason;
    const why = error instanceof Error ? error.message : String(error);
    const told = { reason: typeof reason === "string" ? reason : "FLUSH_FAILED", why };
    if (!signal.aborted) note({ state: Attempt_State.RETRYING, ...told }, []);
    throw error;
  }
}

/** Notes that a destination could not even be opened. */
export function noteOpening(
  { attempts, now }: Pick<AttemptHost, "attempts" | "now">,
  facts: Pick<AttemptFacts, "sink" | "version" | "number"> & {
    readonly outcome: { readonly reason: string; readonly why: string };
  },
): void {
  const { outcome, ...rest } = facts;
  attempts?.note({
    ...rest,
    ...{ state: Attempt_State.RETRYING, reason: outcome.reason, why: outcome.why },
    ...{ requestId: "", partition: -1, ranges: [], records: 0, filtered: 0, held: 0 },
    ...{ startMs: now(), durationMs: 0, exchanges: [], isReplay: false, isFlush: false },
  });
}
