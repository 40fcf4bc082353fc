/**
 * Delivers one log to one sink while this node owns the shard. Dormant until there is something to
 * deliver; then it claims the cursor, opens the destination, and sends what its lanes plan.
 */
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import { fail } from "../core/errors.ts";
import type { LogMessage } from "../core/log.ts";
import { type ClaimHost, CursorClaim } from "./cursor-claim.ts";
import type { CursorWriter } from "./cursor-writer.ts";
import { within } from "./destinations.ts";
import { expireBelow } from "./expiry.ts";
import { Feed, type FeedTarget, type ShardEdge } from "./feed.ts";
import { createHeldQuota } from "./held-quota.ts";
import { KnownState } from "./known-state.ts";
import type { LaneRow } from "./lane-row.ts";
import { createLogBound, type LogBound } from "./log-bound.ts";
import { holdRefused, type RefusedRows } from "./refused-rows.ts";
import type { RunOwner } from "./run-owner.ts";
import { SinkNote } from "./sink-note.ts";
import { SinkRun } from "./sink-run.ts";
import { SinkStart, type StartHost } from "./sink-start.ts";
import type { RestorePoint, SinkState } from "./sink-state.ts";
import { type ImportHost, StagingImport } from "./staging-import.ts";
import { stagingLimitsOf } from "./staging-status.ts";
import { settledBelow, type TrimFate, trimFate } from "./stored-work.ts";
import type { TrimMarks } from "./trim-marks.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** What a worker gets from its shard. */
export interface WorkerInput {
  readonly options: WorkerOptions;
  readonly definition: SinkDefinition;
  readonly writer: CursorWriter;
  readonly trims: TrimMarks;
  readonly edge: ShardEdge;
  readonly rowsOf: (message: LogMessage) => readonly LaneRow[];
  /** Another owner has taken over: the worker has stopped. */
  readonly onFenced: () => void;
}

/** The worker of one sink. */
export class SinkWorker implements ClaimHost, FeedTarget, ImportHost, RunOwner, StartHost {
  readonly note: SinkNote;
  definition: SinkDefinition;
  acceptsLoss = false;
  readonly #input: WorkerInput;
  readonly #claim: CursorClaim;
  readonly #controller = new AbortController();
  readonly #known: KnownState;
  readonly #bound: LogBound;
  readonly #options: WorkerOptions;
  readonly #start: SinkStart;
  readonly #import: StagingImport | undefined;
  #run: SinkRun | undefined;
  #feed: Feed | undefined;
  #commands: Promise<unknown> = Promise.resolve();
  #activating: Promise<void> | undefined;
  /** First sequence that the archive has; undefined for none, and before it was asked. */
  #keptFrom: number | undefined;

  constructor(input: WorkerInput) {
    this.#input = input;
    this.definition = input.definition;
    this.note = new SinkNote(input.options.now);
    const { trims, writer } = input;
    this.#bound = createLogBound(input.edge, input.options.reader);
    const options = { ...input.options, reader: this.#bound.reader };
    this.#options = options;
    this.#claim = new CursorClaim(this, writer, options);
    this.#known = new KnownState(input.definition, this.#bound);
    const [claim, known, { edge }] = [this.#claim, this.#known, this.#bound];
    this.#start = new SinkStart(this, { options, edge, trims, claim, known });
    const area = stagingLimitsOf(this.definition, options.drivers) && options.staging;
    this.#import = area && new StagingImport(this, { ...options, area });
  }

  get sinkUid(): string {
    return this.definition.uid;
  }

  get logUid(): string {
    return this.definition.log.uid;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get run(): SinkRun | undefined {
    return this.#run;
  }

  get isActive(): boolean {
    return this.#run !== undefined;
  }

  /** Bytes of rows that wait for an import. */
  get stagedBytes(): number {
    return (this.#import?.bytes ?? 0) + (this.#import?.keptBytes ?? 0);
  }

  get epoch(): number {
    return this.#claim.epoch;
  }

  get confirmedAtMs(): number {
    return this.#claim.confirmedAtMs;
  }

  get restored(): RestorePoint | undefined {
    return this.#known.found?.restored;
  }

  get trimmedBelow(): number {
    const trimmed = Math.min(this.#input.trims.of(this.logUid), this.#bound.end);
    return Math.min(trimmed, this.#keptFrom ?? trimmed);
  }

  /** Finds out whether there is something to do. Never rejects; tries again until stopped. */
  start(): Promise<void> {
    this.#import?.start();
    return this.#start.task.run();
  }

  /** Other nodes hear of an import that fails from the cursor, which is claimed for that. */
  importChanged(): void {
    if (this.#run) this.changed(false);
    else void this.activate().catch(() => undefined);
  }

  holdRefused(refused: RefusedRows): Promise<void> {
    return this.exclusively(async () => {
      const { lanes, held } = await this.ensureRun();
      const { reader, now } = this.#options;
      await holdRefused(refused, { lanes, held, reader, log: this.definition.log, nowMs: now() });
      await this.confirm();
    });
  }

  /** Counts what is stored and not yet counted, for a sink that does not read. */
  async count(): Promise<void> {
    const { count } = this.#known;
    if (count.isAtEdge) return;
    await count.scan(this.definition.log, this.#options.reader, this.signal);
    this.changed(false);
  }

  claimAbove(epoch: number): Promise<void> {
    return this.#claim.claimAbove(epoch);
  }

  /** Makes the run, once. */
  activate(): Promise<void> {
    this.#activating ??= this.#makeRun().finally(() => {
      this.#activating = undefined;
    });
    return this.#activating;
  }

  async #makeRun(): Promise<void> {
    if (this.#run) return;
    const options = this.#options;
    const { rowsOf } = this.#input;
    const state = await this.#claim.claim();
    if (settledBelow(state) < this.trimmedBelow) await this.loadKept();
    this.#known.claimed(state);
    const held = createHeldQuota(options.held, this.sinkUid, options.heldLimits);
    const run = new SinkRun(this, { options, rowsOf, state, count: this.#known.count, held });
    const feed = {
      log: this.definition.log,
      reader: options.reader,
      edge: this.#bound.edge,
      target: this,
      logger: options.logger,
      signal: this.signal,
    };
    this.#run = run;
    this.#feed = new Feed(feed, run.lanes.position);
    run.begin(this.#feed);
  }

  /** A message of the log at the edge. */
  offer(message: LogMessage): void {
    if (message.sequence >= this.#bound.end) return;
    this.#known.offered = message.sequence;
    this.#known.count.offer(message, this.#input.rowsOf);
    if (this.#run) {
      this.#feed?.offer(message);
      if (this.definition.isPaused || this.#feed?.isStopped) this.changed(false);
    } else if (this.definition.isPaused) this.changed(false);
    else if (!this.#start.isRefused) void this.start();
  }

  /** What becomes of records that it has not settled when retention takes them. */
  get trimFate(): TrimFate {
    const isKept = this.#input.options.kept?.isKept(this.logUid) ?? false;
    return trimFate(this.definition, this.note.note.state, isKept);
  }

  /** Finds out from where the archive has what the log has no more. */
  async loadKept(): Promise<void> {
    this.#keptFrom = await this.#input.options.kept?.keptFrom(this.logUid);
  }

  /** The run, made when the sink is dormant or paused: for commands about held records. */
  async ensureRun(): Promise<SinkRun> {
    await this.#start.task.ended;
    if (!this.#run) await this.activate();
    return this.#run!;
  }

  /** Runs one command about held records, or one booking of what expires, at a time. */
  exclusively<T>(command: () => Promise<T>): Promise<T> {
    const result = this.#commands.then(command);
    this.#commands = result.catch(() => undefined);
    return result;
  }

  /** Books what retention is about to take below a sequence. Rejects while this sink still needs it. */
  async expireBelow(trimmed: number): Promise<void> {
    const sequence = Math.min(trimmed, this.#bound.end);
    if (!this.isKnown) throw new Error("it is not known what a sink needs");
    if (this.#start.isRefused) return;
    if (this.neededFrom >= sequence) {
      // The next owner must know it as well, or it would miss what is gone.
      if (this.#run && this.#claim.storedFrom < sequence) await this.confirm();
      return;
    }
    const fate = this.trimFate;
    if (fate === "needed") throw new Error("a sink needs the records");
    if (fate === "kept") return this.loadKept();
    await this.exclusively(async () => {
      await expireBelow(await this.ensureRun(), sequence, this.#input.rowsOf);
    });
  }

  hasRoom(): boolean {
    return this.#run?.hasRoom() ?? false;
  }

  accept(message: LogMessage): void {
    this.#run?.accept(message);
  }

  advanced(): void {
    this.#run?.schedule();
  }

  get newestKnown(): number {
    return this.#known.newest;
  }

  /** The stream may have a new schema. */
  refresh(): void {
    this.#run?.gate.updated();
  }

  /** Whether `snapshot` tells more than the store. */
  get isKnown(): boolean {
    return this.#run !== undefined || !this.#start.task.isOpen;
  }

  /** First sequence that this sink still needs, to deliver or to count; 0 while that is not known. */
  get neededFrom(): number {
    if (!this.isKnown) return 0;
    const from = this.#known.neededFrom(this.#run);
    // The sink that goes on needs the rest itself; until there is one, this one keeps it.
    return this.definition.endSequence && from >= this.#bound.end ? Number.POSITIVE_INFINITY : from;
  }

  /** Takes a new definition of the same sink. */
  update(definition: SinkDefinition): void {
    const before = this.definition;
    this.definition = definition;
    const isResumed = before.isPaused && !definition.isPaused;
    const isRestarted = this.#start.noteRestart(definition.restarts) || isResumed;
    if (definition.isPaused && !before.isPaused) this.note.enter(Sink_State.PAUSED);
    else if (isRestarted && !definition.isPaused) this.note.enter(Sink_State.PENDING);
    if (this.#run) this.#run.updated({ isRestarted });
    else if (isRestarted || definition.isPaused !== before.isPaused) this.#start.task.renew();
    this.#import?.updated(isRestarted);
    this.changed(false);
  }

  changed(isUrgent: boolean): void {
    this.#claim.changed(isUrgent);
  }

  /**
   * Ends delivery at a sequence above everything that this or an earlier owner may have planned, and
   * gives it; the same again when it has ended already. It is stored in the cursor, so every later
   * owner ends there too. Fails with WRONG_STATE and LOG_UNAVAILABLE.
   */
  handOver(): Promise<number> {
    return this.exclusively(async () => {
      if (this.#start.isRefused) throw fail("WRONG_STATE", this.note.note.cause);
      const run = await this.ensureRun();
      if (Number.isFinite(this.#bound.end)) return this.#bound.end;
      const { shardLastSequence } = await this.#options.reader.info(this.definition.log);
      const read = Math.max(this.#feed?.position ?? 0, run.lanes.reached);
      this.#bound.end = Math.max(shardLastSequence + 1, this.#input.edge.sequence + 1, read);
      this.#options.at?.("handing-over");
      await this.confirm();
      this.#options.at?.("handed-over");
      return this.#bound.end;
    });
  }

  /** Goes on after a hand-over that came to nothing. */
  takeBack(): Promise<void> {
    return this.exclusively(async () => {
      await this.ensureRun();
      if (!Number.isFinite(this.#bound.end)) return;
      this.#bound.end = Number.POSITIVE_INFINITY;
      await this.confirm();
      // What was not shown is read from the cursor on, as by a new owner.
      this.#abort();
      this.#input.onFenced();
    });
  }

  confirm(): Promise<void> {
    return this.#claim.confirm();
  }

  planned(): () => void {
    return this.#run?.sender.planned() ?? (() => undefined);
  }

  snapshot(): SinkState {
    const { owner } = this.#options;
    const note = this.#import?.overlay(this.note.note) ?? this.note.note;
    return this.#known.snapshot(this.#run, { owner, epoch: this.epoch, note });
  }

  fenced(): void {
    if (this.signal.aborted) return;
    const { logger } = this.#input.options;
    logger.info("another node has taken over a sink", {
      sink: this.definition.name,
      epoch: this.epoch,
    });
    this.#abort();
    this.#input.onFenced();
  }

  /**
   * Stops: with `graceMs` of 0 at once (ownership is lost), else what is in flight may end, staged rows
   * are flushed and the cursor is written. Idempotent.
   */
  async stop(graceMs: number): Promise<void> {
    if (graceMs > 0 && this.#run && !this.signal.aborted) {
      const endMs = performance.now() + graceMs;
      await this.#run.standby.drain(graceMs);
      const leftMs = Math.max(1_000, endMs - performance.now());
      await within(this.confirm(), leftMs).catch(() => undefined);
    }
    this.#abort();
    await this.#run?.close();
  }

  #abort(): void {
    if (this.signal.aborted) return;
    this.#import?.stop();
    this.#claim.remove();
    this.#controller.abort(new Error("delivery of the sink was stopped"));
    this.#run?.abort();
  }
}
