/** Counts of what sources take, gathered in memory and saved now and then. */
import type { SourceDefinition } from "../core/definitions.ts";
import type { Logger } from "../core/logger.ts";

/** What one source took since the last save. */
export interface SourceCounts {
  readonly sourceUid: string;
  readonly projectUid: string;
  requests: number;
  records: number;
  bytes: number;
  unauthenticatedRecords: number;
  unauthenticatedBytes: number;
  quarantined: number;
  refused: number;
  /** When the first record of these came; undefined for none. */
  firstTimeMs: number | undefined;
  /** When the last record came; undefined for none. */
  lastTimeMs: number | undefined;
  /** Keys that were used. */
  readonly keyUids: Set<string>;
}

/** What a request brought. */
export interface TakenRequest {
  readonly records: number;
  readonly bytes: number;
  readonly quarantined: number;
  readonly isAuthenticated: boolean;
  readonly keyUid?: string | undefined;
}

/** The counter of this node. */
export interface SourceStatsKeeper {
  taken(source: SourceDefinition, request: TakenRequest): void;
  refused(source: SourceDefinition): void;
  /** Saves what was gathered; runs by itself every 5 s. */
  flush(): Promise<void>;
  /** Saves a last time. Idempotent. */
  close(): Promise<void>;
}

/** What the keeper needs. */
export interface SourceStatsOptions {
  /** Adds counts to those that are saved. */
  readonly save: (counts: readonly SourceCounts[], time: Date) => Promise<void>;
  readonly logger: Logger;
  readonly everyMs?: number;
}

/** Sources that are counted at once; beyond it new ones wait for the next save. */
const SOURCES_MAX = 10_000;

/** Begins to count. */
export function createSourceStats(options: SourceStatsOptions): SourceStatsKeeper {
  const { save, logger, everyMs = 5_000 } = options;
  let gathered = new Map<string, SourceCounts>();
  const countsOf = ({ uid, projectUid }: SourceDefinition) => {
    let counts = gathered.get(uid);
    if (!counts && gathered.size < SOURCES_MAX) {
      counts = emptyCounts(uid, projectUid);
      gathered.set(uid, counts);
    }
    return counts;
  };
  const flush = async () => {
    if (gathered.size === 0) return;
    const counts = gathered;
    gathered = new Map();
    try {
      await save([...counts.values()], new Date());
    } catch (error) {
      logger.debug("counts of sources are saved later", { error });
      for (const [uid, old] of counts) gathered.set(uid, addCounts(old, gathered.get(uid)));
    }
  };
  const timer = setInterval(() => void flush(), everyMs);
  timer.unref();
  return {
    taken(source, { records, bytes, quarantined, isAuthenticated, keyUid }) {
      const counts = countsOf(source);
      if (!counts) return;
      counts.requests++;
      counts.records += records;
      counts.bytes += bytes;
      counts.quarantined += quarantined;
      if (!isAuthenticated) {
        counts.unauthenticatedRecords += records;
        counts.unauthenticatedBytes += bytes;
      }
      if (records > 0) counts.lastTimeMs = Date.now();
      counts.firstTimeMs ??= counts.lastTimeMs;
      if (keyUid) counts.keyUids.add(keyUid);
    },
    refused(source) {
      const counts = countsOf(source);
      if (counts) counts.refused++;
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}

function emptyCounts(sourceUid: string, projectUid: string): SourceCounts {
  return {
    sourceUid,
    projectUid,
    requests: 0,
    records: 0,
    bytes: 0,
    unauthenticatedRecords: 0,
    unauthenticatedBytes: 0,
    quarantined: 0,
    refused: 0,
    firstTimeMs: undefined,
    lastTimeMs: undefined,
    keyUids: new Set(),
  };
}

function addCounts(a: SourceCounts, b: SourceCounts | undefined): SourceCounts {
  if (!b) return a;
  return {
    ...a,
    requests: a.requests + b.requests,
    records: a.records + b.records,
    bytes: a.bytes + b.bytes,
    unauthenticatedRecords: a.unauthenticatedRecords + b.unauthenticatedRecords,
    unauthenticatedBytes: a.unauthenticatedBytes + b.unauthenticatedBytes,
    quarantined: a.quarantined + b.quarantined,
    refused: a.refused + b.refused,
    firstTimeMs: a.firstTimeMs ?? b.firstTimeMs,
    lastTimeMs: b.lastTimeMs ?? a.lastTimeMs,
    keyUids: new Set([...a.keyUids, ...b.keyUids]),
  };
}
