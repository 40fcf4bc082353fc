/**
 * Signed requests that were taken, so that none is taken twice: in memory, and in a keyed store for other
 * nodes and for the time after a restart. Two at the same moment are told apart by the log itself, which
 * gets the same name of the request as idempotency key.
 */
import { createHash } from "node:crypto";
import { createReplayMemory } from "../sources/replay-memory.ts";
import type { Sender } from "../sources/source.ts";

/** How long the store keeps names: the longest tolerance, before and after the time of a request. */
export const REPLAY_AGE_MS = 2 * 60 * 60_000 + 60_000;

/** The part of a keyed store that is used. */
export interface ReplayEntries {
  get(key: string): Promise<unknown>;
  writeMany(writes: readonly { key: string; value: Uint8Array }[]): Promise<unknown>;
}

/** Knows what was taken. */
export interface Replays {
  /** Fails with OVERLOADED or LOG_UNAVAILABLE. */
  has(sourceUid: string, sender: Sender, nowMs: number): Promise<boolean>;
  /** Remembers a request that was taken; on disk when it resolves. Fails with LOG_UNAVAILABLE. */
  add(sourceUid: string, sender: Sender): Promise<void>;
}

/** The knowledge of all nodes; without a store that of this one. */
export function createReplays(entries?: ReplayEntries): Replays {
  const memory = createReplayMemory();
  return {
    async has(sourceUid, { replay }, nowMs) {
      if (!replay) return false;
      const key = keyOf(sourceUid, replay.id);
      if (memory.has(key, nowMs)) return true;
      return (await entries?.get(key)) !== undefined;
    },
    async add(sourceUid, { replay }) {
      if (!replay) return;
      const key = keyOf(sourceUid, replay.id);
      memory.add(key, replay.untilMs);
      await entries?.writeMany([{ key, value: Buffer.from(String(replay.untilMs)) }]);
    },
  };
}

function keyOf(sourceUid: string, id: string): string {
  return `r.${sourceUid}.${createHash("sha256").update(id).digest("base64url")}`;
}
