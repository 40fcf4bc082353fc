/**
 * Losses of stored records, from where they are noticed to whoever is to hear of them: each node knows those of
 * all logs, so that the status of a sink tells them without asking the database.
 */
import type { LogLoss } from "#gen/tributary/management/v1/log_loss_pb.js";
import type { Definitions } from "../core/definitions.ts";
import type { Logger } from "../core/logger.ts";
import type { Database } from "../db/client.ts";
import { insertLogLosses, type LogLossRow, readLogLosses } from "../db/log-losses.ts";

/** What a shard has lost, as its owner noticed it. */
export interface ShardLoss {
  readonly shard: number;
  /** The same for every owner that notices the same loss. */
  readonly witness: string;
  /** 0 when it is not known. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Missing batches by log; empty when it is not known whose they were. */
  readonly batchesByLog: ReadonlyMap<string, number>;
  /** How it is known, as the beginning of a sentence. */
  readonly how: string;
}

/** What the keeper works with. */
export interface LogLossesOptions {
  readonly database: Database;
  readonly definitions: Pick<Definitions, "streams">;
  readonly logger: Logger;
  readonly now?: () => number;
  /** How often others' findings are read, and what could not be kept is tried again; 10 s. */
  readonly everyMs?: number;
}

/** The keeper of a node. */
export interface LogLosses {
  /** Keeps what was noticed. Fails with DATABASE_UNAVAILABLE; `remember` does not. */
  keep(loss: ShardLoss): Promise<void>;
  /** Keeps it as soon as that is possible. Never throws. */
  remember(loss: ShardLoss): void;
  /** What a log has lost, newest first. */
  of(logUid: string): readonly LogLoss[];
  close(): void;
}

const EVERY_MS = 10_000;
/** Findings that wait for the database (D5). */
const WAITING_MAX = 100;

/** Starts the keeper; its owner closes it. */
export function startLogLosses(options: LogLossesOptions): LogLosses {
  const { database, logger, now = Date.now, everyMs = EVERY_MS } = options;
  let known: ReadonlyMap<string, readonly LogLoss[]> = new Map();
  let waiting: ShardLoss[] = [];
  let isTurning = false;
  const keep = async (loss: ShardLoss) => {
    const time = new Date(now());
    const rows = rowsOf(options, loss, time);
    known = await database.acrossProjects(async (queries) => {
      if (rows.length > 0) await insertLogLosses(queries, rows, time);
      return await readLogLosses(queries);
    });
  };
  const turn = async () => {
    for (const loss of waiting.splice(0)) {
      await keep(loss).catch((error: unknown) => {
        waiting = [...waiting, loss].slice(0, WAITING_MAX);
        throw error;
      });
    }
    known = await database.acrossProjects((queries) => readLogLosses(queries));
  };
  const look = () => {
    if (isTurning) return;
    isTurning = true;
    turn()
      .catch((error: unknown) => {
        logger.debug("losses of logs cannot be kept for now", { error: String(error) });
      })
      .finally(() => {
        isTurning = false;
      });
  };
  const timer = setInterval(look, everyMs);
  timer.unref();
  look();
  return {
    keep,
    remember(loss) {
      waiting = [...waiting, loss].slice(0, WAITING_MAX);
      look();
    },
    of: (logUid) => known.get(logUid) ?? [],
    close: () => clearInterval(timer),
  };
}

function rowsOf(
  { definitions }: LogLossesOptions,
  { shard, witness, firstSequence, lastSequence, batchesByLog, how }: ShardLoss,
  createTime: Date,
): LogLossRow[] {
  const rows: LogLossRow[] = [];
  for (const { projectUid, logs } of definitions.streams()) {
    for (const { uid: logUid, shard: own } of logs.values()) {
      const batches = batchesByLog.get(logUid) ?? 0;
      if (own !== shard || (batchesByLog.size > 0 && batches === 0)) continue;
      const what =
        batches > 0
          ? `${batches} stored ${batches === 1 ? "batch" : "batches"} of records of this branch`
          : "stored records of this branch, or of others that are stored with it,";
      const message =
        `${what} ${batches === 1 ? "is" : "are"} missing, and nobody removed them: ${how}. ` +
        "Look at the disks of the log; what a backup, the archive or the senders still have can be pushed again.";
      rows.push({
        ...{ logUid, witness, projectUid, firstSequence, lastSequence, batches, message },
        createTime,
      });
    }
  }
  return rows;
}
