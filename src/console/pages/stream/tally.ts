/** Records counted by key and by partition, without being kept. */
import type { Record } from "#gen/tributary/records/v1/record_pb.js";
import { keyOf } from "../../api/record-json.ts";

/** Keys that are told apart; later ones are counted together with none of their own. */
const KEYS_MAX = 100_000;

/** What is known of one key or partition. */
export interface Count {
  readonly id: string;
  readonly partition: number;
  readonly count: number;
  /** Bytes of the records as they were pushed. */
  readonly size: number;
  readonly last: Record;
}

/** What was counted. */
export interface Tally {
  readonly count: number;
  readonly keys: ReadonlyMap<string, Count>;
  readonly partitions: ReadonlyMap<string, Count>;
  /** Records of keys beyond those that are told apart. */
  readonly ofOtherKeys: number;
}

/** Counts more and more records; `tally` is what there is so far. */
export interface Counter {
  add(records: readonly Record[]): void;
  tally(): Tally;
}

/** Begins with none. */
export function createCounter(keyFields: readonly string[]): Counter {
  const keys = new Map<string, Count>();
  const partitions = new Map<string, Count>();
  let count = 0;
  let ofOtherKeys = 0;
  return {
    add(records) {
      for (const record of records) {
        count += 1;
        note(partitions, String(record.partition), record);
        if (keyFields.length === 0) continue;
        const key = keyOf(record, keyFields);
        if (keys.has(key) || keys.size < KEYS_MAX) note(keys, key, record);
        else ofOtherKeys += 1;
      }
    },
    tally: () => ({ count, keys, partitions, ofOtherKeys }),
  };
}

/** Counts what is there. */
export function tallyOf(records: readonly Record[], keyFields: readonly string[]): Tally {
  const counter = createCounter(keyFields);
  counter.add(records);
  return counter.tally();
}

function note(counts: Map<string, Count>, id: string, record: Record): void {
  const before = counts.get(id);
  counts.set(id, {
    ...{ id, partition: record.partition, last: record },
    count: (before?.count ?? 0) + 1,
    size: (before?.size ?? 0) + record.json.length,
  });
}
