/** How a worker begins: reads what the last owner left, looks at the log, and finds out whether there is work. */
import { setTimeout as delay } from "node:timers/promises";
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import type { SinkDefinition } from "../core/definitions.ts";
import { reasonOf } from "../core/errors.ts";
import type { LogInfo } from "../core/log.ts";
import { readSinkState } from "./claim-cursor.ts";
import type { CursorClaim } from "./cursor-claim.ts";
import type { ShardEdge } from "./feed.ts";
import type { KnownState } from "./known-state.ts";
import { RetriedTask } from "./retried-task.ts";
import type { SinkNote } from "./sink-note.ts";
import type { SinkState } from "./sink-state.ts";
import { faultOfLog, hasWork, lowestNeeded, settledBelow } from "./stored-work.ts";
import type { TrimMarks } from "./trim-marks.ts";
import type { WorkerOptions } from "./worker-options.ts";

const RETRY_MS = 1_000;
/** How often, and how long apart, a log is looked at that seems to have lost its end. */
const LOOKS = 3;
const LOOK_MS = 300;

/** The worker that begins. */
export interface StartHost {
  readonly definition: SinkDefinition;
  readonly note: SinkNote;
  readonly signal: AbortSignal;
  readonly isActive: boolean;
  /** First sequence that retention has left of what the sink may need. */
  readonly trimmedBelow: number;
  acceptsLoss: boolean;
  snapshot(): SinkState;
  activate(): Promise<void>;
  count(): Promise<void>;
  changed(isUrgent: boolean): void;
}

/** What the start needs beside its worker. */
export interface StartInput {
  readonly options: WorkerOptions;
  readonly edge: ShardEdge;
  readonly trims: TrimMarks;
  readonly claim: CursorClaim;
  readonly known: KnownState;
}

/** The start of one worker. */
export class SinkStart {
  /** Whether the log is not the one that the cursor means. */
  isRefused = false;
  readonly task: RetriedTask;
  readonly #host: StartHost;
  readonly #input: StartInput;

  constructor(host: StartHost, input: StartInput) {
    this.#host = host;
    this.#input = input;
    this.task = new RetriedTask({
      work: () => this.#start(),
      onError: (error) => this.#failed(error),
      retryMs: RETRY_MS,
      signal: host.signal,
    });
  }

  /** Hears of a restart by the sink's owner; gives whether it is a new one. */
  noteRestart(restarts: number): boolean {
    const { note } = this.#host;
    const isRestarted = note.restart(restarts);
    if (isRestarted && note.note.reason === "LOG_TRIMMED") this.#host.acceptsLoss = true;
    return isRestarted;
  }

  /** Says what a new definition means for the state; gives whether the sink is to try again at once. */
  noteUpdate(before: SinkDefinition, now: SinkDefinition): boolean {
    const { note } = this.#host;
    const isResumed = before.isPaused && !now.isPaused;
    const isRestarted = this.noteRestart(now.restarts) || isResumed;
    if (now.isPaused && !before.isPaused) note.enter(Sink_State.PAUSED);
    else if (isRestarted && !now.isPaused) note.enter(Sink_State.PENDING);
    return isRestarted;
  }

  #failed(error: unknown): void {
    const { definition, note } = this.#host;
    const { logger, now } = this.#input.options;
    logger.warn("a sink could not be started", { sink: definition.name, error: String(error) });
    const why = error instanceof Error ? error.message : String(error);
    note.fail({
      reason: reasonOf(error) ?? "INTERNAL",
      why: `delivery could not start, and is tried again: ${why}`,
      isError: false,
      nextAttemptMs: now() + RETRY_MS,
    });
  }

  async #start(): Promise<void> {
    const host = this.#host;
    if (host.isActive) return;
    const { definition } = host;
    const { edge, trims, claim, known } = this.#input;
    await trims.load();
    const state = claim.isClaimed ? host.snapshot() : await this.#find();
    const edgeBefore = edge.sequence;
    const info = await this.#lookAtLog(state);
    if (host.signal.aborted || this.#refuses(state, info)) return;
    known.looked = info.lastSequence;
    // What came in while we looked is not in `info`.
    const lastSequence = known.newest;
    const isCounted = lastSequence <= known.count.sequence;
    if (isCounted) known.count.passed(edgeBefore + 1, true);
    if (definition.isPaused) return this.#startPaused();
    const below = state ? settledBelow(state) : definition.startSequence;
    const isTrimmed = state !== undefined && lowestNeeded(state) < host.trimmedBelow;
    // An ended sink is settled at its end, which may stand above its newest record.
    const isBelowEnd = state !== undefined && below < state.endSequence;
    const isLeft = state && (hasWork(state) || isTrimmed || isBelowEnd);
    const isAnyLeft = lastSequence >= below || isLeft;
    if (!isCounted || isAnyLeft) return host.activate();
    host.note.enter(Sink_State.RUNNING);
    // Once in the life of a sink, so that every node sees that it runs.
    if (state) host.changed(false);
    else known.claimed(await claim.claim());
    // A message that was offered meanwhile found us starting, and nobody else will bring it.
    if (known.offered > lastSequence) return host.activate();
  }

  /** A leader that was just elected may not know of the newest messages: it is asked again. */
  async #lookAtLog(state: SinkState | undefined): Promise<LogInfo> {
    const { definition, signal } = this.#host;
    const { reader } = this.#input.options;
    for (let look = 1; ; look++) {
      const info = await reader.info(definition.log);
      if (!state || look === LOOKS || !faultOfLog(state, info)) return info;
      await delay(LOOK_MS, undefined, { signal });
    }
  }

  /** Whether the log is another than the cursor means, so that its sequences are other records. */
  #refuses(state: SinkState | undefined, info: LogInfo): boolean {
    const why = state && faultOfLog(state, info);
    this.isRefused = why !== undefined;
    if (why === undefined) this.#input.known.identity = info.identity;
    else this.#host.note.fail({ reason: "LOG_RECREATED", why, isError: true, nextAttemptMs: 0 });
    return this.isRefused;
  }

  /** What the last owner left. */
  async #find(): Promise<SinkState | undefined> {
    const { definition, note } = this.#host;
    const { uid, log, restarts } = definition;
    const { options, known } = this.#input;
    const { state } = await readSinkState(options.cursors, { uid, logUid: log.uid });
    known.recall(state);
    if (state?.note) note.recall(state.note);
    this.noteRestart(restarts);
    return state;
  }

  async #startPaused(): Promise<void> {
    const { known, claim } = this.#input;
    this.#host.note.enter(Sink_State.PAUSED);
    if (!known.count.isAtEdge) {
      known.claimed(await claim.claim());
      await this.#host.count();
    }
    this.#host.changed(false);
  }
}
