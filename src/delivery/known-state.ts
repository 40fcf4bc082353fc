/** What a worker knows of its sink beside its run: what was found in the store, and what it counts. */
import type { SinkDefinition } from "../core/definitions.ts";
import { KeptPages } from "./kept-pages.ts";
import type { LogBound } from "./log-bound.ts";
import { ParkedPages } from "./parked-pages.ts";
import { PushCount } from "./push-count.ts";
import type { SinkRun } from "./sink-run.ts";
import type { SinkState } from "./sink-state.ts";
import { lowestNeeded } from "./stored-work.ts";

/** What only the worker knows. */
type WorkerFacts = Pick<SinkState, "owner" | "epoch" | "note">;

/** The knowledge of one worker. */
export class KnownState {
  readonly #definition: Pick<SinkDefinition, "log" | "startSequence">;
  readonly #bound: LogBound;
  /** Pages of a sink that nothing is stored of. */
  readonly #pages = new ParkedPages();
  readonly #keptPages = new KeptPages();
  count: PushCount;
  /** What is stored, as far as we know: shown until there is a run. */
  found: SinkState | undefined;
  /** When the shard that holds the log was made; empty when not known. */
  identity = "";
  /** Newest message of the log that came from the edge. */
  offered = 0;
  /** Newest message when we looked; Infinity before that. */
  looked = Number.POSITIVE_INFINITY;

  constructor(definition: SinkDefinition, bound: LogBound) {
    this.#definition = definition;
    this.#bound = bound;
    this.count = new PushCount(bound.edge, definition.startSequence - 1, 0);
  }

  /** Takes what the last owner left. */
  recall(state: SinkState | undefined): void {
    this.claimed(state);
    this.identity = state?.logIdentity ?? "";
    const counted = state?.countedSequence ?? this.#definition.startSequence - 1;
    this.count = new PushCount(this.#bound.edge, counted, state?.pushed ?? 0);
  }

  /** Takes the state that is ours from now on, and the end that stands in it. */
  claimed(state: SinkState | undefined): void {
    this.found = state;
    this.#bound.end = state?.endSequence || Number.POSITIVE_INFINITY;
  }

  /** Newest message of the log that we know of; Infinity before we have looked. */
  get newest(): number {
    return Math.max(this.looked, this.offered);
  }

  /** First sequence that the sink still needs, to deliver or to count. */
  neededFrom(run: SinkRun | undefined): number {
    const found = this.found ? lowestNeeded(this.found) : this.#definition.startSequence;
    const lowest = run ? run.lanes.settledBelow : found;
    return this.count.isAtEdge ? lowest : Math.min(lowest, this.count.sequence + 1);
  }

  /** Everything that is known of the sink now. */
  snapshot(run: SinkRun | undefined, facts: WorkerFacts): SinkState {
    const { found, count } = this;
    return {
      ...facts,
      logUid: this.#definition.log.uid,
      logIdentity: this.identity,
      restored: found?.restored,
      endSequence: Number.isFinite(this.#bound.end) ? this.#bound.end : 0,
      position: run?.lanes.position ?? found?.position ?? this.#definition.startSequence,
      countedSequence: count.sequence,
      pushed: count.pushed,
      lanes: run?.snapshots() ?? found?.lanes ?? [],
      pages: found?.pages ?? this.#pages,
      keptPages: found?.keptPages ?? this.#keptPages,
      oldestArrivalUs: run ? run.oldestArrivalUs : found?.oldestArrivalUs || count.oldestArrivalUs,
    };
  }
}
