/**
 * Finds out whether a shard lacks messages that nobody removed. A bit that flips on disk costs a message
 * or the end of a block; nats-server passes over the first and cuts off the second, and goes on.
 */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "../core/logger.ts";
import { getStoredMessage } from "./stored-message.ts";
import { parseRecordsSubject, type SubjectNames } from "./subjects.ts";

/** What nats-server lost by itself stands beside the list of what was removed: asked for while that is short. */
const DELETED_MAX = 10_000;

/** Counts what one walk over a shard finds. */
export interface MissingMessages {
  /** The walk's last message: nats-server counts those that it cannot read as still to come. */
  readonly newest: number;
  /** A message was found. */
  found(logUid: string, sequence: number): void;
  /** The walk has reached the end: tells the log of the server what is missing. Never rejects. */
  judge(): Promise<void>;
}

/** What is missing of a shard. */
export interface MissingReport {
  /** The same for every walk that finds it, as long as the server runs. */
  readonly witness: string;
  /** Newest sequence that was looked at. */
  readonly lastSequence: number;
  /** Bytes that nats-server itself could not read when it started. */
  readonly lostBytes: number;
  /** Missing messages by log; empty when only those bytes are known. */
  readonly batchesByLog: ReadonlyMap<string, number>;
}

/** What finding out needs. */
export interface MissingInput {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly names: SubjectNames;
  readonly logger: Logger;
  /** Is told what is missing. Must not throw. */
  readonly onMissing?: ((report: MissingReport) => void) | undefined;
}

interface Expectation {
  readonly lastSequence: number;
  readonly firstSequence: number;
  readonly deleted: number;
  /** Bytes that nats-server itself could not read when it started. */
  readonly lostBytes: number;
  readonly byLog: ReadonlyMap<string, number>;
}

/** Asks what the server's index says is stored; to be called before the walk. */
export async function expectMessages(
  shard: number,
  { nc, jsm, names, logger, onMissing }: MissingInput,
): Promise<MissingMessages> {
  const stream = names.shardStream(shard);
  const ask = async (): Promise<Expectation> => {
    const filter = names.recordsOfShard(shard);
    const { state } = await jsm.streams.info(stream, { subjects_filter: filter });
    const byLog = new Map<string, number>();
    for (const [subject, count] of Object.entries(state.subjects ?? {})) {
      const logUid = parseRecordsSubject(subject)?.logUid;
      if (logUid) byLog.set(logUid, (byLog.get(logUid) ?? 0) + count);
    }
    const deleted = state.num_deleted ?? 0;
    const details =
      deleted < DELETED_MAX ? await jsm.streams.info(stream, { deleted_details: true }) : undefined;
    return {
      lastSequence: state.last_seq,
      firstSequence: state.first_seq,
      deleted,
      lostBytes: details?.state.lost?.bytes ?? 0,
      byLog,
    };
  };
  const before = await ask();
  const last = await getStoredMessage(jsm, stream, { last_by_subj: names.recordsOfShard(shard) });
  const counts = new Map<string, number>();
  return {
    newest: last?.sequence ?? 0,
    found(logUid, sequence) {
      if (sequence <= before.lastSequence) counts.set(logUid, (counts.get(logUid) ?? 0) + 1);
    },
    async judge() {
      const missing: Record<string, number> = {};
      for (const [logUid, expected] of before.byLog) {
        const found = counts.get(logUid) ?? 0;
        if (found < expected) missing[logUid] = expected - found;
      }
      const { lostBytes } = before;
      if (Object.keys(missing).length === 0 && lostBytes === 0) return;
      const after = await ask().catch(() => undefined);
      // Something was removed during the walk, so the numbers say nothing: the next walk looks again.
      const isSame =
        after?.firstSequence === before.firstSequence && after.deleted === before.deleted;
      if (!isSame && lostBytes === 0) return;
      logger.error("stored records are missing: the disk may be damaged", {
        stream,
        lastSequence: before.lastSequence,
        lostBytes,
        ...(isSame && { batchesByLog: missing }),
      });
      const batchesByLog = new Map(isSame ? Object.entries(missing) : []);
      const { lastSequence } = before;
      const found = Object.values(missing).join(" ");
      // A server that starts again has counted anew, and so what it misses is another loss.
      const witness = `server ${nc.info?.server_id ?? ""}: ${lostBytes} bytes, ${isSame ? found : "?"}`;
      onMissing?.({ witness, lastSequence, lostBytes, batchesByLog });
    },
  };
}
