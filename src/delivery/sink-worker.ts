/**
 * Delivers one log to one sink while this node owns the shard. Dormant until there is something to
 * deliver; then it claims the cursor, opens the destination, and sends what its lanes plan.
 */
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import type { LogMessage } from "../core/log.ts";
import { claimCursor, readSinkState } from "./claim-cursor.ts";
import type { CursorClient, CursorWriter } from "./cursor-writer.ts";
import { Feed, type FeedTarget, type ShardEdge } from "./feed.ts";
import type { LaneRow } from "./lane-row.ts";
import { PushCount } from "./push-count.ts";
import { SinkNote } from "./sink-note.ts";
import { SinkRun } from "./sink-run.ts";
import { cursorKey, encodeSinkState, type SinkState } from "./sink-state.ts";
import { hasWork, lowestNeeded, settledBelow } from "./stored-work.ts";
import type { WorkerOptions } from "./worker-options.ts";

const START_RETRY_MS = 1_000;

/** What a worker gets from its shard. */
export interface WorkerInput {
  readonly options: WorkerOptions;
  readonly definition: SinkDefinition;
  readonly writer: CursorWriter;
  readonly edge: ShardEdge;
  readonly rowsOf: (message: LogMessage) => readonly LaneRow[];
  /** Another owner has taken over: the worker has stopped. */
  readonly onFenced: () => void;
}

/** The worker of one sink. */
export class SinkWorker implements CursorClient, FeedTarget {
  readonly key: string;
  readonly owner: string;
  expectedSequence = 0;
  confirmedAtMs = Number.NEGATIVE_INFINITY;
  epoch = 0;
  readonly note: SinkNote;
  definition: SinkDefinition;
  readonly #input: WorkerInput;
  readonly #controller = new AbortController();
  #count: PushCount;
  #run: SinkRun | undefined;
  #feed: Feed | undefined;
  #starting: Promise<void> | undefined;
  #commands: Promise<unknown> = Promise.resolve();
  #activating: Promise<void> | undefined;
  #isClaimed = false;
  /** What was found in the store: shown until the sink is active. */
  #found: SinkState | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Newest message of the log that came from the edge. */
  #offered = 0;

  constructor(input: WorkerInput) {
    this.#input = input;
    this.definition = input.definition;
    this.key = cursorKey(input.definition.uid);
    this.owner = input.options.owner;
    this.note = new SinkNote(input.options.now);
    this.#count = new PushCount(input.edge, input.definition.startSequence - 1, 0);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get run(): SinkRun | undefined {
    return this.#run;
  }

  /** Finds out whether there is something to do. Never rejects; tries again until stopped. */
  start(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#starting ??= this.#start()
      .catch((error: unknown) => {
        if (this.signal.aborted) return;
        this.#input.options.logger.warn("a sink could not be started", {
          sink: this.definition.name,
          error: String(error),
        });
        this.#timer = setTimeout(() => void this.start(), START_RETRY_MS);
      })
      .finally(() => {
        this.#starting = undefined;
      });
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { definition } = this;
    const { options, edge } = this.#input;
    const log = definition.log;
    const state = this.#isClaimed ? this.snapshot() : await this.#find();
    const edgeBefore = edge.sequence;
    const info = await options.reader.info(log);
    if (this.signal.aborted) return;
    const isLooked = Math.max(info.lastSequence, this.#offered) <= this.#count.sequence;
    if (isLooked) this.#count.passed(edgeBefore + 1, true);
    if (state && state.position > info.shardLastSequence + 1) return this.#refuseLog(state, info);
    if (definition.isPaused) return this.#startPaused();
    const below = state ? settledBelow(state) : definition.startSequence;
    // What came in while we looked is not in `info`.
    const lastSequence = Math.max(info.lastSequence, this.#offered);
    if (!isLooked || lastSequence >= below || (state && hasWork(state))) return this.#activate();
    this.note.enter(Sink_State.RUNNING);
    // Once in the life of a sink, so that every node sees that it runs.
    if (!state) await this.#claim();
    // A message that was offered meanwhile found us starting, and nobody else will bring it.
    if (this.#offered > lastSequence) return this.#activate();
  }

  /** What the last owner left. */
  async #find(): Promise<SinkState | undefined> {
    const { uid, log, restarts, startSequence } = this.definition;
    const { options, edge } = this.#input;
    const { state } = await readSinkState(options.cursors, { uid, logUid: log.uid });
    this.#found = state;
    if (state?.note) this.note.recall(state.note);
    this.note.restart(restarts);
    const counted = state?.countedSequence ?? startSequence - 1;
    this.#count = new PushCount(edge, counted, state?.pushed ?? 0);
    return state;
  }

  /** The shard was made anew: its sequences mean other records than the cursor's. */
  #refuseLog(state: SinkState, info: { readonly shardLastSequence: number }): void {
    this.note.fail({
      reason: "LOG_RECREATED",
      why: `the log ends at sequence ${info.shardLastSequence}, before this sink's position ${state.position}: it is not the log that was delivered`,
      isError: true,
      nextAttemptMs: 0,
    });
  }

  async #startPaused(): Promise<void> {
    this.note.enter(Sink_State.PAUSED);
    if (this.#count.isAtEdge) return;
    await this.#claim();
    await this.count();
  }

  /** Counts what is stored and not yet counted, for a sink that does not read. */
  async count(): Promise<void> {
    if (this.#count.isAtEdge) return;
    await this.#count.scan(this.definition.log, this.#input.options.reader, this.signal);
    this.changed(false);
  }

  /** Writes our epoch; the state found becomes ours. */
  async #claim(): Promise<SinkState> {
    const { options } = this.#input;
    const claimed = await claimCursor(options.cursors, this.snapshot(), {
      sinkUid: this.definition.uid,
      epochAbove: this.epoch,
    });
    this.signal.throwIfAborted();
    this.epoch = claimed.state.epoch;
    this.expectedSequence = claimed.sequence;
    this.confirmedAtMs = performance.now();
    this.#isClaimed = true;
    this.#found = claimed.state;
    return claimed.state;
  }

  /** The target knows a later epoch than ours: we claim above it, unless another node has taken over. */
  async claimAbove(epoch: number): Promise<void> {
    const { options } = this.#input;
    const sink = { uid: this.definition.uid, logUid: this.definition.log.uid };
    const { state } = await readSinkState(options.cursors, sink);
    if (state?.owner !== this.owner) return this.fenced();
    this.epoch = Math.max(this.epoch, epoch) + 1;
    await this.confirm();
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
    const state = await this.#claim();
    const run = new SinkRun(this, { options, rowsOf, state, count: this.#count });
    this.#run = run;
    this.#feed = new Feed(
      {
        log: this.definition.log,
        reader: options.reader,
        edge,
        target: this,
        logger: options.logger,
        signal: this.signal,
      },
      run.lanes.position,
    );
    run.begin(this.#feed);
  }

  /** A message of the log at the edge. */
  offer(message: LogMessage): void {
    this.#offered = message.sequence;
    this.#count.offer(message, () => this.#input.rowsOf(message).length);
    if (this.#run) {
      this.#feed?.offer(message);
      if (this.definition.isPaused || this.#feed?.isStopped) this.changed(false);
    } else if (this.definition.isPaused) this.changed(false);
    else void this.start();
  }

  /** The run, made when the sink is dormant or paused: for commands about held records. */
  async ensureRun(): Promise<SinkRun> {
    await this.#starting;
    if (!this.#run) await this.#activate();
    return this.#run!;
  }

  /** Runs one command about held records at a time. */
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

  /** The stream may have a new schema. */
  refresh(): void {
    this.#run?.gate.updated();
  }

  /** Whether `snapshot` tells more than the store. */
  get isKnown(): boolean {
    return this.#run !== undefined || (!this.#starting && !this.#timer);
  }

  /** First sequence that this sink still needs; 0 while that is not known. */
  get neededFrom(): number {
    if (this.#run) return this.#run.lanes.settledBelow;
    if (this.#starting || this.#timer) return 0;
    return this.#found ? lowestNeeded(this.#found) : this.definition.startSequence;
  }

  /** Takes a new definition of the same sink. */
  update(definition: SinkDefinition): void {
    const before = this.definition;
    this.definition = definition;
    const isRestarted = this.note.restart(definition.restarts);
    if (definition.isPaused && !before.isPaused) this.note.enter(Sink_State.PAUSED);
    if (isRestarted || (before.isPaused && !definition.isPaused)) {
      if (!definition.isPaused) this.note.enter(Sink_State.PENDING);
    }
    if (this.#run) this.#run.updated({ isRestarted });
    else if (!definition.isPaused) void this.start();
    this.changed(false);
  }

  /** The cursor is to be written; urgently when a request waits for it. */
  changed(isUrgent: boolean): void {
    if (this.#isClaimed && !this.signal.aborted) this.#input.writer.write(this, isUrgent);
  }

  /** Resolves when everything as of now is stored. */
  async confirm(): Promise<void> {
    if (!this.#isClaimed) await this.#claim();
    await this.#input.writer.confirm(this);
  }

  encode() {
    return {
      value: encodeSinkState(this.snapshot()),
      done: this.#run?.planned() ?? (() => undefined),
    };
  }

  /** Everything that is known of the sink now. */
  snapshot(): SinkState {
    const found = this.#found;
    const run = this.#run;
    return {
      logUid: this.definition.log.uid,
      epoch: this.epoch,
      owner: this.owner,
      position: run?.lanes.position ?? found?.position ?? this.definition.startSequence,
      countedSequence: this.#count.sequence,
      pushed: this.#count.pushed,
      lanes: run?.snapshots() ?? found?.lanes ?? [],
      note: this.note.note,
      oldestArrivalUs: run?.oldestArrivalUs ?? found?.oldestArrivalUs ?? 0,
    };
  }

  fenced(): void {
    if (this.signal.aborted) return;
    this.#input.options.logger.info("another node has taken over a sink", {
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
    if (this.signal.aborted) return this.#run?.close();
    if (graceMs > 0 && this.#run) {
      await this.#run.drain(graceMs);
      await this.confirm().catch(() => undefined);
    }
    this.#abort();
    await this.#run?.close();
  }

  #abort(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#input.writer.remove(this);
    this.#controller.abort(new Error("delivery of the sink was stopped"));
    this.#run?.abort();
  }
}
