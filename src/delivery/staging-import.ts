/**
 * Imports the staged rows of one sink when a condition is reached, on the node that delivers the sink;
 * after a failure by the sink's schedule, and at once when its owner restarts it. All waits are by the steady
 * clock: one of the day that is set back stops no import.
 */
import { Sink_State } from "#gen/tributary/management/v1/sink_pb.js";
import { StaleKeysError } from "../bus/index.ts";
import type { SinkDefinition } from "../core/definitions.ts";
import type { Logger } from "../core/logger.ts";
import { SinkFault } from "../sinks/sink-fault.ts";
import type { StagingLimits } from "../sinks/staging.ts";
import { outcomeOfError } from "./destinations.ts";
import type { RefusedRows } from "./refused-rows.ts";
import { isError, type Retry, retryWaitMs } from "./retry-wait.ts";
import type { SinkState } from "./sink-state.ts";
import { checkTarget, expireStaged, type ImportParts, importBatch } from "./staged-batch.ts";
import { type StagedTime, stagedAt, waitingWords } from "./staged-time.ts";
import type { StagingWatcher } from "./staging-area.ts";
import { removeOld } from "./staging-history.ts";
import { stagingLimitsOf } from "./staging-status.ts";
import { versionsOf } from "./version-table.ts";

const TIMER_MAX_MS = 2 ** 31 - 1;
/** After the store was away, or another node came first. */
const AGAIN_MS = 1_000;
/** How often a target is asked that nothing is imported to. */
const CHECK_MS = 5 * 60_000;
/** The worker of the sink. */
export interface ImportHost {
  readonly definition: SinkDefinition;
  readonly signal: AbortSignal;
  /** What the sink's state tells has changed. */
  importChanged(): void;
  /** Holds the rows that an import left out, and stores that. */
  holdRefused(refused: RefusedRows): Promise<void>;
}

/** What an importer is given. */
export interface ImportInput extends ImportParts {
  /** Milliseconds of a clock that is never set. */
  readonly steady: () => number;
  readonly logger: Logger;
  readonly random: () => number;
}

function reasonIn(error: unknown): string | undefined {
  return error instanceof SinkFault ? error.reason : undefined;
}

interface Failure {
  readonly reason: string;
  readonly why: string;
  readonly isError: boolean;
  /** When it began, and when it is tried again, in milliseconds since 1970: to be shown. */
  readonly sinceMs: number;
  readonly nextAttemptMs: number;
  readonly count: number;
  /** The same in `steady` terms. */
  readonly beganMs: number;
  readonly nextMs: number;
}

/** The importer of one sink. */
export class StagingImport implements StagingWatcher {
  readonly #host: ImportHost;
  readonly #input: ImportInput;
  #rows = 0;
  bytes = 0;
  /** Bytes of imported rows that are still staged. */
  keptBytes = 0;
  #oldest: StagedTime | undefined;
  #isLoaded = false;
  /** When the target was last known to have what it took. */
  #checkedMs = Number.NEGATIVE_INFINITY;
  /** Whether the owner lets go what a restored target lacks and is not staged any more. */
  #isLossAccepted = false;
  #failure: Failure | undefined;
  #notBeforeMs = 0;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #endWatch: (() => void) | undefined;

  constructor(host: ImportHost, input: ImportInput) {
    this.#host = host;
    this.#input = input;
  }

  /** Begins; what the last owner left is imported when it is due. */
  start(): void {
    this.#endWatch ??= this.#input.area.watch(this.#host.definition.uid, this);
    this.#wake();
  }

  staged(added: { readonly rows: number; readonly bytes: number }): void {
    this.#rows += added.rows;
    this.bytes += added.bytes;
    this.#oldest ??= stagedAt(this.#input.now(), this.#input);
    this.#wake();
  }

  /** The definition was replaced; `isRestarted` when its owner wants another try at once. */
  updated(isRestarted: boolean): void {
    if (isRestarted) {
      if (this.#failure) this.#failure = { ...this.#failure, nextMs: 0, nextAttemptMs: 0 };
      this.#isLossAccepted = this.#failure?.reason === "STAGING_EXPIRED";
      this.#checkedMs = Number.NEGATIVE_INFINITY;
    }
    this.#wake();
  }

  /** Ends; what is being imported is undone, or done. Idempotent. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#endWatch?.();
  }

  /** The state of the sink with what fails here. */
  overlay(note: SinkState["note"]): SinkState["note"] {
    const failure = this.#failure;
    if (!failure || !note || this.#host.definition.isPaused) return note;
    const { area, steady } = this.#input;
    const cause = failure.why + waitingWords(this.#rows, this.#oldest, { ...area, steady });
    const { reason, sinceMs, nextAttemptMs } = failure;
    if (!failure.isError) return { ...note, reason, cause, nextAttemptMs };
    return { ...note, state: Sink_State.ERROR, reason, cause, nextAttemptMs, sinceMs };
  }

  get #limits(): StagingLimits | undefined {
    return stagingLimitsOf(this.#host.definition, this.#input.drivers);
  }

  #wake(): void {
    if (this.#running || this.#host.signal.aborted) return;
    clearTimeout(this.#timer);
    const nowMs = this.#input.steady();
    const dueMs = this.#isLoaded
      ? Math.min(this.#dueMs(nowMs), this.#endMs, this.#checkDueMs)
      : nowMs;
    const waitMs = Math.max(0, dueMs - nowMs, this.#notBeforeMs - nowMs);
    if (waitMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#run(), Math.min(waitMs, TIMER_MAX_MS));
  }

  /** When the oldest rows expire. */
  get #endMs(): number {
    return (this.#oldest?.steadyMs ?? Number.POSITIVE_INFINITY) + this.#input.area.keptMs;
  }

  /** When rows are to be imported; Infinity while none are. */
  #dueMs(nowMs: number): number {
    const limits = this.#limits;
    const oldest = this.#oldest;
    if (!limits || !oldest || this.#host.definition.isPaused) {
      return Number.POSITIVE_INFINITY;
    }
    const isFull = this.#rows >= limits.count || this.bytes >= limits.bytes;
    const reachedMs = isFull ? nowMs : oldest.steadyMs + limits.timeMs;
    return Math.max(reachedMs, this.#failure?.nextMs ?? 0);
  }

  /** When the target is to be asked whether it still has what it took. */
  get #checkDueMs(): number {
    if (!this.#limits || this.#host.definition.isPaused) return Number.POSITIVE_INFINITY;
    return Math.max(this.#checkedMs + CHECK_MS, this.#failure?.nextMs ?? 0);
  }

  #run(): void {
    this.#running ??= this.#work()
      .catch((error: unknown) => this.#away(error))
      .finally(() => {
        this.#running = undefined;
        this.#wake();
      });
  }

  async #work(): Promise<void> {
    if (!this.#isLoaded) await this.#load();
    const { steady } = this.#input;
    if (this.#checkDueMs <= steady()) await this.#check();
    const nowMs = steady();
    if (this.#dueMs(nowMs) <= nowMs) await this.#importAll();
    if (this.#endMs <= steady()) await this.#expire();
  }

  /** Reads what waits. What is staged meanwhile may be counted twice: then rows are imported early. */
  async #load(): Promise<void> {
    const [rows, bytes] = [this.#rows, this.bytes];
    const { area, now } = this.#input;
    const fill = await area.store.fill(this.#host.definition.uid);
    this.#rows = fill.rows + (this.#rows - rows);
    this.bytes = fill.bytes + (this.bytes - bytes);
    this.keptBytes = Number(fill.state.value.keptBytes);
    const oldestMs = fill.oldestMs ?? (this.#rows > 0 ? now() : undefined);
    // Of rows that are known already a clock that was set meanwhile changes nothing.
    if (oldestMs === undefined) this.#oldest = undefined;
    else if (this.#oldest?.timeMs !== oldestMs) this.#oldest = stagedAt(oldestMs, this.#input);
    this.#isLoaded = true;
  }

  /** Finds a target that was restored from a backup, also while nothing new is staged. */
  async #check(): Promise<void> {
    const { definition, signal } = this.#host;
    const isLossAccepted = this.#isLossAccepted;
    try {
      await checkTarget(this.#input, definition, { signal, isLossAccepted });
      if (this.#rows === 0) this.#failure = undefined;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof StaleKeysError) throw error;
      // A target that is away is told of when there is something to import.
      if (this.#rows > 0 || reasonIn(error) === "STAGING_EXPIRED") this.#failed(error);
    } finally {
      this.#checkedMs = this.#input.steady();
    }
    this.#isLossAccepted = false;
    await this.#load();
    const state = await this.#input.area.store.state(definition.uid);
    await removeOld(this.#input, definition.uid, state);
    this.#host.importChanged();
  }

  /** Everything that was staged when it began. */
  async #importAll(): Promise<void> {
    const { definition, signal } = this.#host;
    const { area } = this.#input;
    const hold = (refused: RefusedRows) => this.#host.holdRefused(refused);
    let left = this.#rows;
    try {
      while (left > 0 && !signal.aborted) {
        const done = await importBatch(this.#input, this.#host.definition, { signal, hold });
        // A target that was restored from a backup makes more rows wait.
        if (done?.rows === 0) left = (await area.store.fill(definition.uid)).rows;
        else left -= done?.rows ?? left;
      }
      if (this.#failure) this.#input.logger.info("staged rows go on", { sink: definition.name });
      this.#failure = undefined;
      this.#checkedMs = this.#input.steady();
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof StaleKeysError) throw error;
      this.#failed(error);
    }
    await this.#load();
    this.#host.importChanged();
  }

  #failed(error: unknown): void {
    const { definition } = this.#host;
    const { now, steady, random, logger } = this.#input;
    const nowMs = steady();
    const count = (this.#failure?.count ?? 0) + 1;
    const beganMs = this.#failure?.beganMs ?? nowMs;
    const sinceMs = this.#failure?.sinceMs ?? now();
    const outcome = outcomeOfError(error) as Retry;
    const retry = { ...outcome, reason: outcome.reason ?? "CONFLICT" };
    const { reason } = retry;
    const plan = versionsOf(definition, this.#input).newest();
    const failingMs = nowMs - beganMs;
    const waitMs = retryWaitMs(retry, { attempts: count, plan, random });
    this.#failure = {
      reason,
      why: `the import failed: ${outcome.why}`,
      isError: isError(retry, { failures: count }, { plan, failingMs }),
      ...{ sinceMs, beganMs, count },
      nextAttemptMs: now() + waitMs,
      nextMs: nowMs + waitMs,
    };
    logger.warn("staged rows could not be imported", { sink: definition.name, reason, count });
  }

  async #expire(): Promise<void> {
    const { uid, name } = this.#host.definition;
    const rows = await expireStaged(this.#input, uid);
    if (rows > 0) this.#input.logger.error("staged rows have expired", { sink: name, rows });
    await this.#load();
    if (this.#rows === 0) this.#failure = undefined;
    this.#host.importChanged();
  }

  /** The store is away, or another node came first: what is known is read again. */
  #away(error: unknown): void {
    if (this.#host.signal.aborted) return;
    const { logger, steady } = this.#input;
    this.#isLoaded = false;
    this.#notBeforeMs = steady() + AGAIN_MS;
    logger.debug("staged rows cannot be reached", { error: String(error) });
  }
}
