/**
 * The pace of one shard: as much as Kinesis publishes that a shard takes, and less when it says so.
 * Additive increase, multiplicative decrease: a refusal halves what is put in a second, and from there it
 * grows by a twentieth of the limit a second, for other producers may write to the shard as well.
 */

import { setTimeout as delay } from "node:timers/promises";
import { SinkFault } from "../sink-fault.ts";

/** What a shard takes in a second: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html */
export const SHARD_LIMITS = { records: 1_000, bytes: 1_000_000 };
/** No limits, for shards that are not known. */
export const NO_LIMITS = { records: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };

/** Part of the limits that is used, and the time in which. */
const SHARE = 0.98;
const WINDOW_MS = 1_000;
/** What is answered within so long is counted as one. */
const SLOT_MS = 10;
const GROWTH_PER_S = 0.05;
const SHARE_MIN = 1 / 64;
const REST_FIRST_MS = 50;
const REST_LAST_MS = 2_000;
/** The pace of one shard, shared by all that is put there. */
export interface Pace {
  /** Whether a record of so many bytes may be put now; if so it counts, until a second after its answer. */
  take(bytes: number): boolean;
  /** To be called once for each record that was taken: it was answered, or will not be. */
  answered(bytes: number): void;
  /** How long to wait before it is worth to ask again, in milliseconds. */
  waitMs(): number;
  /** The shard refused what was put, for the `tries`-th time in a row: it rests, and its rate is halved. */
  refuse(tries: number): void;
  /** Part of the limits that is used now, from 0 to 1. */
  share(): number;
}

/** Makes the pace of a shard that nothing was put to. */
export function createPace(
  limits: { readonly records: number; readonly bytes: number },
  now: () => number = () => performance.now(),
  random: () => number = Math.random,
): Pace {
  const slots: { readonly endMs: number; records: number; bytes: number }[] = [];
  const used = { records: 0, bytes: 0 };
  let halved = { share: 1, timeMs: Number.NEGATIVE_INFINITY };
  let restsUntil = 0;
  let askAgainAt = 0;
  const shareAt = (timeMs: number) =>
    Math.min(1, halved.share + ((timeMs - halved.timeMs) / 1_000) * GROWTH_PER_S);
  const forget = (timeMs: number) => {
    while (slots[0] && slots[0].endMs + WINDOW_MS <= timeMs) {
      const gone = slots.shift()!;
      used.records -= gone.records;
      used.bytes -= gone.bytes;
    }
  };
  const isFull = (size: number, share: number) =>
    used.records + 1 > limits.records * share || used.bytes + size > limits.bytes * share;
  return {
    take(size) {
      const timeMs = now();
      forget(timeMs);
      // One record may always go, however large: it is then alone in its time.
      const waitsForOthers = used.records > 0 && isFull(size, SHARE * shareAt(timeMs));
      // What is under way was perhaps not counted by the shard yet: its second has not begun.
      const freeAt = slots[0] ? slots[0].endMs + WINDOW_MS : timeMs + SLOT_MS;
      askAgainAt = Math.max(restsUntil, waitsForOthers ? freeAt : 0);
      if (timeMs < askAgainAt) return false;
      used.records++;
      used.bytes += size;
      return true;
    },
    answered(size) {
      const timeMs = now();
      const last = slots.at(-1);
      const isSame = last !== undefined && timeMs < last.endMs;
      const slot = isSame ? last : { endMs: timeMs + SLOT_MS, records: 0, bytes: 0 };
      if (!isSame) slots.push(slot);
      slot.records++;
      slot.bytes += size;
    },
    waitMs: () => Math.max(1, askAgainAt - now()),
    refuse(tries) {
      const timeMs = now();
      const longest = Math.min(REST_FIRST_MS * 2 ** (tries - 1), REST_LAST_MS);
      restsUntil = Math.max(restsUntil, timeMs + longest * (0.5 + random() / 2));
      // What was put together is refused together: that is one refusal.
      if (timeMs - halved.timeMs < WINDOW_MS) return;
      halved = { share: Math.max(SHARE_MIN, shareAt(timeMs) / 2), timeMs };
    },
    share: () => shareAt(now()),
  };
}

/** Waits for shards. Throws SinkFault `THROTTLED`, which burns no attempt, when the attempt ends meanwhile. */
export async function waitForShards(waitMs: number, signal: AbortSignal): Promise<void> {
  await delay(waitMs, undefined, { signal }).catch((cause: unknown) => {
    const why = "shards take no more; what they took in the time of one attempt is stored";
    throw new SinkFault("THROTTLED", why, { cause });
  });
}
