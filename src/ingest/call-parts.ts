/** The records of a call, divided by partition and encoded. */
import type { StreamDefinition } from "../core/definitions.ts";
import { partitionOf } from "../core/partition.ts";
import {
  type CallFacts,
  divideRows,
  type EncodedBlock,
  encodeCallBlock,
} from "../core/record-block.ts";
import { countOf, type RecordSet, SLICE_BYTES, yieldTurn } from "./record-set.ts";

/** The rows of each partition: by key, else all on the next one. */
export function divide(
  records: RecordSet,
  stream: StreamDefinition,
  nextPartition: () => number,
): { readonly partition: number; readonly rows: readonly number[] }[] {
  const count = countOf(records);
  if (stream.keyFields.length === 0 || stream.partitions === 1) {
    const partition = stream.partitions === 1 ? 0 : nextPartition();
    return [{ partition, rows: rowsTo(count) }];
  }
  if (count === 1) {
    return [{ partition: partitionOf(records.hashes[0]!, stream.partitions), rows: ONE_ROW }];
  }
  const rows: number[][] = Array.from({ length: stream.partitions }, () => []);
  for (let i = 0; i < count; i++) {
    rows[partitionOf(records.hashes[i]!, stream.partitions)]!.push(i);
  }
  return rows
    .map((list, partition) => ({ partition, rows: list }))
    .filter((part) => part.rows.length > 0);
}

const ONE_ROW: readonly number[] = [0];

const KEPT_ROWS_MAX = 10_000;
/** The last list of all rows: callers send calls of one size, and it is the same for all of them. */
let lastRows: readonly number[] = ONE_ROW;

function rowsTo(count: number): readonly number[] {
  if (lastRows.length === count) return lastRows;
  const rows = Array.from({ length: count }, (_, i) => i);
  if (count <= KEPT_ROWS_MAX) lastRows = rows;
  return rows;
}

/** An encoded block on its way to a partition. */
export interface EncodedPart {
  readonly partition: number;
  readonly encoded: EncodedBlock;
}

/** As `encodeParts`, for a call so small that nobody waits for it. */
export function encodePartsAtOnce(
  facts: CallFacts,
  records: RecordSet,
  divided: ReturnType<typeof divide>,
): EncodedPart[] {
  const parts: EncodedPart[] = [];
  for (const { partition, rows } of divided) {
    for (const chosen of divideRows(records, rows)) {
      parts.push({ partition, encoded: encodeCallBlock(facts, records, chosen) });
    }
  }
  return parts;
}

/** Encodes block by block; between the blocks of a large call others get a turn. */
export async function encodeParts(
  facts: CallFacts,
  records: RecordSet,
  divided: ReturnType<typeof divide>,
): Promise<EncodedPart[]> {
  const parts: EncodedPart[] = [];
  let bytes = 0;
  for (const { partition, rows } of divided) {
    for (const chosen of divideRows(records, rows)) {
      if (bytes > SLICE_BYTES) {
        await yieldTurn();
        bytes = 0;
      }
      const encoded = encodeCallBlock(facts, records, chosen);
      bytes += encoded.block.length;
      parts.push({ partition, encoded });
    }
  }
  return parts;
}
