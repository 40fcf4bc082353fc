/**
 * The definitions in memory, kept equal to the database: Postgres notifies of each change, a check
 * every 2 s finds what a lost notification would have told, and every write on this node refreshes
 * before it answers. While Postgres is away the content stays, and `freshAtMs` stands still.
 */

import { asc, count, gt, max, min } from "drizzle-orm";
import type { Sql } from "postgres";
import type { Definitions } from "../core/definitions.ts";
import type { MasterKey } from "../core/envelope.ts";
import type { Logger } from "../core/logger.ts";
import type { Database, Queries } from "../db/client.ts";
import { changes } from "../db/schema.ts";
import { createDefinitionIndex, type DefinitionUpdate } from "./definition-index.ts";
import { readProjects, readSinks, readStreams, type Uids } from "./definition-store.ts";
import { readApplications, readGrants, readPersons, readTokens } from "./principal-definitions.ts";
import { readSources } from "./source-store.ts";

/** The definitions, and the means to bring them up to date. */
export interface Snapshot extends Definitions {
  /** Resolves when all that was committed before the call is in. Fails with DATABASE_UNAVAILABLE. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

/** What a snapshot is made of. */
export interface SnapshotOptions {
  readonly database: Database;
  /** 32 bytes; opens the definitions of sinks. */
  readonly masterKey: MasterKey;
  readonly logger: Logger;
  readonly now?: () => number;
  /** How often it looks without being told; 2 s by default. */
  readonly checkMs?: number;
}

/** More changes than this at once, and reading all is quicker. */
const CHANGES_MAX = 2_000;
const CHANNEL = "tributary_changes";

/** Loads everything, then follows. Fails when Postgres does not answer. */
export async function openSnapshot(options: SnapshotOptions): Promise<Snapshot> {
  const { database, logger, now = Date.now, checkMs = 2_000 } = options;
  const index = createDefinitionIndex();
  const listeners = new Set<() => void>();
  let seen: number | undefined;
  let freshAtMs = 0;

  const read = async () => {
    const startMs = now();
    const { newest, update } = await readChanges(options, seen);
    seen = newest;
    freshAtMs = startMs;
    // Changes of other things, such as revoked tokens, come by here too.
    if (!update || Object.values(update).every((part) => part.uids.length === 0)) return;
    index.apply(update);
    for (const listener of listeners) callListener(listener, logger);
  };
  const refresh = oneAtATime(read);
  const check = createCheck({ database, logger, refresh, checkMs });
  await refresh();
  check.start();
  return {
    ...index.lookups,
    freshAtMs: () => freshAtMs,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    refresh,
    close: check.close,
  };
}

function callListener(listener: () => void, logger: Logger): void {
  try {
    listener();
  } catch (error) {
    logger.error("a listener to definitions failed", { error });
  }
}

/** A call during a run gets the next run, which all such calls share: it begins after their time. */
function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const run = () => {
    next = undefined;
    running = work().finally(() => {
      running = undefined;
    });
    return running;
  };
  return () => {
    if (!running) return run();
    next ??= running.then(run, run);
    return next;
  };
}

/** Reads what changed after `seen`; everything when that is undefined or cannot be told. */
async function readChanges(
  options: SnapshotOptions,
  seen: number | undefined,
): Promise<{ newest: number; update: DefinitionUpdate | undefined }> {
  const { database } = options;
  if (seen !== undefined) {
    const newest = await database.acrossProjects((queries) => readNewest(queries));
    if (newest === seen) return { newest, update: undefined };
  }
  return await database.acrossProjects(
    async (queries) => {
      const newest = await readNewest(queries);
      const uids = await changedUids(queries, seen, newest);
      return { newest, update: await readDefinitions(queries, uids, options) };
    },
    { isSnapshot: true },
  );
}

async function readNewest(queries: Queries): Promise<number> {
  const [row] = await queries.select({ newest: max(changes.seq) }).from(changes);
  return row?.newest ?? 0;
}

/** Uids by kind, or "all" when there are too many, or some were deleted since. */
async function changedUids(
  queries: Queries,
  seen: number | undefined,
  newest: number,
): Promise<ReadonlyMap<string, readonly string[]> | "all"> {
  if (seen === undefined || newest < seen) return "all";
  const isNew = gt(changes.seq, seen);
  const [kept] = await queries.select({ oldest: min(changes.seq) }).from(changes);
  const [found] = await queries.select({ number: count() }).from(changes).where(isNew);
  const isCut = kept?.oldest !== undefined && kept.oldest !== null && kept.oldest > seen + 1;
  if (isCut || (found?.number ?? 0) > CHANGES_MAX) return "all";
  const rows = await queries.select().from(changes).where(isNew).orderBy(asc(changes.seq));
  const byKind = new Map<string, Set<string>>();
  for (const { kind, uid } of rows) {
    const uids = byKind.get(kind) ?? new Set();
    byKind.set(kind, uids.add(uid));
  }
  return new Map([...byKind].map(([kind, uids]) => [kind, [...uids]]));
}

async function readDefinitions(
  queries: Queries,
  changed: ReadonlyMap<string, readonly string[]> | "all",
  { masterKey, logger, now = Date.now }: SnapshotOptions,
): Promise<DefinitionUpdate> {
  const of = async <T>(kind: string, load: (uids: Uids) => Promise<T[]>) => {
    // A default is every project's.
    const isAll = changed === "all" || (kind === "project" && changed.has("setting"));
    const uids: Uids = isAll ? "all" : (changed.get(kind) ?? []);
    return { uids, found: uids.length > 0 ? await load(uids) : [] };
  };
  const onSealed = (name: string, error: unknown) =>
    logger.error("a sink or source cannot be decrypted and does not run", { name, error });
  return {
    projects: await of("project", (uids) => readProjects(queries, uids)),
    streams: await of("stream", (uids) => readStreams(queries, uids)),
    sinks: await of("sink", (uids) => readSinks(queries, uids, { masterKey, onSealed })),
    sources: await of("source", (uids) => readSources(queries, uids, { masterKey, onSealed })),
    applications: await of("application", (uids) =>
      readApplications(queries, uids, new Date(now())),
    ),
    persons: await of("person", (uids) => readPersons(queries, uids)),
    tokens: await of("token", (uids) => readTokens(queries, uids)),
    grants: await of("grant", (uids) => readGrants(queries, uids)),
  };
}

interface CheckOptions {
  readonly database: Database;
  readonly logger: Logger;
  readonly refresh: () => Promise<void>;
  readonly checkMs: number;
}

/** Refreshes when Postgres notifies, and every `checkMs`. */
function createCheck({ database, logger, refresh, checkMs }: CheckOptions) {
  let client: Sql | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  let isFailing = false;

  const refreshQuietly = async () => {
    try {
      await refresh();
      if (isFailing) logger.info("definitions are fresh again");
      isFailing = false;
    } catch (error) {
      if (!isFailing && !isClosed) logger.warn("definitions cannot be refreshed", { error });
      isFailing = true;
    }
    return !isFailing;
  };
  // postgres.js listens anew after a lost connection, but gives up when that fails: so each outage
  // ends with a client of its own.
  const listen = async () => {
    const opened = database.openClient(1);
    client = opened;
    await opened.listen(CHANNEL, () => void refreshQuietly());
  };
  const endClient = async () => {
    const old = client;
    client = undefined;
    await old?.end({ timeout: 1 }).catch(() => undefined);
  };
  const step = async () => {
    const wasFailing = isFailing;
    const isFine = await refreshQuietly();
    if (isFine && !isClosed && (wasFailing || !client)) {
      await endClient();
      await listen().catch(async (error: unknown) => {
        logger.debug("LISTEN failed; changes are looked for every check", { error });
        await endClient();
      });
      if (isClosed) await endClient();
    }
    schedule(checkMs);
  };
  const schedule = (delayMs: number) => {
    if (!isClosed) timer = setTimeout(() => void step(), delayMs);
  };
  return {
    start: () => schedule(0),
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await endClient();
    },
  };
}
