/** Keeps the ledgers of the sinks that this node delivers for, every 15 minutes, where they changed. */
import type { Definitions, SinkDefinition } from "../core/definitions.ts";
import type { Logger } from "../core/logger.ts";
import type { Database } from "../db/client.ts";
import { forgetLedgers, insertLedgers, LEDGER_COUNTS, type LedgerRow } from "./ledger-store.ts";
import type { Status } from "./sink-conditions.ts";

/** What the keeper works with. */
export interface LedgerKeeperOptions {
  readonly database: Database;
  readonly logger: Logger;
  readonly definitions: Pick<Definitions, "sinks">;
  readonly isOwner: (shard: number) => boolean;
  readonly statuses: (sinks: Iterable<SinkDefinition>) => Promise<ReadonlyMap<string, Status>>;
  readonly now?: () => number;
  /** 15 min. */
  readonly everyMs?: number;
}

/** A keeper that runs. */
export interface LedgerKeeper {
  /** Keeps what changed now. Fails with DATABASE_UNAVAILABLE or LOG_UNAVAILABLE. */
  keep(): Promise<void>;
  close(): void;
}

const EVERY_MS = 15 * 60_000;
const KEPT_MS = 90 * 86_400_000;
const ROWS_AT_ONCE = 500;

/** Starts to keep; its owner closes it. */
export function startLedgerKeeper(options: LedgerKeeperOptions): LedgerKeeper {
  const { database, definitions, isOwner, now = Date.now, everyMs = EVERY_MS } = options;
  const last = new Map<string, string>();
  const keep = async () => {
    const sinks = [...definitions.sinks()].filter(({ log }) => isOwner(log.shard));
    const uids = new Set(sinks.map(({ uid }) => uid));
    for (const uid of last.keys()) if (!uids.has(uid)) last.delete(uid);
    const statuses = await options.statuses(sinks);
    const time = new Date(now());
    const changed = sinks.flatMap((sink) => {
      const status = statuses.get(sink.uid);
      const row = status && ledgerRow(sink, status, time);
      return row && last.get(sink.uid) !== markOf(row) ? [row] : [];
    });
    for (let at = 0; at < changed.length; at += ROWS_AT_ONCE) {
      const some = changed.slice(at, at + ROWS_AT_ONCE);
      await insertLedgers(database, some);
      for (const row of some) last.set(row.sinkUid, markOf(row));
    }
    await forgetLedgers(database, new Date(now() - KEPT_MS));
  };
  const timer = setInterval(() => {
    keep().catch((error: unknown) => {
      options.logger.debug("ledgers cannot be kept for now", { error: String(error) });
    });
  }, everyMs);
  timer.unref();
  return { keep, close: () => clearInterval(timer) };
}

/** The ledger of a sink at a time, from its status. */
export function ledgerRow(sink: SinkDefinition, status: Status, time: Date): LedgerRow {
  const { counts } = status;
  const row = {
    sinkUid: sink.uid,
    createTime: time,
    projectUid: sink.projectUid,
    settledSequence: Number(status.settledSequence ?? 0n),
    ...{ pushed: 0, delivered: 0, filtered: 0, held: 0, discarded: 0, expired: 0, pending: 0 },
  };
  for (const name of LEDGER_COUNTS) row[name] = Number(counts?.[name] ?? 0n);
  return row;
}

function markOf(row: LedgerRow): string {
  return LEDGER_COUNTS.map((name) => row[name]).join();
}
