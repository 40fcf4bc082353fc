/** What tells a repeated call from another one under the same idempotency key. */
import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { RecordRows } from "../core/record-block.ts";

/** Bytes that are hashed before others get a turn. */
const SLICE_BYTES = 256 * 1024;

/**
 * SHA-256 (URL-safe base64) over the records' bytes and ids in order, each with its length: the same
 * records give the same hash in whatever form the call came.
 */
export async function contentHash({ bytes, spans, ids }: RecordRows): Promise<string> {
  const hash = createHash("sha256");
  const lengths = new Float64Array(spans.length / 2);
  for (let i = 0; i < lengths.length; i++) lengths[i] = spans[i * 2 + 1]! - spans[i * 2]!;
  hash.update(lengths);
  for (let first = 0; first < lengths.length; ) {
    let end = first;
    let size = 0;
    while (end < lengths.length && (size === 0 || size + lengths[end]! <= SLICE_BYTES)) {
      size += lengths[end++]!;
    }
    // One call of the hash for many records: each costs far more than the copy.
    const slice = Buffer.allocUnsafe(size);
    let at = 0;
    for (let i = first; i < end; i++) {
      slice.set(bytes.subarray(spans[i * 2]!, spans[i * 2 + 1]!), at);
      at += lengths[i]!;
    }
    hash.update(slice);
    first = end;
    if (first < lengths.length) await nextTurn();
  }
  if (ids.length > 0) hash.update(JSON.stringify(ids));
  return hash.digest("base64url");
}
