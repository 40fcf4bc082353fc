/**
 * Imports the staged rows of one sink when a condition is reached, on the node that delivers the sink;
 * after a failure by the sink's schedule, and at once when its owner restarts it.
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
import type { StagingWatcher } from "./staging-area.ts";
import { removeOld } from "./staging-history.ts";
import { stagingLimitsOf } from "./staging-status.ts";
import { versionsOf } from "./version-table.ts";

const TIMER_MAX_MS = 2 ** 31 - 1;
/** After the store was away, or another node came first. */
const AGAIN_MS = 1_000;
/** How often a target is asked that nothing is imported to. */
const CHECK_MS = 5 * 60_000;
/** How long before the end of their time the state tells of rows. */
const WARN_MS = 24 * 60 * 60_000;

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
  readonly sinceMs: number;
  readonly count: number;
  nextMs: number;
}

/** The importer of one sink. */
export class StagingImport implements StagingWatcher {
  readonly #host: ImportHost;
  readonly #input: ImportInput;
  #rows = 0;
  bytes = 0;
  /** Bytes of imported rows that are still staged. */
  keptBytes = 0;
  #oldestMs: number | undefined;
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
    this.#oldestMs ??= this.#input.now();
    this.#wake();
  }

  /** The definition was replaced; `isRestarted` when its owner wants another try at once. */
  updated(isRestarted: boolean): void {
    if (isRestarted) {
      if (this.#failure) this.#failure.nextMs = 0;
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
    const cause = `${failure.why}${this.#waiting()}`;
    const { reason, sinceMs, nextMs: nextAttemptMs } = failure;
    if (!failure.isError) return { ...note, reason, cause, nextAttemptMs };
    return { ...note, state: Sink_State.ERROR, reason, cause, nextAttemptMs, sinceMs };
  }

  #waiting(): string {
    const { area, now } = this.#input;
    if (this.#oldestMs === undefined) return "";
    const endMs = this.#oldestMs + area.keptMs;
    const isSoon = endMs - now() < WARN_MS;
    const end = new Date(endMs).toISOString();
    const expiry = isSoon ? `THE FIRST EXPIRE at ${end}` : `the first expire at ${end}`;
    return `; ${this.#rows} staged rows wait, ${expiry}`;
  }

  get #limits(): StagingLimits | undefined {
    return stagingLimitsOf(this.#host.definition, this.#input.drivers);
  }

  #wake(): void {
    if (this.#running || this.#host.signal.aborted) return;
    clearTimeout(this.#timer);
    const nowMs = this.#input.now();
    const dueMs = this.#isLoaded
      ? Math.min(this.#dueMs(nowMs), this.#endMs, this.#checkDueMs)
      : nowMs;
    const waitMs = Math.max(0, dueMs - nowMs, this.#notBeforeMs - nowMs);
    if (waitMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#run(), Math.min(waitMs, TIMER_MAX_MS));
  }

  /** When the oldest rows expire. */
  get #endMs(): number {
    return (this.#oldestMs ?? Number.POSITIVE_INFINITY) + this.#input.area.keptMs;
  }

  /** When rows are to be imported; Infinity while none are. */
  #dueMs(nowMs: number): number {
    const limits = this.#limits;
    const oldestMs = this.#oldestMs;
    if (!limits || oldestMs === undefined || this.#host.definition.isPaused) {
      return Number.POSITIVE_INFINITY;
    }
    const isFull = this.#rows >= limits.count || this.bytes >= limits.bytes;
    const reachedMs = isFull ? nowMs : oldestMs + limits.timeMs;
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
    if (this.#checkDueMs <= this.#input.now()) await this.#check();
    const nowMs = this.#input.now();
    if (this.#dueMs(nowMs) <= nowMs) await this.#importAll();
    if (this.#endMs <= this.#input.now()) await this.#expire();
  }

  /** Reads what waits. What is staged meanwhile may be counted twice: then rows are imported early. */
  async #load(): Promise<void> {
    const [rows, bytes] = [this.#rows, this.bytes];
    const { area } = this.#input;
    const fill = await area.store.fill(this.#host.definition.uid);
    this.#rows = fill.rows + (this.#rows - rows);
    this.bytes = fill.bytes + (this.bytes - bytes);
    this.keptBytes = Number(fill.state.value.keptBytes);
    this.#oldestMs = fill.oldestMs ?? (this.#rows > 0 ? this.#input.now() : undefined);
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
      this.#checkedMs = this.#input.now();
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
      this.#checkedMs = this.#input.now();
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
    const { now, random, logger } = this.#input;
    const nowMs = now();
    const count = (this.#failure?.count ?? 0) + 1;
    const sinceMs = this.#failure?.sinceMs ?? nowMs;
    const outcome = outcomeOfError(error) as Retry;
    const retry = { ...outcome, reason: outcome.reason ?? "CONFLICT" };
    const { reason } = retry;
    const plan = versionsOf(definition, this.#input).newest();
    this.#failure = {
      reason,
      why: `the import failed: ${outcome.why}`,
      isError: isError(retry, { failures: count }, { plan, failingMs: nowMs - sinceMs }),
      sinceMs,
      count,
      nextMs: nowMs + retryWaitMs(retry, { attempts: count, plan, random }),
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
    const { logger, now } = this.#input;
    this.#isLoaded = false;
    this.#notBeforeMs = now() + AGAIN_MS;
    logger.debug("staged rows cannot be reached", { error: String(error) });
  }
}
