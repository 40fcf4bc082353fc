/**
 * Delivers one log to one sink while this node owns the shard. Dormant until there is something to
 * deliver; then it claims the cursor, opens the destination, and sends what its lanes plan.
 */
import type { SinkDefinition } from "../core/definitions.ts";
import type { LogMessage } from "../core/log.ts";
import { type ClaimHost, CursorClaim } from "./cursor-claim.ts";
import { within } from "./destinations.ts";
import type { Feed, FeedTarget } from "./feed.ts";
import { KnownState } from "./known-state.ts";
import { createLogBound, type LogBound } from "./log-bound.ts";
import { holdRefused, type RefusedRows } from "./refused-rows.ts";
import { makeRun } from "./run-making.ts";
import type { RunOwner } from "./run-owner.ts";
import { type HandOverHost, handOver, takeBack } from "./sink-hand-over.ts";
import { SinkNote } from "./sink-note.ts";
import { type RetentionHost, SinkRetention } from "./sink-retention.ts";
import type { SinkRun } from "./sink-run.ts";
import { SinkStart, type StartHost } from "./sink-start.ts";
import type { RestorePoint, SinkState } from "./sink-state.ts";
import { type ImportHost, StagingImport } from "./staging-import.ts";
import { stagingLimitsOf } from "./staging-status.ts";
import { settledBelow } from "./stored-work.ts";
import type { WorkerInput } from "./worker-input.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** The worker of one sink. */
export class SinkWorker
  implements ClaimHost, FeedTarget, HandOverHost, ImportHost, RetentionHost, RunOwner, StartHost
{
  readonly note: SinkNote;
  definition: SinkDefinition;
  acceptsLoss = false;
  readonly retention: SinkRetention;
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
    this.retention = new SinkRetention(this, {
      ...{ trims, known, bound: this.#bound, kept: options.kept, rowsOf: input.rowsOf },
      storedFrom: () => claim.storedFrom,
      isRefused: () => this.#start.isRefused,
    });
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

  get feed(): Feed | undefined {
    return this.#feed;
  }

  get trimmedBelow(): number {
    return this.retention.trimmedBelow;
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
    const state = await this.#claim.claim();
    if (settledBelow(state) < this.trimmedBelow) await this.retention.loadKept();
    this.#known.claimed(state);
    const facts = { options: this.#options, bound: this.#bound, count: this.#known.count };
    const made = makeRun(this, { ...facts, rowsOf: this.#input.rowsOf, state });
    this.#run = made.run;
    this.#feed = made.feed;
    made.run.begin(made.feed);
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

  /** Takes a new definition of the same sink. */
  update(definition: SinkDefinition): void {
    const before = this.definition;
    this.definition = definition;
    const isRestarted = this.#start.noteUpdate(before, definition);
    if (this.#run) this.#run.updated({ isRestarted });
    else if (isRestarted || definition.isPaused !== before.isPaused) this.#start.task.renew();
    this.#import?.updated(isRestarted);
    this.changed(false);
  }

  changed(isUrgent: boolean): void {
    this.#claim.changed(isUrgent);
  }

  /** Ends delivery at a sequence and gives it, as `handOver` of `sink-hand-over.ts`. */
  handOver(): Promise<number> {
    const { edge } = this.#input;
    const { reader, at } = this.#options;
    return this.exclusively(() => {
      const { isRefused } = this.#start;
      return handOver(this, { bound: this.#bound, edge, reader, isRefused, at });
    });
  }

  /** Goes on after a hand-over that came to nothing. */
  takeBack(): Promise<void> {
    return this.exclusively(() => takeBack(this, this.#bound));
  }

  startAgain(): void {
    this.#abort();
    this.#input.onFenced();
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
    const facts = { sink: this.definition.name, epoch: this.epoch };
    this.#options.logger.info("another node has taken over a sink", facts);
    this.startAgain();
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
