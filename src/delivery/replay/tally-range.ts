/** Counts and hashes of the records of a range, for reports that others can check. */
import { createHash, type Hash } from "node:crypto";
import type { RangeReader, RecordRange } from "./record-range.ts";

/** What a range holds. */
export interface RangeTally {
  /** By partition: records, and the SHA-256 of their ids in order, each followed by a line feed. */
  readonly partitions: ReadonlyMap<number, { readonly records: number; readonly hash: string }>;
  readonly records: number;
}

/** Reads a range to its end. Fails with LOG_UNAVAILABLE or LOG_CORRUPT. */
export async function tallyRange(
  reader: RangeReader,
  range: RecordRange,
  signal: AbortSignal,
): Promise<RangeTally> {
  const found = new Map<number, { records: number; hash: Hash }>();
  for (let first = range.first; first <= range.last; ) {
    signal.throwIfAborted();
    const page = await reader.read({ ...range, first }, signal);
    for (const { partition, rows } of page.messages) {
      const own = found.get(partition) ?? { records: 0, hash: createHash("sha256") };
      found.set(partition, own);
      own.records += rows.length;
      for (const row of rows) own.hash.update(`${row.recordId}\n`);
    }
    first = page.next;
  }
  let records = 0;
  const partitions = new Map<number, { records: number; hash: string }>();
  for (const [partition, own] of [...found].sort(([a], [b]) => a - b)) {
    records += own.records;
    partitions.set(partition, { records: own.records, hash: own.hash.digest("hex") });
  }
  return { partitions, records };
}
