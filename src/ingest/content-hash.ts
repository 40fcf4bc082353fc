/** What tells a repeated call from another one under the same idempotency key. */
import { createHash } from "node:crypto";
import type { RecordRows } from "../core/record-block.ts";

/**
 * SHA-256 (URL-safe base64) over the records' bytes and ids in order, each with its length: the same
 * records give the same hash in whatever form the call came.
 */
export function contentHash({ bytes, spans, ids }: RecordRows): string {
  const hash = createHash("sha256");
  const lengths = new Float64Array(spans.length / 2);
  for (let i = 0; i < lengths.length; i++) lengths[i] = spans[i * 2 + 1]! - spans[i * 2]!;
  hash.update(lengths);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const joined = Buffer.allocUnsafeSlow(total);
  let at = 0;
  for (let i = 0; i < spans.length; i += 2) {
    joined.set(bytes.subarray(spans[i]!, spans[i + 1]!), at);
    at += spans[i + 1]! - spans[i]!;
  }
  hash.update(joined);
  if (ids.length > 0) hash.update(JSON.stringify(ids));
  return hash.digest("base64url");
}
