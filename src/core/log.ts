/**
 * How the ways in and out meet the log: ingest appends encoded call blocks, delivery and the record
 * service read stored messages. What stands behind it (JetStream) is known to `bus` alone.
 */

/** The records that one call brings to one partition, already encoded. */
export interface LogPart {
  readonly partition: number;
  /** An encoded CallBlock (tributary.records.v1); at most 508 KiB unless it holds one record. */
  readonly block: Uint8Array;
  /** Number of records in the block. */
  readonly count: number;
}

/** One call to append: all parts are stored, or none. */
export interface LogCall {
  readonly shard: number;
  readonly logUid: string;
  readonly generation: number;
  /** Project, for fair sharing of bytes in flight and group-commit turns. */
  readonly projectUid: string;
  /** In the order of the call; a partition may appear more than once when its records need several blocks. */
  readonly parts: readonly LogPart[];
  readonly idempotency?: {
    /** hash(principal, log, key), at most 64 characters of URL-safe text. */
    readonly id: string;
    /** Hash of the body, to tell a repeat from a reuse. */
    readonly bodyHash: string;
  };
}

/** Where a part begins: the records of the part follow each other within one message. */
export interface PartPlace {
  readonly sequence: number;
  readonly index: number;
}

/** The answer to a stored call. */
export interface LogAppended {
  /** One for each part, in its order. */
  readonly places: readonly PartPlace[];
  /** Whether an earlier call with the same idempotency id stored the records. */
  readonly isDuplicate: boolean;
}

/** Appends to the log. */
export interface LogWriter {
  /**
   * Resolves when every part is on disk (fsync on one node, a quorum on a cluster). Fails with
   * STREAM_FULL, OVERLOADED, IDEMPOTENCY_KEY_REUSED, or LOG_UNAVAILABLE within 5 s, when the fate of
   * the call is unknown.
   */
  append(call: LogCall): Promise<LogAppended>;
}

/** One stored message: a RecordBatch of one partition of one log. */
export interface LogMessage {
  /** Sequence within the shard: ascending over all logs of the shard. */
  readonly sequence: number;
  readonly logUid: string;
  readonly generation: number;
  readonly partition: number;
  /** When the server stored it. */
  readonly timeMs: number;
  /** An encoded RecordBatch. */
  readonly data: Uint8Array;
}

/** What a log holds. */
export interface LogInfo {
  /** Oldest sequence of the log that is stored; `lastSequence + 1` of the shard when it is empty. */
  readonly firstSequence: number;
  /** Newest sequence of the log; 0 when it is empty. */
  readonly lastSequence: number;
  /** Newest sequence of the whole shard: a record pushed later has a higher one. */
  readonly shardLastSequence: number;
  readonly messages: number;
  readonly bytes: number;
  /** Tells this shard from one made anew in its place, whose sequences are other records: its time of making. */
  readonly identity: string;
}

/** Reads stored messages. */
export interface LogReader {
  /**
   * Stored messages of one log from a sequence on, ascending over all its generations and
   * partitions; at most `maxMessages` and about `maxBytes`. Empty when there is none yet.
   * Fails with LOG_UNAVAILABLE.
   */
  read(
    log: { readonly shard: number; readonly uid: string },
    options: {
      readonly fromSequence: number;
      readonly maxMessages: number;
      readonly maxBytes: number;
      readonly signal?: AbortSignal;
    },
  ): Promise<LogMessage[]>;
  info(log: { readonly shard: number; readonly uid: string }): Promise<LogInfo>;
  /** First sequence of the log stored at this time or later; the next one to come when there is none. */
  sequenceAt(
    log: { readonly shard: number; readonly uid: string },
    timeMs: number,
  ): Promise<number>;
}
