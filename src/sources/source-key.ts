/** Finds which of a source's keys a sender has shown. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { SourceKeyDefinition } from "../core/definitions.ts";

/** Longest key that is looked at, in characters. */
const PRESENTED_MAX = 1024;

/** The uid of the key that `presented` is; undefined for none. Takes as long for each wrong key. */
export function findKey(
  keys: readonly SourceKeyDefinition[],
  presented: string,
  nowMs: number,
): string | undefined {
  const digest = createHash("sha256").update(presented.slice(0, PRESENTED_MAX)).digest();
  let found: string | undefined;
  for (const key of keys) {
    if (!key.sha256 || !isValid(key, nowMs)) continue;
    if (timingSafeEqual(digest, key.sha256)) found = key.uid;
  }
  return presented.length <= PRESENTED_MAX ? found : undefined;
}

/** Whether a key has not ended. */
export function isValid({ endTimeMs }: SourceKeyDefinition, nowMs: number): boolean {
  return endTimeMs === undefined || nowMs < endTimeMs;
}
