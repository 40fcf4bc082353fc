/**
 * Delivers one log to one sink while this node owns the shard. Dormant until there is something to
 * deliver; then it claims the cursor, opens the destination, and sends what its lanes plan.
 */
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import { reasonOf } from "../core/errors.ts";
import type { LogInfo, LogMessage } from "../core/log.ts";
import { readSinkState } from "./claim-cursor.ts";
import { type ClaimHost, CursorClaim } from "./cursor-claim.ts";
import type { CursorWriter } from "./cursor-writer.ts";
import { within } from "./destinations.ts";
import { expireBelow } from "./expiry.ts";
import { Feed, type FeedTarget, type ShardEdge } from "./feed.ts";
import { createHeldQuota } from "./held-quota.ts";
import { KnownState } from "./known-state.ts";
import type { LaneRow } from "./lane-row.ts";
import { RetriedTask } from "./retried-task.ts";
import type { RunOwner } from "./run-owner.ts";
import { SinkNote } from "./sink-note.ts";
import { SinkRun } from "./sink-run.ts";
import type { SinkState } from "./sink-state.ts";
import { faultOfLog, hasWork, isStopped, lowestNeeded, settledBelow } from "./stored-work.ts";
import type { TrimMarks } from "./trim-marks.ts";
import type { WorkerOptions } from "./worker-options.ts";

const START_RETRY_MS = 1_000;

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
export class SinkWorker implements ClaimHost, FeedTarget, RunOwner {
  readonly note: SinkNote;
  definition: SinkDefinition;
  acceptsLoss = false;
  readonly #input: WorkerInput;
  readonly #claim: CursorClaim;
  readonly #controller = new AbortController();
  readonly #known: KnownState;
  readonly #starting: RetriedTask;
  #run: SinkRun | undefined;
  #feed: Feed | undefined;
  #commands: Promise<unknown> = Promise.resolve();
  #activating: Promise<void> | undefined;
  /** Whether the log is not the one that the cursor means. */
  #isRefused = false;

  constructor(input: WorkerInput) {
    this.#input = input;
    this.definition = input.definition;
    this.note = new SinkNote(input.options.now);
    this.#claim = new CursorClaim(this, input.writer, input.options);
    this.#known = new KnownState(input.definition, input.edge);
    this.#starting = new RetriedTask({
      work: () => this.#start(),
      onError: (error) => this.#startFailed(error),
      retryMs: START_RETRY_MS,
      signal: this.signal,
    });
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

  get epoch(): number {
    return this.#claim.epoch;
  }

  get confirmedAtMs(): number {
    return this.#claim.confirmedAtMs;
  }

  get trimmedBelow(): number {
    return this.#input.trims.of(this.logUid);
  }

  /** Finds out whether there is something to do. Never rejects; tries again until stopped. */
  start(): Promise<void> {
    return this.#starting.run();
  }

  #startFailed(error: unknown): void {
    const { logger } = this.#input.options;
    logger.warn("a sink could not be started", {
      sink: this.definition.name,
      error: String(error),
    });
    const why = error instanceof Error ? error.message : String(error);
    this.note.fail({
      reason: reasonOf(error) ?? "INTERNAL",
      why: `delivery could not start, and is tried again: ${why}`,
      isError: false,
      nextAttemptMs: this.#input.options.now() + START_RETRY_MS,
    });
  }

  async #start(): Promise<void> {
    if (this.#run) return;
    const { definition } = this;
    const known = this.#known;
    const { options, edge, trims } = this.#input;
    await trims.load();
    const state = this.#claim.isClaimed ? this.snapshot() : await this.#find();
    const edgeBefore = edge.sequence;
    const info = await options.reader.info(definition.log);
    if (this.signal.aborted || this.#refuses(state, info)) return;
    known.looked = info.lastSequence;
    // What came in while we looked is not in `info`.
    const lastSequence = known.newest;
    const isCounted = lastSequence <= known.count.sequence;
    if (isCounted) known.count.passed(edgeBefore + 1, true);
    if (definition.isPaused) return this.#startPaused();
    const below = state ? settledBelow(state) : definition.startSequence;
    const isTrimmed = state !== undefined && lowestNeeded(state) < this.trimmedBelow;
    const isAnyLeft = lastSequence >= below || (state && (hasWork(state) || isTrimmed));
    if (!isCounted || isAnyLeft) return this.#activate();
    this.note.enter(Sink_State.RUNNING);
    // Once in the life of a sink, so that every node sees that it runs.
    if (state) this.changed(false);
    else known.found = await this.#claim.claim();
    // A message that was offered meanwhile found us starting, and nobody else will bring it.
    if (known.offered > lastSequence) return this.#activate();
  }

  /** Whether the log is another than the cursor means, so that its sequences are other records. */
  #refuses(state: SinkState | undefined, info: LogInfo): boolean {
    const why = state && faultOfLog(state, info);
    this.#isRefused = why !== undefined;
    if (why === undefined) this.#known.identity = info.identity;
    else this.note.fail({ reason: "LOG_RECREATED", why, isError: true, nextAttemptMs: 0 });
    return this.#isRefused;
  }

  /** What the last owner left. */
  async #find(): Promise<SinkState | undefined> {
    const { uid, log, restarts } = this.definition;
    const { options, edge } = this.#input;
    const { state } = await readSinkState(options.cursors, { uid, logUid: log.uid });
    this.#known.recall(state, edge);
    if (state?.note) this.note.recall(state.note);
    this.#noteRestart(restarts);
    return state;
  }

  /** Hears of a restart; gives whether it is a new one. */
  #noteRestart(restarts: number): boolean {
    const isRestarted = this.note.restart(restarts);
    if (isRestarted && this.note.note.reason === "LOG_TRIMMED") this.acceptsLoss = true;
    return isRestarted;
  }

  async #startPaused(): Promise<void> {
    this.note.enter(Sink_State.PAUSED);
    if (!this.#known.count.isAtEdge) {
      this.#known.found = await this.#claim.claim();
      await this.count();
    }
    this.changed(false);
  }

  /** Counts what is stored and not yet counted, for a sink that does not read. */
  async count(): Promise<void> {
    const { count } = this.#known;
    if (count.isAtEdge) return;
    await count.scan(this.definition.log, this.#input.options.reader, this.signal);
    this.changed(false);
  }

  claimAbove(epoch: number): Promise<void> {
    return this.#claim.claimAbove(epoch);
  }

  #activate(): Promise<void> {
    this.#activating ??= this.#makeRun().finally(() => {
      this.#activating = undefined;
    });
    return this.#activating;
  }

  async #makeRun(): Promise<void> {
    if (this.#run) return;
    const { options, edge, rowsOf } = this.#input;
    const state = await this.#claim.claim();
    this.#known.found = state;
    const held = createHeldQuota(options.held, this.sinkUid, options.heldLimits);
    const run = new SinkRun(this, { options, rowsOf, state, count: this.#known.count, held });
    const feed = {
      log: this.definition.log,
      reader: options.reader,
      edge,
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
    this.#known.offered = message.sequence;
    this.#known.count.offer(message, () => this.#input.rowsOf(message).length);
    if (this.#run) {
      this.#feed?.offer(message);
      if (this.definition.isPaused || this.#feed?.isStopped) this.changed(false);
    } else if (this.definition.isPaused) this.changed(false);
    else if (!this.#isRefused) void this.start();
  }

  /** The run, made when the sink is dormant or paused: for commands about held records. */
  async ensureRun(): Promise<SinkRun> {
    await this.#starting.ended;
    if (!this.#run) await this.#activate();
    return this.#run!;
  }

  /** Runs one command about held records, or one booking of what expires, at a time. */
  exclusively<T>(command: () => Promise<T>): Promise<T> {
    const result = this.#commands.then(command);
    this.#commands = result.catch(() => undefined);
    return result;
  }

  /** Books what retention is about to take below a sequence. Rejects while this sink still needs it. */
  async expireBelow(sequence: number): Promise<void> {
    if (!this.isKnown) throw new Error("it is not known what a sink needs");
    if (this.#isRefused || this.neededFrom >= sequence) return;
    if (!isStopped(this.definition, this.note.note.state))
      throw new Error("a sink needs the records");
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
    return this.#run !== undefined || !this.#starting.isOpen;
  }

  /** First sequence that this sink still needs, to deliver or to count; 0 while that is not known. */
  get neededFrom(): number {
    return this.isKnown ? this.#known.neededFrom(this.#run) : 0;
  }

  /** Takes a new definition of the same sink. */
  update(definition: SinkDefinition): void {
    const before = this.definition;
    this.definition = definition;
    const isResumed = before.isPaused && !definition.isPaused;
    const isRestarted = this.#noteRestart(definition.restarts) || isResumed;
    if (definition.isPaused && !before.isPaused) this.note.enter(Sink_State.PAUSED);
    else if (isRestarted && !definition.isPaused) this.note.enter(Sink_State.PENDING);
    if (this.#run) this.#run.updated({ isRestarted });
    else if (isRestarted || definition.isPaused !== before.isPaused) this.#starting.renew();
    this.changed(false);
  }

  changed(isUrgent: boolean): void {
    this.#claim.changed(isUrgent);
  }

  confirm(): Promise<void> {
    return this.#claim.confirm();
  }

  planned(): () => void {
    return this.#run?.sender.planned() ?? (() => undefined);
  }

  snapshot(): SinkState {
    const { owner } = this.#input.options;
    return this.#known.snapshot(this.#run, { owner, epoch: this.epoch, note: this.note.note });
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
      await this.#run.drain(graceMs);
      const leftMs = Math.max(1_000, endMs - performance.now());
      await within(this.confirm(), leftMs).catch(() => undefined);
    }
    this.#abort();
    await this.#run?.close();
  }

  #abort(): void {
    if (this.signal.aborted) return;
    this.#claim.remove();
    this.#controller.abort(new Error("delivery of the sink was stopped"));
    this.#run?.abort();
  }
}
