/** Writes the archives of the logs whose shards this node owns, one file at a time, and deletes what is due. */

import type { ArchiveDefinition, Definitions, LogDefinition } from "../core/definitions.ts";
import type { MasterKey } from "../core/envelope.ts";
import type { LogMessage, LogReader } from "../core/log.ts";
import type { Logger } from "../core/logger.ts";
import { openStoredArchive } from "../core/stored-archive.ts";
import { createMaker, type ParquetMaker } from "../sinks/parquet/thread.ts";
import type { ArchiveStore } from "./archive-store.ts";
import type { ArchiveJob } from "./file-job.ts";
import { type ArchivedLog, type ArchiverTools, archiveStep } from "./log-archiver.ts";
import { openPlace, type PlaceEnvironment } from "./place.ts";
import { sweepArchives } from "./sweep.ts";

const EXTENSION = import.meta.url.endsWith(".ts") ? "ts" : "js";
/** Files of archives, made in a thread. */
const makeFile: ParquetMaker<ArchiveJob> = createMaker(
  new URL(`./worker.${EXTENSION}`, import.meta.url),
);
const EVERY_MS = 1_000;
const SWEEP_MS = 30_000;
const RETRY_MS = 2_000;
const RETRY_MAX_MS = 120_000;
const BEHIND_MS = 500;
/** Files that are made or stored at once: one log that hangs holds no other up. */
const LOGS_AT_ONCE = 4;
const FILES_IN_TURN = 20;
/** The owner of this shard deletes what logs have left that are gone. */
const SWEEPING_SHARD = 0;

/** What the archiver is made of. */
export interface ArchiverOptions {
  readonly definitions: Definitions;
  readonly store: ArchiveStore;
  /** The log alone, without archives. */
  readonly log: LogReader;
  readonly masterKey: MasterKey;
  readonly environment: PlaceEnvironment;
  readonly logger: Logger;
  /** First sequence of a log that must stay in its archive, for who still reads there. */
  readonly neededFrom: (logUid: string) => number;
  /** See `SweepInput.beforeDelete`. */
  readonly beforeDelete: (log: LogDefinition, sequence: number) => Promise<void>;
  readonly now?: () => number;
  /** How often it looks what is due; 1 s. */
  readonly everyMs?: number;
  /** How often it looks for files that are to be deleted; 30 s. */
  readonly sweepEveryMs?: number;
}

/** The archiver of a node. */
export interface Archiver {
  onOwner(shard: number): void;
  onLost(shard: number): void;
  /** A message was stored in a log of an owned shard. Never throws. */
  onStored(message: LogMessage): void;
  /**
   * First sequence of a log that retention must keep because it is not in the archive: Infinity when
   * none is needed, 0 until it is known.
   */
  lowestNeeded(logUid: string): number;
  /** Ends what is under way (it is begun again by the next owner). Idempotent. */
  close(): Promise<void>;
}

/** What is known of one log. */
interface Known {
  nextSequence: number;
  /** When it is to be looked at again. */
  dueMs: number;
  /** Newest sequence that was stored since, and bytes that wait. */
  newest: number;
  bytes: number;
  failures: number;
  isRunning: boolean;
  archive: ArchiveDefinition | undefined;
}

/** Starts the archiver. */
export function startArchiver(options: ArchiverOptions): Archiver {
  const { definitions, logger, now = Date.now } = options;
  const tools = toolsOf(options, now);
  const owned = new Set<number>();
  const known = new Map<string, Known>();
  const running = new Set<Promise<void>>();
  const controller = new AbortController();
  const { signal } = controller;
  const begin = (work: Promise<void>) => {
    const ended = work
      .catch((error: unknown) => {
        if (!signal.aborted) logger.warn("archives could not be kept", { error: String(error) });
      })
      .finally(() => running.delete(ended));
    running.add(ended);
  };
  let sweptMs = now();
  let isSweeping = false;
  const sweep = async () => {
    isSweeping = true;
    try {
      const targets = [...archivedOf(definitions, owned)];
      const { neededFrom, beforeDelete } = options;
      const isSweeping = owned.has(SWEEPING_SHARD);
      await sweepArchives(tools, { targets, neededFrom, beforeDelete, isSweeping });
    } finally {
      isSweeping = false;
      sweptMs = now();
    }
  };
  /** A log that is gone leaves an archive to be deleted. */
  const endChanges = definitions.onChange(() => {
    for (const uid of known.keys()) {
      if (definitions.streamByLog(uid)) continue;
      known.delete(uid);
      sweptMs = Number.NEGATIVE_INFINITY;
    }
  });
  const timer = setInterval(() => {
    const nowMs = now();
    for (const target of archivedOf(definitions, owned)) {
      if (running.size >= LOGS_AT_ONCE) break;
      const state = stateOf(known, target);
      if (!target.archive.isTaking || state.isRunning || state.dueMs > nowMs) continue;
      begin(advance(tools, target, { state, signal }));
    }
    const isSweepDue = nowMs - sweptMs >= (options.sweepEveryMs ?? SWEEP_MS);
    if (owned.size > 0 && isSweepDue && !isSweeping) begin(sweep());
  }, options.everyMs ?? EVERY_MS);
  return {
    onOwner: (shard) => owned.add(shard),
    onLost(shard) {
      owned.delete(shard);
      for (const { log } of archivedOf(definitions, new Set([shard]))) known.delete(log.uid);
    },
    onStored({ logUid, sequence, data }) {
      const state = known.get(logUid);
      if (!state) return;
      state.newest = sequence;
      state.bytes += data.length;
      if (state.failures > 0) return;
      const isFull = state.bytes >= (state.archive?.fileBytes ?? 0);
      if (isFull || state.dueMs === Number.POSITIVE_INFINITY) state.dueMs = 0;
    },
    lowestNeeded(logUid) {
      const isTaking = definitions.streamByLog(logUid)?.archive?.isTaking ?? false;
      return isTaking ? (known.get(logUid)?.nextSequence ?? 0) : Number.POSITIVE_INFINITY;
    },
    async close() {
      clearInterval(timer);
      endChanges();
      controller.abort(new Error("the archiver was stopped"));
      await Promise.all(running);
    },
  };
}

function toolsOf(
  { store, log, masterKey, environment, logger }: ArchiverOptions,
  now: () => number,
): ArchiverTools {
  return {
    store,
    log,
    make: makeFile,
    logger,
    now,
    openPlace: (row) =>
      openPlace(openStoredArchive(masterKey, row.streamUid, row), environment, row.logUid),
  };
}

/** Logs of owned shards that have, or had, an archive. */
function* archivedOf(definitions: Definitions, owned: ReadonlySet<number>): Generator<ArchivedLog> {
  for (const stream of definitions.streams()) {
    const { archive } = stream;
    if (!archive) continue;
    for (const log of stream.logs.values()) {
      if (owned.has(log.shard)) yield { stream, archive, log };
    }
  }
}

/** The state of a log; another definition of its archive is looked at at once. */
function stateOf(known: Map<string, Known>, { log, archive }: ArchivedLog): Known {
  const state = known.get(log.uid) ?? {
    nextSequence: 0,
    dueMs: 0,
    newest: 0,
    bytes: 0,
    failures: 0,
    isRunning: false,
    archive,
  };
  known.set(log.uid, state);
  if (state.archive !== archive) {
    state.archive = archive;
    state.dueMs = 0;
  }
  return state;
}

/** Writes what is due of one log. A failure is noted, and the log is tried again later. */
async function advance(
  tools: ArchiverTools,
  target: ArchivedLog,
  { state, signal }: { readonly state: Known; readonly signal: AbortSignal },
): Promise<void> {
  const { uid } = target.log;
  state.isRunning = true;
  try {
    state.bytes = 0;
    let step = await archiveStep(tools, target, signal);
    state.nextSequence = step.nextSequence;
    // Others get their turn after some files.
    for (let files = 1; step.kind === "written" && files < FILES_IN_TURN; files++) {
      step = await archiveStep(tools, target, signal);
      state.nextSequence = step.nextSequence;
    }
    if (state.failures > 0) await tools.store.setCause(uid, "", new Date(tools.now()));
    state.failures = 0;
    state.dueMs = step.kind === "waiting" ? step.dueMs : 0;
    // What was stored while we looked was not seen.
    const isBehind = state.newest >= step.nextSequence && state.dueMs === Number.POSITIVE_INFINITY;
    if (isBehind) state.dueMs = tools.now() + BEHIND_MS;
  } catch (error) {
    if (signal.aborted) return;
    const cause = error instanceof Error ? error.message : String(error);
    tools.logger.warn("an archive could not be written", { stream: target.stream.name, cause });
    state.dueMs = tools.now() + Math.min(RETRY_MS * 2 ** state.failures, RETRY_MAX_MS);
    state.failures += 1;
    await tools.store.setCause(uid, cause, new Date(tools.now())).catch(() => undefined);
  } finally {
    state.isRunning = false;
  }
}
