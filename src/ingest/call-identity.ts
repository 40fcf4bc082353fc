/** The identity of a call that its caller may send again. */
import { createHash } from "node:crypto";
import type { LogDefinition } from "../core/definitions.ts";
import { failFields } from "../core/errors.ts";
import { contentHash } from "./content-hash.ts";
import type { PushCall } from "./push-call.ts";
import type { RecordSet } from "./record-set.ts";

const IDEMPOTENCY_KEY_BYTES_MAX = 256;

/** Fails with INVALID_FIELDS when the key of a call is longer than 256 bytes of UTF-8. */
export function checkIdempotencyKey(key: string): void {
  if (Buffer.byteLength(key) <= IDEMPOTENCY_KEY_BYTES_MAX) return;
  const description = `is longer than ${IDEMPOTENCY_KEY_BYTES_MAX} bytes`;
  throw failFields([{ field: "idempotency_key", description }]);
}

/**
 * What tells a call that comes again: the same key of the same caller for the same log is the same call,
 * and its content must be the same. Undefined for a call without a key.
 */
export async function idempotencyOf(call: PushCall, records: RecordSet, log: LogDefinition) {
  if (call.idempotencyKey === "") return undefined;
  const identity = JSON.stringify([call.caller.id, log.uid, call.idempotencyKey]);
  const id = createHash("sha256").update(identity).digest("base64url");
  return { id, bodyHash: await contentHash(records) };
}
