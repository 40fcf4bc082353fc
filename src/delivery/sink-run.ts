/** A sink at work: plans requests, sends them, lets failing lanes wait, flushes what is staged. */
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import { reasonOf } from "../core/errors.ts";
import type { LogMessage } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import type { Place } from "../sinks/sink.ts";
import { DestinationGate } from "./destination-gate.ts";
import type { Feed } from "./feed.ts";
import type { HeldStore } from "./held-store.ts";
import { planLanes } from "./lane-planning.ts";
import type { LaneRequest } from "./lane-request.ts";
import type { LaneRow } from "./lane-row.ts";
import type { LaneRun } from "./lane-run.ts";
import { LaneSet } from "./lane-set.ts";
import type { LaneState } from "./lane-state.ts";
import { PARKED_KEYS_MAX } from "./parked-keys.ts";
import { type RequestHost, runRequest } from "./request-runner.ts";
import type { RunInput, RunOwner } from "./run-owner.ts";
import { type FlushReason, StagedRows } from "./staged-rows.ts";
import {
  createVersionTable,
  driverOf,
  type VersionPlan,
  type VersionTable,
} from "./version-table.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** Records that wait in memory, for one sink, beside two batches. */
const QUEUE_BYTES = 4 * 1024 * 1024;
/** Ownership older than this is confirmed before a request is sent; another takes over after 5 s. */
const LEASE_MS = 2_000;
const TIMER_MAX_MS = 2 ** 31 - 1;
/** A lane that waits this long lets its records go and reads them again. */
const RELEASE_FROM_MS = 1_000;
const FLUSH_RETRY_MS = 5_000;
/** A destination that nothing was sent to for so long is closed. */
const IDLE_CLOSE_MS = 60_000;

/** The work of one sink, from its activation until it is stopped. */
export class SinkRun implements RequestHost {
  readonly sinkUid: string;
  readonly logger: Logger;
  readonly held: HeldStore;
  readonly now: () => number;
  readonly random: () => number;
  readonly keepsCursor: boolean;
  readonly lanes: LaneSet;
  versions: VersionTable;
  readonly gate: DestinationGate;
  readonly owner: RunOwner;
  readonly options: WorkerOptions;
  readonly #input: RunInput;
  readonly #staged = new StagedRows();
  readonly #concurrency: number;
  #feed!: Feed;
  #isScheduled = false;
  #isDraining = false;
  #isFlushing = false;
  #flushAfterMs = 0;
  #isStandingBy = false;
  #isBeginning = false;
  #beginTimer: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #queued = 0;
  #oldestArrivalUs = 0;
  #lastSentMs = 0;

  constructor(owner: RunOwner, input: RunInput) {
    const { options, state } = input;
    const { definition } = owner;
    this.owner = owner;
    this.options = options;
    this.#input = input;
    this.sinkUid = definition.uid;
    this.logger = options.logger;
    this.held = options.held;
    this.now = options.now;
    this.random = options.random;
    this.versions = createVersionTable(definition, options.drivers);
    const driver = driverOf(options.drivers, this.versions.at(state.position).kind);
    this.keepsCursor = driver.keepsCursor;
    this.#concurrency = Math.max(1, driver.concurrency);
    this.lanes = new LaneSet(definition.log.uid, state.position);
    for (const lane of state.lanes) this.lanes.put(lane);
    this.gate = new DestinationGate(this);
  }

  get signal(): AbortSignal {
    return this.owner.signal;
  }

  get oldestArrivalUs(): number {
    return this.lanes.oldestArrivalUs || this.#oldestArrivalUs;
  }

  /** Begins with what the cursor left: claims the partitions in the target, then reads. */
  begin(feed: Feed): void {
    this.#feed = feed;
    if (this.owner.definition.isPaused) {
      this.schedule();
      return;
    }
    void this.#begin(0);
  }

  async #begin(failures: number): Promise<void> {
    if (this.#isBeginning) return;
    this.#isBeginning = true;
    clearTimeout(this.#beginTimer);
    try {
      await this.gate.resumeAll();
      if (this.signal.aborted) return;
      this.owner.note.enter(Sink_State.RUNNING);
      this.owner.changed(false);
      this.rewind();
    } catch (error) {
      if (this.signal.aborted) return;
      const waitMs = this.gate.beginFailed(error, failures + 1);
      if (waitMs === undefined) return;
      this.#beginTimer = setTimeout(() => void this.#begin(failures + 1), waitMs);
      this.#countAhead();
    } finally {
      this.#isBeginning = false;
    }
  }

  /** Reads again from the lowest place that needs it. */
  rewind(): void {
    const position = this.lanes.release();
    const { count } = this.#input;
    this.#feed.seek(count.isAtEdge ? position : Math.min(position, count.sequence + 1));
    this.schedule();
  }

  hasRoom(): boolean {
    if (this.lanes.isBlocked || this.#isDraining) return false;
    const bytes = this.lanes.pendingBytes;
    const { budget } = this.options;
    budget.used += bytes - this.#queued;
    this.#queued = bytes;
    if (bytes === 0) return true;
    const { bytesMax } = this.versions.at(this.#feed.position);
    return bytes < QUEUE_BYTES + 2 * bytesMax && budget.used < budget.max;
  }

  accept(message: LogMessage): void {
    let rows: readonly LaneRow[];
    try {
      rows = this.#input.rowsOf(message);
    } catch (error) {
      const reason = reasonOf(error) ?? "LOG_CORRUPT";
      const why = error instanceof Error ? error.message : String(error);
      this.owner.note.fail({ reason, why, isError: true, nextAttemptMs: 0 });
      this.owner.changed(false);
      throw error;
    }
    this.#input.count.add(message.sequence, rows.length);
    this.lanes.accept(message, rows, this.now());
  }

  /** Looks after everything, soon and once. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#advance();
    });
  }

  #advance(): void {
    if (this.signal.aborted) return;
    const nowMs = this.now();
    if (!this.#feed.isStopped) {
      this.lanes.passed(this.#feed.position, nowMs);
      this.#input.count.passed(this.#feed.position, this.#feed.isAtEdge);
    }
    if (this.owner.definition.isPaused || this.#isDraining) {
      this.#standBy();
      return;
    }
    this.#isStandingBy = false;
    if (this.#isFlushing) return;
    const reason = nowMs >= this.#flushAfterMs ? this.#staged.due(nowMs) : undefined;
    if (reason) {
      if (!this.lanes.isSending) void this.#flush(reason);
      return;
    }
    if (this.gate.isStale && !this.lanes.isSending && this.#staged.isEmpty) {
      void this.gate.close();
    }
    this.#plan(nowMs);
    this.#send(nowMs);
    this.#settleLedger();
    this.#feed.pump();
    this.#armNext(nowMs);
  }

  #plan(nowMs: number): void {
    const { needsWrite, isParkingFull } = planLanes(this.lanes, {
      versions: this.versions,
      isFull: !this.hasRoom(),
      isStaging: this.gate.isStaging,
      keepsCursor: this.keepsCursor,
      concurrency: this.#concurrency,
      nowMs,
    });
    if (isParkingFull) {
      this.owner.note.fail({
        reason: "TOO_MANY_BLOCKED_KEYS",
        why: `${PARKED_KEYS_MAX} keys wait for held records: replay or discard them`,
        isError: true,
        nextAttemptMs: 0,
      });
    }
    if (needsWrite) this.owner.changed(true);
  }

  #send(nowMs: number): void {
    for (const run of this.lanes.all()) {
      if (run.waitUntilMs > nowMs || run.isReserved) continue;
      for (const request of run.lane.sendable(this.#concurrency)) {
        if (request.count === 0) {
          run.lane.resolve(request, { delivered: [], held: [], isKeyBlocked: false });
          this.schedule();
          continue;
        }
        this.#lastSentMs = nowMs;
        runRequest(this, run, request)
          .catch((error: unknown) => {
            // A broken assumption: nothing of this sink is certain, so it starts again from its cursor.
            this.logger.error("delivery of a request failed", { sink: this.sinkUid, error });
            this.owner.fenced();
          })
          .finally(() => this.schedule());
      }
    }
  }

  /** What the cursor write carries may be sent once it is stored. */
  planned(): () => void {
    const planned: LaneRequest[] = [];
    for (const { lane } of this.lanes.all()) {
      for (const request of lane.requests) if (request.state === "planned") planned.push(request);
    }
    return () => {
      for (const request of planned) if (request.state === "planned") request.state = "ready";
      if (planned.length > 0) this.schedule();
    };
  }

  snapshots(): LaneState[] {
    return [...this.lanes.all()].map(({ lane }) => lane.snapshot());
  }

  // What requests ask for.

  epoch(): number {
    return this.owner.epoch;
  }

  isCurrent(run: LaneRun): boolean {
    return this.lanes.get(run.lane.state.partition) === run;
  }

  async assertOwner(): Promise<void> {
    if (this.keepsCursor) return;
    if (performance.now() - this.owner.confirmedAtMs > LEASE_MS) await this.owner.confirm();
  }

  destination(plan: VersionPlan, partition: number) {
    return this.gate.get(plan, partition);
  }

  staged(run: LaneRun, request: LaneRequest, plan: VersionPlan): void {
    this.#staged.add(run, request, { plan, nowMs: this.now() });
    run.lane.stage(request);
  }

  succeeded(run: LaneRun): void {
    run.waitUntilMs = 0;
    this.gate.committed(run.lane.state);
    if (this.owner.definition.isPaused) return;
    if (this.lanes.nextAttemptMs() === 0) this.owner.note.enter(Sink_State.RUNNING);
  }

  waits(
    run: LaneRun,
    untilMs: number,
    fault: { readonly reason: string; readonly why: string; readonly isError: boolean },
  ): void {
    clearTimeout(run.timer);
    run.waitUntilMs = untilMs;
    const waitMs = untilMs - this.now();
    if (Number.isFinite(untilMs)) {
      run.timer = setTimeout(() => this.#wake(run), Math.min(Math.max(0, waitMs), TIMER_MAX_MS));
    }
    const nextMs = this.lanes.nextAttemptMs();
    this.owner.note.fail({ ...fault, nextAttemptMs: Number.isFinite(nextMs) ? nextMs : 0 });
    this.owner.changed(false);
    if (waitMs < RELEASE_FROM_MS || this.lanes.isSending) return;
    this.#letGo();
    this.#countAhead();
  }

  changed(isUrgent: boolean): void {
    this.owner.changed(isUrgent);
  }

  fenced(): void {
    this.owner.fenced();
  }

  #wake(run: LaneRun): void {
    clearTimeout(run.timer);
    run.waitUntilMs = 0;
    if (this.#feed.isStopped) this.rewind();
    else this.schedule();
  }

  /** Lets records in memory go while nothing can be sent (D5): they are read again. */
  #letGo(): void {
    this.#oldestArrivalUs = this.lanes.oldestArrivalUs || this.#oldestArrivalUs;
    this.#feed.stop(this.lanes.release());
    this.hasRoom();
  }

  #countAhead(): void {
    this.owner.count().catch((error: unknown) => {
      if (!this.signal.aborted) this.logger.warn("a log could not be counted", { error });
    });
  }

  /** Paused or stopping: what is in flight ends, what is staged is flushed, then all is let go. */
  #standBy(): void {
    if (this.lanes.isSending || this.#isFlushing || this.#isStandingBy) return;
    if (!this.#staged.isEmpty && this.now() >= this.#flushAfterMs) {
      void this.#flush("close");
      return;
    }
    this.#isStandingBy = true;
    this.#letGo();
    void this.gate.close();
    if (!this.#isDraining) this.#countAhead();
    this.owner.changed(false);
  }

  async #flush(reason: FlushReason): Promise<void> {
    this.#isFlushing = true;
    try {
      const places = await this.gate.flush(reason);
      this.#staged.settle(places, this.now());
      this.owner.note.enter(
        this.owner.definition.isPaused ? Sink_State.PAUSED : Sink_State.RUNNING,
      );
    } catch (error) {
      if (this.signal.aborted) return;
      // What a failed flush leaves is not known: the rows are sent again.
      this.#staged.unstage();
      this.#flushAfterMs = this.now() + FLUSH_RETRY_MS;
      await this.gate.close();
      this.gate.flushFailed(error, this.#flushAfterMs);
      if (!this.#isDraining && !this.owner.definition.isPaused) this.rewind();
    } finally {
      this.#isFlushing = false;
      this.owner.changed(false);
      this.schedule();
    }
  }

  /** At rest at the edge, what was pushed and is not settled has expired: it was not there to read (D3). */
  #settleLedger(): void {
    const { count } = this.#input;
    if (!this.#feed.isAtEdge || !count.isAtEdge || this.lanes.isBlocked) return;
    if (!this.lanes.isIdle || this.lanes.isSending || !this.#staged.isEmpty) return;
    this.#oldestArrivalUs = 0;
    const missing = count.pushed - this.lanes.settled;
    if (missing === 0) return;
    this.logger.warn("records expired before they were delivered", {
      sink: this.owner.definition.name,
      count: missing,
    });
    if (missing > 0) this.lanes.get(0).lane.expire(missing);
    else count.pushed -= missing;
    this.owner.changed(false);
  }

  /** Settles what a flush made durable outside the run's own turn. */
  settleStaged(places: readonly Place[]): void {
    this.#staged.settle(places, this.now());
  }

  /** The definition was replaced. */
  updated({ isRestarted }: { readonly isRestarted: boolean }): void {
    const { definition } = this.owner;
    this.versions = createVersionTable(definition, this.options.drivers);
    this.gate.updated();
    for (const run of this.lanes.all()) {
      const isMoved = run.lane.reassign((sequence) => this.versions.at(sequence).version.version);
      if (isRestarted || isMoved) {
        for (const request of run.lane.requests) request.attempts = 0;
        clearTimeout(run.timer);
        run.waitUntilMs = 0;
      }
    }
    if (isRestarted) this.#flushAfterMs = 0;
    if (!definition.isPaused && this.#feed.isStopped) void this.#begin(0);
    this.schedule();
  }

  /** Closes the destination of a sink that has been idle for long. */
  sweep(nowMs: number): void {
    if (nowMs - this.#lastSentMs < IDLE_CLOSE_MS || this.lanes.isAnyOpen) return;
    if (this.#staged.isEmpty && !this.lanes.isSending) void this.gate.close();
  }

  /** Lets what is in flight end, at most `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    const endMs = performance.now() + graceMs;
    while (!this.#isStandingBy && !this.signal.aborted && performance.now() < endMs) {
      this.schedule();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  abort(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#beginTimer);
    for (const run of this.lanes.all()) clearTimeout(run.timer);
    this.options.budget.used -= this.#queued;
    this.#queued = 0;
  }

  close(): Promise<void> {
    return this.gate.close();
  }

  /** Wakes the run when a batch or a flush is due for time; what is due already waits for an answer. */
  #armNext(nowMs: number): void {
    let dueMs = Number.POSITIVE_INFINITY;
    const consider = (atMs: number) => {
      if (atMs > nowMs) dueMs = Math.min(dueMs, atMs);
    };
    if (!this.#staged.isEmpty) consider(Math.max(this.#staged.dueAtMs, this.#flushAfterMs));
    for (const { lane } of this.lanes.all()) {
      const first = lane.pending.at(0);
      if (first) consider(lane.pendingSinceMs + this.versions.at(first.place.sequence).timeMs);
    }
    if (dueMs === this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = dueMs;
    if (!Number.isFinite(dueMs)) return;
    this.#timer = setTimeout(
      () => {
        this.#timerAtMs = Number.POSITIVE_INFINITY;
        this.schedule();
      },
      Math.min(dueMs - nowMs, TIMER_MAX_MS),
    );
  }
}
