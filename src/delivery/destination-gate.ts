/** The way of a run to its destinations: opened when needed, partitions claimed, staged rows flushed. */
import type { Place } from "../sinks/sink.ts";
import { noteFlush, noteOpening } from "./attempt-notes.ts";
import {
  createDestinations,
  type Destination,
  type Destinations,
  outcomeOfError,
  within,
} from "./destinations.ts";
import type { HeldQuota } from "./held-quota.ts";
import { loadLanePages } from "./kept-pages.ts";
import type { LaneSet } from "./lane-set.ts";
import type { LaneState } from "./lane-state.ts";
import { resumeLane } from "./resume-lanes.ts";
import { isError, retryWaitMs } from "./retry-wait.ts";
import type { RunOwner } from "./run-owner.ts";
import type { FlushReason } from "./staged-rows.ts";
import { tidyHeld } from "./tidy-held.ts";
import type { VersionPlan, VersionTable } from "./version-table.ts";
import type { WorkerOptions } from "./worker-options.ts";

const FLUSH_TIMEOUT_MS = 30_000;
const RESUME_TIMEOUT_MS = 60_000;

/** The run that the gate belongs to. */
export interface GateRun {
  readonly owner: RunOwner;
  readonly options: WorkerOptions;
  readonly keepsCursor: boolean;
  readonly lanes: LaneSet;
  readonly versions: VersionTable;
  readonly held: HeldQuota;
  readonly waits: { failingMs(): number };
  rewind(): void;
}

/** The destinations of one run. */
export class DestinationGate {
  readonly #run: GateRun;
  readonly #destinations: Destinations;
  /** By partition: revision of the lane that its target is known to hold. */
  readonly #committed = new Map<number, number>();
  #schemaVersion: number | undefined;
  #isTidy = false;
  /** Whether destinations are to be opened again, for the stream's schema has changed. */
  isStale = false;
  /** Whether the destination settles rows by flushes. */
  isStaging = false;

  constructor(run: GateRun) {
    const { definition } = run.owner;
    this.#run = run;
    this.#schemaVersion = this.#stream()?.schemaVersion;
    this.#destinations = createDestinations({
      drivers: run.options.drivers,
      environment: run.options.environment,
      sink: definition,
      logUid: definition.log.uid,
      branch: definition.log.branch,
      stream: () => this.#stream(),
      staging: run.options.staging?.ports,
    });
  }

  #stream() {
    const { owner, options } = this.#run;
    return options.definitions.streamByLog(owner.definition.log.uid);
  }

  /** Notices a new schema. */
  updated(): void {
    const version = this.#stream()?.schemaVersion;
    if (version !== this.#schemaVersion) this.isStale = true;
    this.#schemaVersion = version;
  }

  /** The destination of a version, with the partition claimed. Throws when the lane was replaced by what the target keeps. */
  async get(plan: VersionPlan, partition: number): Promise<Destination> {
    const destination = await this.#destinations.get(plan);
    this.isStaging = destination.sink.flush !== undefined;
    if (await this.#resume(destination, plan, partition)) {
      throw new Error("the lane goes on from what its target keeps");
    }
    return destination;
  }

  /** Claims every partition of a destination that keeps the cursor, and opens the others. */
  async resumeAll(): Promise<void> {
    const { lanes, versions, keepsCursor } = this.#run;
    const plan = versions.at(lanes.position);
    const destination = await this.#destinations.get(plan);
    this.isStaging = destination.sink.flush !== undefined;
    if (!keepsCursor) return this.#tidyHeld();
    const stream = this.#stream();
    const counts = [stream?.partitions ?? 1, ...(stream?.history ?? []).map((v) => v.partitions)];
    for (let partition = 0; partition < Math.max(...counts); partition++) {
      const { next } = lanes.get(partition).lane.state;
      const laneplan = versions.at(next.sequence);
      const target = await this.#destinations.get(laneplan);
      await this.#resume(target, laneplan, partition);
    }
    await this.#tidyHeld();
  }

  /** Finishes what a crash left of held records. */
  async #tidyHeld(): Promise<void> {
    const lanes = [...this.#run.lanes.all()].map(({ lane }) => lane);
    await tidyHeld(lanes, this.#run.held, { isTakenOver: !this.#isTidy });
    this.#isTidy = true;
  }

  /** Claims a partition in the target; gives whether its lane was replaced. */
  async #resume(
    { sink, resumed }: Destination,
    plan: VersionPlan,
    partition: number,
  ): Promise<boolean> {
    if (!sink.resume || resumed.has(partition)) return false;
    const { owner, options, lanes } = this.#run;
    const claim = () => within(sink.resume!(partition, owner.epoch), RESUME_TIMEOUT_MS);
    const kept = await claim().catch(async (error: unknown) => {
      const { reason, targetEpoch } = error as { reason?: unknown; targetEpoch?: unknown };
      if (reason !== "FENCED" || typeof targetEpoch !== "number") throw error;
      await owner.claimAbove(targetEpoch);
      owner.signal.throwIfAborted();
      return claim();
    });
    options.at?.("resumed");
    const input = {
      log: owner.definition.log,
      reader: options.reader,
      held: this.#run.held,
      isKeyBlocked: plan.isKeyBlocked,
      nowMs: options.now(),
      committed: this.#committed.get(partition),
      restored: owner.restored,
      loadPages: (lane: LaneState) => loadLanePages(options.cursors, owner.definition.uid, lane),
    };
    for (;;) {
      const ours = lanes.get(partition).lane.snapshot();
      const { state, committed } = await resumeLane(ours, kept, input);
      owner.signal.throwIfAborted();
      const { lane } = lanes.get(partition);
      // A command has released held records meanwhile, which the merged state does not know.
      if (isReleased(lane.state, ours)) continue;
      resumed.add(partition);
      this.#committed.set(partition, committed);
      const targetRevision = Math.max(0, committed);
      if (state === ours) lane.state.targetRevision = targetRevision;
      else {
        lanes.put({ ...state, targetRevision });
        // At once: what is read meanwhile lies behind what this lane needs.
        this.#run.rewind();
      }
      return state !== ours;
    }
  }

  /** Says that the target holds a lane as of a revision: another request may be under way behind that. */
  committed(lane: LaneState, revision: number | undefined): void {
    if (!this.#run.keepsCursor || revision === undefined) return;
    this.#committed.set(lane.partition, revision);
    lane.targetRevision = revision;
  }

  /** Settles what is staged in all open destinations. Fails with what a driver throws. */
  async flush(reason: FlushReason): Promise<readonly Place[]> {
    const { owner, options } = this.#run;
    const { definition: sink, signal } = owner;
    const { version } = this.#run.versions.newest().version;
    const facts = { attempts: options.attempts, now: options.now, signal, sink, version };
    return await noteFlush(facts, () => this.#flushOpen(reason));
  }

  async #flushOpen(reason: FlushReason): Promise<Place[]> {
    const places: Place[] = [];
    for (const { sink } of await this.#destinations.open()) {
      if (!sink.flush) continue;
      const signal = AbortSignal.any([
        AbortSignal.timeout(FLUSH_TIMEOUT_MS),
        this.#run.owner.signal,
      ]);
      places.push(...(await within(sink.flush(reason, signal), FLUSH_TIMEOUT_MS * 2)));
    }
    return places;
  }

  /** Notes why staged rows could not be settled. */
  flushFailed(error: unknown, nextAttemptMs: number): void {
    const outcome = outcomeOfError(error);
    if (outcome.kind !== "retry") return;
    const { reason, why } = outcome;
    this.#run.owner.note.fail({ reason, why, isError: true, nextAttemptMs });
  }

  /** Notes why a run could not begin; gives when it tries again, undefined when another owner has it. */
  beginFailed(error: unknown, failures: number): number | undefined {
    const { owner, options, versions, lanes, waits } = this.#run;
    const outcome = outcomeOfError(error);
    if (outcome.kind !== "retry") {
      owner.fenced();
      return undefined;
    }
    const plan = versions.at(lanes.position);
    const waitMs = retryWaitMs(outcome, { attempts: failures, plan, random: options.random });
    const { definition: sink } = owner;
    noteOpening(options, { sink, version: plan.version.version, number: failures, outcome });
    owner.note.fail({
      reason: outcome.reason,
      why: outcome.why,
      isError: isError(outcome, { failures }, { plan, failingMs: waits.failingMs() }),
      nextAttemptMs: options.now() + waitMs,
    });
    owner.changed(false);
    return waitMs;
  }

  /** Closes all destinations; they are opened again when needed. */
  close(): Promise<void> {
    this.isStale = false;
    return this.#destinations.close();
  }
}

function isReleased({ counts }: LaneState, before: LaneState): boolean {
  const { replayed, discarded } = before.counts;
  return counts.replayed !== replayed || counts.discarded !== discarded;
}
