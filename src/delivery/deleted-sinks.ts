/**
 * Removes what deleted sinks leave in the stores: cursor, held records, commands. Only what is surely
 * deleted: a snapshot of the definitions that is newer than the first doubt does not know the sink, and a
 * sink that this process never knew keeps its things for a while (the database may be the wrong one).
 */
import type { KeyedStore } from "../bus/index.ts";
import type { Definitions, SinkDefinition } from "../core/definitions.ts";
import type { Logger } from "../core/logger.ts";
import type { HeldStore } from "./held-store.ts";
import { keptPrefix } from "./kept-pages.ts";
import { pagesPrefix } from "./parked-pages.ts";
import { cursorKey } from "./sink-state.ts";
import { flushStaged } from "./staged-flush.ts";
import type { StagingArea } from "./staging-area.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** A snapshot must be this much newer than the doubt. */
const FRESH_AFTER_MS = 5_000;
/** How long things of a sink are kept that this process never knew. */
const UNKNOWN_KEPT_MS = 600_000;

/** How long the last import of a deleted sink may take. */
const FLUSH_TIMEOUT_MS = 60_000;

/** What tidying needs. */
export interface DeletedSinksInput
  extends Pick<WorkerOptions, "drivers" | "environment" | "templates"> {
  readonly definitions: Definitions;
  readonly cursors: KeyedStore;
  readonly held: HeldStore;
  readonly staging: StagingArea | undefined;
  readonly logger: Logger;
  /** Uids of deleted sinks that can be brought back, whose things stay. */
  readonly keptSinks: () => Promise<ReadonlySet<string>>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Sinks that may be deleted, as the owner of a shard sees them. */
export class DeletedSinks {
  readonly #input: DeletedSinksInput;
  /** By uid: when its things may go at the earliest. */
  readonly #doubts = new Map<string, number>();
  /** What this process knew of them. */
  readonly #known = new Map<string, SinkDefinition>();
  #tidying: Promise<void> | undefined;

  constructor(input: DeletedSinksInput) {
    this.#input = input;
  }

  /** A sink that was known is not among the definitions any more. */
  vanished(sink: SinkDefinition): void {
    this.#doubts.set(sink.uid, this.#input.now() + FRESH_AFTER_MS);
    this.#known.set(sink.uid, sink);
  }

  /** Looks for things of sinks that nobody knows. Fails with LOG_UNAVAILABLE. */
  async scan(): Promise<void> {
    const { cursors, held, staging, definitions, now } = this.#input;
    const keys = [...(await cursors.keys("cursor")), ...(await cursors.keys("command"))];
    const uids = new Set([
      ...keys.map((key) => key.split(".")[1]!),
      ...(await held.sinkUids()),
      ...((await staging?.store.sinkUids()) ?? []),
    ]);
    for (const uid of uids) {
      if (definitions.sinkByUid(uid) || this.#doubts.has(uid)) continue;
      this.#doubts.set(uid, now() + UNKNOWN_KEPT_MS);
    }
  }

  /** Removes what may go by now. Never rejects. */
  tidy(): Promise<void> {
    this.#tidying ??= this.#tidy()
      .catch((error: unknown) => {
        this.#input.logger.warn("things of deleted sinks could not be removed", {
          error: String(error),
        });
      })
      .finally(() => {
        this.#tidying = undefined;
      });
    return this.#tidying;
  }

  async #tidy(): Promise<void> {
    const { definitions, cursors, held, logger, keptSinks, now } = this.#input;
    if (this.#doubts.size === 0) return;
    const kept = await keptSinks();
    for (const [uid, afterMs] of this.#doubts) {
      if (definitions.freshAtMs() < afterMs) continue;
      if (kept.has(uid)) {
        this.#doubts.set(uid, now() + UNKNOWN_KEPT_MS);
        continue;
      }
      if (!definitions.sinkByUid(uid)) {
        await this.#unstage(uid);
        await held.removeAll(uid);
        await cursors.deleteAll(`command.${uid}`);
        await cursors.deleteAll(pagesPrefix(uid));
        await cursors.deleteAll(keptPrefix(uid));
        await cursors.delete(cursorKey(uid));
        logger.info("removed what a deleted sink had left", { sinkUid: uid });
      }
      this.#doubts.delete(uid);
      this.#known.delete(uid);
    }
  }

  /** Imports what was staged until the end, as far as it can be, and removes the rest. */
  async #unstage(uid: string): Promise<void> {
    const { staging: area, logger } = this.#input;
    if (!area) return;
    const sink = this.#known.get(uid);
    const signal = AbortSignal.timeout(FLUSH_TIMEOUT_MS);
    if (sink && (await area.store.fill(uid)).rows > 0) {
      await flushStaged({ ...this.#input, area }, sink, signal);
    }
    const { rows } = await area.store.fill(uid);
    if (rows > 0) logger.warn("staged rows of a deleted sink are gone", { sinkUid: uid, rows });
    await area.store.removeAll(uid);
  }
}
