import type { SinkRow } from "./sink.ts";

/**
 * What the order of a row is kept by, as the message group or partition key: records of one key share
 * it, whatever request and version they are in; those of a stream without keys share their partition's.
 */
export function orderingName({ keyHash }: SinkRow, partition: number): string {
  return keyHash === undefined
    ? `partition-${partition}`
    : `key-${(keyHash >>> 0).toString(16).padStart(8, "0")}`;
}
